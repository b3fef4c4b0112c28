"""Connections are shared out among real workers of gunicorn, also where one is halted, killed or told to end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import gevent.pool
import gevent.socket
import gevent.ssl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app import even

ROOT = Path(__file__).parents[2]
APPLICATION = """
import os

from flask import Flask

app = Flask("told")


@app.get("/")
def tell():
    return str(os.getpid())
"""
PATIENCE = 20  # seconds, on a busy machine


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    connections: ExitStack

    def connect(self, count: int) -> list[http.client.HTTPConnection]:
        """So many connections at once, which are kept alive; nothing is asked yet."""
        opened = []
        for _ in range(count):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            connection.connect()
            self.connections.callback(connection.close)
            opened.append(connection)
        return opened

    def answering(self) -> int:
        """Who answers on a connection that ends at once."""
        [connection] = self.connect(1)
        pid = ask(connection)
        connection.close()
        return pid

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in children.read_text().split()}


def ask(connection: http.client.HTTPConnection) -> int:
    """The process that answers on this connection."""
    connection.request("GET", "/")
    return int(connection.getresponse().read())


def share_of(pid: int, server: Server) -> int:
    """Of sixteen more connections, one after another so that who is to take one has time to; two that count alike share
    them evenly."""
    return [ask(connection) for _ in range(16) for connection in server.connect(1)].count(pid)


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two workers as gunicorn.conf.py has them at a door without TLS."""
    (tmp_path / "told.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "YUNLIAN_DOORS": "pki",
        "YUNLIAN_PKI_BIND": f"127.0.0.1:{port}",
        "YUNLIAN_PKI_WORKERS": "2",
        "YUNLIAN_VAR": str(tmp_path),
    }
    program = [Path(sys.executable).parent / "gunicorn", "-c", "gunicorn.conf.py", "--pythonpath", f"{tmp_path},{ROOT}"]
    with open(tmp_path / "log", "wb") as log, ExitStack() as connections:
        process = subprocess.Popen(
            [*program, "told:app"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        made = Server(process, port, connections)
        try:
            until(lambda: process.poll() is not None or is_listening(port))
            seen: set[int] = set()
            until(lambda: bool(seen.add(made.answering())) or len(seen & made.workers()) == 2)
            yield made
        finally:
            connections.close()
            process.terminate()
            process.wait(PATIENCE)


def is_listening(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def test_connections_that_come_at_once_are_shared_out(server: Server) -> None:
    shares = Counter(map(ask, server.connect(64)))
    assert sum(shares.values()) == 64
    assert min(shares.values()) >= 26, shares
    assert set(shares) == server.workers()


def test_a_halted_worker_keeps_no_connection_from_the_others(server: Server) -> None:
    for connection in server.connect(8):
        ask(connection)
    halted, other = sorted(server.workers())
    os.kill(halted, signal.SIGSTOP)
    try:
        assert {ask(connection) for connection in server.connect(16)} == {other}
    finally:
        os.kill(halted, signal.SIGCONT)


def test_the_place_of_a_killed_worker_is_its_successors(server: Server) -> None:
    before = server.workers()
    shares = Counter(map(ask, server.connect(40)))
    assert set(shares) == before
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(server.workers()) == 2 and server.workers() != before)
    [successor] = server.workers() - before
    until(lambda: server.answering() == successor)
    assert share_of(successor, server) >= 12  # it has none yet, the other about twenty


def test_connections_that_ended_count_no_more(server: Server) -> None:
    opened = server.connect(32)
    owners = {connection: ask(connection) for connection in opened}
    left = min(server.workers())
    for connection, owner in owners.items():
        if owner == left:
            connection.close()
    time.sleep(0.5)  # the worker sees the end of them
    assert share_of(left, server) >= 12


def test_it_ends_in_time_with_connections_open(server: Server) -> None:
    opened = server.connect(4)
    assert {ask(connection) for connection in opened} <= server.workers()
    server.process.terminate()
    assert server.process.wait(PATIENCE) == 0


# --- TLS ---


@pytest.fixture
def own_tls(tmp_path: Path) -> gevent.ssl.SSLContext:
    """A server's context with a certificate of its own making."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "tls.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    return context


@pytest.fixture
def echo(own_tls: gevent.ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[even.EvenServer]:
    """A listener with TLS and one place, whose handshakes have a moment."""
    monkeypatch.setattr(even, "HANDSHAKE_TIME", 0.2)

    def answer(connection: Any, _address: Any) -> None:
        while octets := connection.recv(100):
            connection.sendall(octets)

    served = even.EvenServer(("127.0.0.1", 0), answer, spawn=gevent.pool.Pool(1), ssl_context=own_tls)
    served.start()
    yield served
    served.stop(timeout=1)


def call(served: even.EvenServer) -> Any:
    return closing(gevent.socket.create_connection(("127.0.0.1", served.server_port), timeout=PATIENCE))


def over_tls(connection: Any) -> Any:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return closing(context.wrap_socket(connection))


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"], ids=["nothing", "half", "no TLS"])
def test_who_finishes_no_handshake_keeps_no_place(
    echo: even.EvenServer, said: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with call(echo) as first, call(echo) as second:
        first.sendall(said)
        with over_tls(second) as served:  # there is no place for it until the first is gone
            served.sendall(b"here")
            assert served.recv(100) == b"here"
    assert capfd.readouterr().err == ""


def test_a_connection_lives_longer_than_a_handshake_may(echo: even.EvenServer) -> None:
    with call(echo) as connection, over_tls(connection) as served:
        gevent.sleep(2 * even.HANDSHAKE_TIME)
        served.sendall(b"still here")
        assert served.recv(100) == b"still here"
