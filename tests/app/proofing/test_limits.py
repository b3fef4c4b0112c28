"""Tries of the face check are counted per identity number, and officers let people try again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.identity import persons
from app.identity.models import TenantKind
from app.journal import JournalEntry
from app.problems import NotFound
from app.proofing import limits
from app.proofing.problems import FaceCheckLocked, TooManyTries
from app.proofing.records import FaceLimit
from app.wiring import Services
from tests.app.identity.people import People
from tests.app.proofing.conftest import NUMBER
from tests.conftest import FakeClock


def fail(services: Services, person_id: str) -> None:
    with services.transaction() as session:
        limits.admit_attempt(services, session, person_id)
    with services.transaction() as session:
        limits.record_failure(services, session, person_id)


def pass_(services: Services, person_id: str) -> None:
    with services.transaction() as session:
        limits.admit_attempt(services, session, person_id)
    with services.transaction() as session:
        limits.record_success(services, session, person_id)


def kinds(services: Services) -> list[str]:
    with services.reading() as session:
        return list(session.scalars(select(JournalEntry.kind)))


def test_five_failures_lock_for_an_hour(services: Services, person_id: str, clock: FakeClock) -> None:
    for _ in range(5):
        fail(services, person_id)
        clock.advance(timedelta(minutes=3))

    with pytest.raises(FaceCheckLocked) as refusal:
        fail(services, person_id)
    assert refusal.value.until == clock() + timedelta(minutes=57)
    clock.advance(timedelta(minutes=57))
    fail(services, person_id)
    assert kinds(services).count("face-check-locked") == 1


def test_failures_further_apart_do_not_lock(services: Services, person_id: str, clock: FakeClock) -> None:
    for _ in range(12):
        fail(services, person_id)
        clock.advance(timedelta(minutes=4))

    with services.reading() as session:
        assert limits.find_lock(services, session, person_id) is None


def test_a_success_forgets_failures(services: Services, person_id: str) -> None:
    for _ in range(3):
        for _ in range(4):
            fail(services, person_id)
        pass_(services, person_id)


def test_thirty_tries_a_day_and_the_day_is_beijings(services: Services, person_id: str, clock: FakeClock) -> None:
    clock.now = datetime(2026, 11, 22, 15, 59, tzinfo=UTC)  # one minute before midnight in Beijing
    for _ in range(30):
        pass_(services, person_id)

    with pytest.raises(TooManyTries) as refusal:
        pass_(services, person_id)
    assert refusal.value.until == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    clock.advance(timedelta(minutes=1))
    pass_(services, person_id)


def test_an_outage_of_ours_counts_neither_way(services: Services, person_id: str) -> None:
    for _ in range(40):
        with services.transaction() as session:
            limits.admit_attempt(services, session, person_id)
        with services.transaction() as session:
            limits.forgive_attempt(services, session, person_id)

    with services.reading() as session:
        assert session.scalars(select(FaceLimit.tries)).one() == 0


def test_an_outage_at_the_fifth_try_leaves_nobody_locked(services: Services, person_id: str) -> None:
    for _ in range(4):
        fail(services, person_id)
    with services.transaction() as session:
        limits.admit_attempt(services, session, person_id)
    with services.transaction() as session:
        limits.forgive_attempt(services, session, person_id)

    with services.reading() as session:
        assert limits.find_lock(services, session, person_id) is None


def test_another_tenant_is_no_way_round(services: Services, people: People, person_id: str) -> None:
    other = people.add_tenant(TenantKind.ENTERPRISE, 77)
    with services.transaction() as session:
        same = persons.add_person(services, session, other.id, "柯琳", NUMBER.lower(), "test").id
    for _ in range(5):
        fail(services, person_id)

    with pytest.raises(FaceCheckLocked):
        fail(services, same)
    with services.reading() as session:
        locks = limits.list_locks(services, session)
    assert [{facts.person_id for facts in lock.people} for lock in locks] == [{person_id, same}]
    assert locks[0].reason is limits.LockReason.FAILURES


def test_of_many_tries_at_once_five_are_judged(services: Services, person_id: str) -> None:
    def attempt(_: int) -> bool:
        try:
            fail(services, person_id)
        except FaceCheckLocked:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(attempt, range(24)))

    assert admitted.count(True) == 5


def test_a_refused_try_is_not_counted(services: Services, person_id: str, clock: FakeClock) -> None:
    for _ in range(5):
        fail(services, person_id)
    for _ in range(40):
        with pytest.raises(FaceCheckLocked):
            fail(services, person_id)
    clock.advance(timedelta(hours=1))

    fail(services, person_id)


def test_an_officer_lifts_the_lock_with_a_reason(services: Services, people: People, person_id: str) -> None:
    for _ in range(5):
        fail(services, person_id)
    officer = people.accounts["compliance-officer"]

    with services.transaction() as session:
        limits.lift_lock(services, session, person_id, reason="电话核实本人", actor=officer.id)

    fail(services, person_id)
    with services.reading() as session:
        entry = session.scalars(select(JournalEntry).where(JournalEntry.kind == "face-lock-lifted")).one()
    assert entry.actor == officer.id
    assert "电话" not in entry.leaf


def test_the_days_tries_are_lifted_too(services: Services, person_id: str) -> None:
    for _ in range(30):
        pass_(services, person_id)
    with services.reading() as session:
        assert [lock.reason for lock in limits.list_locks(services, session)] == [limits.LockReason.TRIES]

    with services.transaction() as session:
        limits.lift_lock(services, session, person_id, reason="系统演练", actor="test")

    pass_(services, person_id)


def test_nothing_to_lift(services: Services, person_id: str) -> None:
    with pytest.raises(NotFound), services.transaction() as session:
        limits.lift_lock(services, session, person_id, reason="没有锁定", actor="test")


def test_old_counts_are_forgotten_and_new_ones_kept(services: Services, person_id: str, clock: FakeClock) -> None:
    fail(services, person_id)
    clock.advance(timedelta(hours=1))
    assert limits.forget_past(services) == 0
    clock.advance(timedelta(days=1))
    assert limits.forget_past(services) == 1
