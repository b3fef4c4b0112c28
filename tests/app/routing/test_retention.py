"""Decisions are kept for years and then go, a slice at a time."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.journal.models import JournalEntry
from app.routing import retention, service
from app.routing.models import RoutingDecision
from app.routing.recognition import RoutingQuery
from app.wiring import Services
from tests.conftest import FakeClock


def decide(services: Services, times: int) -> list[str]:
    query = RoutingQuery("建行杭州分行营业部")
    with services.transaction() as session:
        found = service.resolve_many(services, session, [query] * times)
        answers = service.record(services, session, [(query, each) for each in found], "app-1")
    return [str(answer.decision_id) for answer in answers]


def test_what_is_past_goes_and_the_rest_can_be_given_again(
    sandboxed: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SLICE", 2)
    decide(sandboxed, 5)
    clock.advance(timedelta(days=300))
    [kept] = decide(sandboxed, 1)

    clock.advance(timedelta(days=3652 - 300))
    assert retention.delete_past(sandboxed) == 0
    clock.advance(timedelta(days=2))
    assert retention.delete_past(sandboxed) == 5

    with sandboxed.reading() as session:
        assert session.scalar(select(func.count()).select_from(RoutingDecision)) == 1
        assert service.replay(sandboxed, session, kept).is_same
        told = session.scalars(select(JournalEntry).where(JournalEntry.kind == "routing-decisions-deleted"))
        assert sorted(entry.body["decisions"] for entry in told) == [1, 2, 2]
