"""Liveness says the process is there; readiness says whether it can work. Neither says anything else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from flask import Flask

from app.wiring import EXTENSION, Services, build_services


def test_alive_and_ready(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "checks": {"database": "pass", "keys": "pass"}}


def test_alive_but_not_ready_without_keys_or_database(app: Flask, services: Services, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = dataclasses.replace(
        services.settings, var=empty, database_url="sqlite:////nowhere/at/all.db", keystore_passphrase=b"secret-phrase"
    )
    app.extensions[EXTENSION] = build_services(broken)
    client = app.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "not-ready", "checks": {"database": "fail", "keys": "fail"}}
    assert "nowhere" not in answer.text
