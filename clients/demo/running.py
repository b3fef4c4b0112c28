"""A service of the demonstration's own: fresh store, free ports, the processes of the Procfile; stopped at the end."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from app.demonstration import LogIn
from app.development import ENVIRONMENT_FILE, prepare

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Running:
    """Where the doors are, what log-ins there are, and the root certificate to trust."""

    people: str
    platforms: str
    pki: str
    var: Path
    log_ins: dict[str, LogIn]

    @property
    def root(self) -> Path:
        """The root certificate in PEM, which also vouches for the doors' TLS."""
        return self.var / "tls" / "root.pem"


@contextmanager
def running_service(var: Path, *, with_contract: bool = False, **settings: str) -> Iterator[Running]:
    """Prepare `var`, start all processes, wait until every door answers; end them all on the way out.

    `settings` are the service's own, without their prefix, for example LIVENESS_POLICY.
    """
    people, platforms, pki, clearing = (f"localhost:{port}" for port in _free_ports(4))
    log_ins = prepare(
        var,
        with_contract=with_contract,
        PEOPLE_URL=f"https://{people}",
        ISSUER_URL=f"https://{platforms}",
        PKI_URL=f"http://{pki}",
        PEOPLE_BIND=people,
        PLATFORMS_BIND=platforms,
        PKI_BIND=pki,
        CLEARING_URL=f"http://{clearing}",
        API_WORKERS="1",
        **settings,
    )
    service = Running(
        f"https://{people}", f"https://{platforms}", f"http://{pki}", var, {entry.login: entry for entry in log_ins}
    )
    with open(var / "service.log", "wb") as log:
        honcho = subprocess.Popen(
            [str(Path(sys.executable).parent / "honcho"), "--no-colour", "--env", str(var / ENVIRONMENT_FILE), "start"],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
        try:
            for door in (service.people, service.platforms, service.pki):
                _await_door(f"{door}/readyz", service.root, honcho)
            yield service
        finally:
            _stop(honcho)


def _stop(honcho: subprocess.Popen[bytes]) -> None:
    if honcho.poll() is None:
        honcho.send_signal(signal.SIGTERM)
        try:
            honcho.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(honcho.pid, signal.SIGKILL)
            honcho.wait()


def _await_door(url: str, root: Path, honcho: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=str(root))
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with urlopen(url, timeout=5, context=context if url.startswith("https") else None) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except (URLError, OSError) as exc:
            if honcho.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer; see service.log") from exc
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
