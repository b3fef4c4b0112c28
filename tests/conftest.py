"""Fixtures of all tests: databases, a service with its certificate authority, its application, a clock."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text

from app import create_app
from app.settings import RunProfile, Settings
from app.setup import initialize
from app.wiring import Services, build_services
from tests.postgres import Postgres, is_installed

# Property tests are bounded by their number of examples, not by the clock of a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

START = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str | None]:
    """The URL of a PostgreSQL made for this run, or None where PostgreSQL is not installed."""
    if given := os.environ.get("YUNLIAN_TEST_POSTGRES"):
        yield given
    elif not is_installed():
        yield None
    else:
        server = Postgres("fsync=off", "max_connections=200")
        try:
            yield server.url
        finally:
            server.remove()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis made for this test."""
    pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: counting in Redis was not run")
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on; tests that use `services` run once on each."""
    kind: str = request.param
    if kind == "postgresql" and request.getfixturevalue("postgres_server") is None:
        pytest.skip("PostgreSQL is not installed: this ran on SQLite only")
    return kind


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made once per worker and database: a folder with a founded service that tests copy."""
    return {}


@pytest.fixture
def services(
    database_kind: str,
    founded: dict[str, Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    clock: FakeClock,
    request: pytest.FixtureRequest,
) -> Iterator[Services]:
    """A service with tables and a certificate authority, on a database of its own."""
    server = request.getfixturevalue("postgres_server") if database_kind == "postgresql" else None
    if database_kind not in founded:
        folder = tmp_path_factory.mktemp(f"founded-{database_kind}")
        if server:
            _in_postgres(server, "CREATE DATABASE founded")
        template = build_services(_settings(folder, _url(folder, server, "founded")), FakeClock())
        initialize(template)
        template.engine.dispose()
        founded[database_kind] = folder
    var = tmp_path / "var"
    shutil.copytree(founded[database_kind], var)
    name = f"t_{abs(hash(request.node.nodeid)):x}"
    if server:
        _in_postgres(server, f"CREATE DATABASE {name} TEMPLATE founded STRATEGY FILE_COPY")
    made = build_services(_settings(var, _url(var, server, name)), clock)
    yield made
    made.engine.dispose()
    if server:
        _in_postgres(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def app(services: Services) -> Flask:
    """The application of all doors at once."""
    made = create_app(services=services)
    made.config["TESTING"] = False  # errors become answers, as in production
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def _settings(var: Path, database_url: str) -> Settings:
    return Settings(
        profile=RunProfile.TEST,
        var=var,
        database_url=database_url,
        secret_key="a secret of the tests only",
        data_key=bytes(range(32)),
        keystore_passphrase=b"a passphrase of the tests only",
        root_passphrase=b"another passphrase of the tests",
        match_policy="demo",
        liveness_policy="demo",
        consent_policy="demo",
        log_level="ERROR",
    )


def _url(var: Path, server: str | None, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?") if server else f"sqlite:///{var}/yunlian.db"


def _in_postgres(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
