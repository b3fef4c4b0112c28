"""Quotas per application and product: one count for all workers, told in every answer, refused beyond."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import Refused

from app.gateway.ratelimits import RateVerdict, count_request
from app.journal import JournalEntry
from app.wiring import Services
from tests.app.gateway.parties import Parties

PATH = "/api/v1/echo"


@pytest.fixture
def quota(services: Services) -> int:
    object.__setattr__(services, "settings", replace(services.settings, requests_per_minute=3))
    return 3


def test_beyond_the_quota_requests_are_refused_until_the_window_ends(app: Flask, parties: Parties, quota: int) -> None:
    client, enterprise = parties.platform.client(app), parties.enterprise.client()
    parties.services.clock.advance(timedelta(seconds=20))  # type: ignore[attr-defined]

    def call() -> Any:
        return client.call(PATH, {}, token=parties.token(), enterprise=enterprise)

    left = [call().headers["RateLimit"] for _ in range(quota)]
    assert left == ['"payments";r=2;t=40', '"payments";r=1;t=40', '"payments";r=0;t=40']
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (429, "too-many-requests")
    request, body = client.prepare(PATH, {}, token=parties.token(), enterprise=enterprise)
    answer = client._http.request("POST", request.url, headers=request.headers, content=body)
    assert answer.headers["Retry-After"] == "40"
    assert answer.headers["RateLimit-Policy"] == '"payments";q=3;w=60'
    assert answer.headers["RateLimit"] == '"payments";r=0;t=40'
    with parties.services.reading() as session:  # one entry for three refusals
        kept = session.scalars(select(JournalEntry).where(JournalEntry.kind == "request-refused")).all()
    assert [entry.body["problem"] for entry in kept] == ["too-many-requests"]
    routing = client.call("/api/v1/look-up", None, token=parties.token("routing"))
    assert routing.headers["RateLimit"] == '"routing";r=2;t=40'
    parties.services.clock.advance(timedelta(seconds=40))  # type: ignore[attr-defined]
    assert call().headers["RateLimit"] == '"payments";r=2;t=60'


def test_only_good_and_fresh_requests_count(app: Flask, parties: Parties, quota: int) -> None:
    client, enterprise = parties.platform.client(app), parties.enterprise.client()
    request, body = client.prepare(PATH, {}, token=parties.token(), enterprise=enterprise)
    assert client.send(request, body, enterprise).headers["RateLimit"] == '"payments";r=2;t=60'
    for _ in range(5):  # copies, and signatures of a stranger
        with pytest.raises(Refused, match="replayed"):
            client.send(request, body, enterprise)
        thief = parties.other_platform.client(app)
        with pytest.raises(Refused, match="invalid-token"):
            thief.call(PATH, {}, token=parties.token(), enterprise=enterprise)
    answer = client.call(PATH, {}, token=parties.token(), enterprise=enterprise)
    assert answer.headers["RateLimit"] == '"payments";r=1;t=60'


def test_a_verdict_says_when_it_is_exceeded() -> None:
    assert [RateVerdict("p", 2, used, 1).exceeded for used in (1, 2, 3, 4)] == [False, False, True, True]
    assert [RateVerdict("p", 2, used, 1).first_exceeded for used in (2, 3, 4)] == [False, True, False]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
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


def _with_redis(services: Services, url: str) -> Any:
    settings = SimpleNamespace(redis_url=url, requests_per_minute=10)
    return SimpleNamespace(settings=settings, clock=services.clock, transaction=services.transaction)


def test_redis_counts_where_it_is_configured(services: Services, redis_url: str) -> None:
    pytest.importorskip("redis")
    configured = _with_redis(services, redis_url)
    with services.transaction() as session:
        counts = [count_request(configured, session, "app", "payments").used for _ in range(3)]
        assert counts == [1, 2, 3]
        assert count_request(configured, session, "another", "payments").used == 1
        in_database = replace(count_request(services, session, "app", "payments"), quota=10)
    assert in_database.used == 1  # nothing of the above went there


def test_the_database_counts_while_redis_is_away(services: Services) -> None:
    pytest.importorskip("redis")
    configured = _with_redis(services, "redis://127.0.0.1:1/0")
    with services.transaction() as session:
        assert [count_request(configured, session, "app", "payments").used for _ in range(2)] == [1, 2]
