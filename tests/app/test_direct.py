"""Answers that are sent in one piece say what gunicorn's would, and leave the connection as HTTP wants it."""

from __future__ import annotations

import http.client
import io
import os
import signal
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app import direct, even
from tests.app.gateway.serving import platforms_door
from tests.flows.payers import PATH, Payer, make_payer, single

_GUNICORNS_OWN = {"server", "connection"}
_OF_EACH = {"date", "x-request-id", "content-digest", "signature", "signature-input", "ratelimit", "content-length"}


@pytest.fixture(scope="module")
def payer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payer]:
    var = tmp_path_factory.mktemp("door") / "var"
    with platforms_door(var, f"sqlite:///{var}/yunlian.db", 1) as door:
        yield make_payer(door)


@pytest.fixture
def connection(payer: Payer) -> Iterator[http.client.HTTPSConnection]:
    address = urlsplit(payer.door.url)
    context = ssl.create_default_context(cafile=payer.door.root)
    made = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=20, context=context)
    yield made
    made.close()


def pay(
    payer: Payer, connection: http.client.HTTPSConnection, place: int, **fields: str
) -> tuple[http.client.HTTPResponse, dict[str, str]]:
    """One payment over a connection; the answer, whose signature is verified, and its fields."""
    client, enterprise = payer.client(), payer.product()
    request, body = client.prepare(PATH, single(payer, place), token=payer.token(), enterprise=enterprise)
    connection.request("POST", PATH, body, dict(request.headers) | fields)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read()
    return answer, {name.lower(): value for name, value in answer.getheaders()}


def test_it_says_the_same_as_gunicorn_and_stays_open(payer: Payer, connection: http.client.HTTPSConnection) -> None:
    first, ours = pay(payer, connection, 1)
    local = connection.sock
    second, theirs = pay(payer, connection, 2, Connection="keep-alive")
    assert "server" not in ours
    assert "server" in theirs  # so this one was gunicorn's
    assert ours.keys() == theirs.keys() - _GUNICORNS_OWN
    assert {n: v for n, v in ours.items() if n not in _OF_EACH} == {
        n: v for n, v in theirs.items() if n not in _OF_EACH | _GUNICORNS_OWN
    }
    assert abs(parsedate_to_datetime(ours["date"]).timestamp() - time.time()) < 60
    assert (first.version, second.version) == (11, 11)
    pay(payer, connection, 3)
    assert connection.sock is local  # one connection for all three


def test_whoever_wants_it_closed_has_it_closed(payer: Payer, connection: http.client.HTTPSConnection) -> None:
    answer, _ = pay(payer, connection, 1, Connection="close")
    assert answer.will_close
    assert connection.sock is None


def test_a_worker_that_is_told_to_end_answers_first(payer: Payer, connection: http.client.HTTPSConnection) -> None:
    client, enterprise = payer.client(), payer.product()
    request, body = client.prepare(PATH, single(payer, 1), token=payer.token(), enterprise=enterprise)
    assert body is not None
    connection.putrequest("POST", PATH)
    for name, value in {**request.headers, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[:-1])
    time.sleep(0.5)  # it is being read
    [worker] = Path(f"/proc/{payer.door.pid}/task/{payer.door.pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGTERM)
    time.sleep(0.5)  # the signal is on its way
    connection.send(body[-1:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Server") is not None  # in gunicorn's way, which knows that it is ending


class Connection(io.BytesIO):
    """What is sent."""

    sendall = io.BytesIO.write


def test_a_field_with_a_line_break_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(even, "is_serving", lambda: True)
    environ: dict[str, Any] = {"gunicorn.socket": Connection(), "SERVER_PROTOCOL": "HTTP/1.1"}
    for value in ("a\r\nSet-Cookie: b", "a\nb", "a\rb"):
        with pytest.raises(ValueError, match="line break"):
            direct.answer(environ, None, "200 OK", [("X", value)], b"")  # type: ignore[arg-type]
    assert environ["gunicorn.socket"].getvalue() == b""
    direct.answer(environ, None, "200 OK", [("X", "a"), ("Content-Length", "1")], b"b")  # type: ignore[arg-type]
    head, body = environ["gunicorn.socket"].getvalue().split(b"\r\n\r\n")
    assert (head.split(b"\r\n")[0], head.split(b"\r\n")[2:], body) == (
        b"HTTP/1.1 200 OK",
        [b"X: a", b"Content-Length: 1"],
        b"b",
    )
