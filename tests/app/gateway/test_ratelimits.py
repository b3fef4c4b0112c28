"""Quotas per application and product: one count for all workers, told in every answer, refused beyond."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import Refused

from app.gateway.models import RateWindow
from app.gateway.ratelimits import WINDOW, RateVerdict, count_request, counted_in_redis
from app.journal import JournalEntry
from app.payments.store import Opening, store_of
from app.wiring import Services
from tests.app.gateway.parties import Parties
from tests.conftest import FakeClock

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


def test_a_request_that_waited_while_the_window_ended_counts_for_the_next(services: Services, clock: FakeClock) -> None:
    """Else it would begin the old one anew, and the next request the new one: a quota more for both."""
    opening = Opening(spends=(), counted=["a:payments"], window=0, claims=(), accounts=(), uses=())
    counts = []
    for window in (7, 8, 7, 8):
        clock.now = datetime.fromtimestamp(window * WINDOW, UTC)
        with services.transaction() as session:
            alone = count_request(services, session, "b", "payments", None).used
            [grouped] = store_of(session).open_group(replace(opening, window=window)).counts
        counts.append((alone, grouped))
    assert counts == [(1, 1), (1, 1), (2, 2), (3, 3)]
    with services.transaction() as session:
        store_of(session).uncount_requests(["a:payments"], 7)
    with services.reading() as session:
        assert session.get_one(RateWindow, "a:payments").used == 2


def _with_redis(services: Services, url: str) -> Any:
    return SimpleNamespace(settings=SimpleNamespace(redis_url=url), clock=services.clock)


def count(services: Any, application_id: str, *, is_fresh: bool = True) -> int | None:
    with counted_in_redis(services, application_id, "payments") as counted:
        counted.is_fresh = is_fresh
    return counted.number


def test_redis_counts_where_it_is_configured(services: Services, redis_url: str) -> None:
    configured = _with_redis(services, redis_url)
    assert [count(configured, "app") for _ in range(3)] == [1, 2, 3]
    assert count(configured, "another") == 1
    assert count(configured, "app", is_fresh=False) == 4
    with pytest.raises(ValueError, match="failed"), counted_in_redis(configured, "app", "payments"):
        raise ValueError("failed")
    assert count(configured, "app") == 4
    with services.transaction() as session:
        assert count_request(services, session, "app", "payments", 3).used == 3
        assert count_request(services, session, "app", "payments", None).used == 1  # nothing of the above went there


def test_where_redis_is_away_or_not_configured_it_says_nothing(services: Services) -> None:
    assert count(_with_redis(services, "redis://127.0.0.1:1/0"), "app") is None
    assert count(services, "app") is None


def test_in_redis_too_only_good_and_fresh_requests_count(app: Flask, parties: Parties, redis_url: str) -> None:
    services = parties.services
    settings = replace(services.settings, requests_per_minute=3, redis_url=redis_url)
    object.__setattr__(services, "settings", settings)
    test_only_good_and_fresh_requests_count(app, parties, 3)
