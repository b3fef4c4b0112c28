"""A platforms' door of a test's own: gunicorn with several worker processes and TLS, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.certificates.tls import make_tls_files
from app.development import prepare_environment
from app.settings import Settings
from app.setup import initialize
from app.wiring import Services, build_services

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Door:
    """Where the door is, the service's own view of the same database, and the root certificate to trust.

    `environment` is what further processes of the service need, `pid` that of the process whose children serve.
    """

    services: Services
    url: str
    root: Path
    environment: dict[str, str]
    pid: int

    def context(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        """TLS that trusts this service's root alone, with a client certificate where one is given."""
        context = ssl.create_default_context(cafile=self.root)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
        return context


@contextmanager
def platforms_door(var: Path, database_url: str, workers: int, **overrides: str) -> Iterator[Door]:
    """Found a service in `var`, serve its platforms' door from several processes, end them on the way out."""
    with socket.create_server(("localhost", 0)) as free:
        bind = f"localhost:{free.getsockname()[1]}"
    environment = prepare_environment(
        var,
        DATABASE_URL=database_url,
        ISSUER_URL=f"https://{bind}",
        PLATFORMS_BIND=bind,
        PLATFORMS_WORKERS=str(workers),
        DOORS="platforms",
        REQUESTS_PER_MINUTE="1000000",
        **overrides,
    )
    services = build_services(Settings.from_env(environment))
    initialize(services)
    make_tls_files(services, var / "tls")
    gunicorn = Path(sys.executable).parent / "gunicorn"
    with open(var / "door.log", "wb") as log:
        process = subprocess.Popen(
            [gunicorn, "-c", "gunicorn.conf.py", "wsgi:app"],
            cwd=ROOT, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        door = Door(services, f"https://{bind}", var / "tls" / "root.pem", environment, process.pid)
        try:
            _await(door, process)
            yield door
        finally:
            process.terminate()
            process.wait(20)
            services.engine.dispose()


def _await(door: Door, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    with httpx.Client(verify=door.context()) as client:
        while True:
            try:
                if client.get(f"{door.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
