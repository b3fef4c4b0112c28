"""One value is spent once, whoever comes at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from sqlalchemy import func, select

from app.once import Spent, forget_expired, spend
from app.wiring import Services
from tests.conftest import FakeClock


def spent_in_own_transaction(services: Services, kind: str, key: str, value: str) -> bool:
    with services.transaction() as session:
        return spend(session, kind, key, value, services.clock() + timedelta(minutes=1))


def test_of_thirty_two_at_once_one_gets_through(services: Services) -> None:
    start = Barrier(32)

    def attempt(_: int) -> bool:
        start.wait()
        return spent_in_own_transaction(services, "nonce", "certificate", "value")

    with ThreadPoolExecutor(32) as threads:
        outcomes = list(threads.map(attempt, range(32)))
    assert sorted(outcomes) == [False] * 31 + [True]


def test_kind_key_and_value_all_count_and_do_not_run_together(services: Services) -> None:
    triples = [("a", "b", "c"), ("a", "b", "d"), ("a", "c", "c"), ("b", "b", "c"), ("a", "bc", ""), ("a", "", "bc")]
    assert [spent_in_own_transaction(services, *triple) for triple in triples] == [True] * len(triples)
    assert [spent_in_own_transaction(services, *triple) for triple in triples] == [False] * len(triples)


def test_a_rollback_gives_the_value_back(services: Services) -> None:
    try:
        with services.transaction() as session:
            assert spend(session, "nonce", "key", "value", services.clock())
            raise LookupError
    except LookupError:
        pass
    assert spent_in_own_transaction(services, "nonce", "key", "value")


def test_values_are_kept_until_they_expire_and_not_in_clear(services: Services, clock: FakeClock) -> None:
    assert spent_in_own_transaction(services, "nonce", "key", "a-visible-value")
    with services.transaction() as session:
        assert forget_expired(session, clock()) == 0
        assert b"a-visible-value" not in session.scalars(select(Spent.digest)).one()
    clock.advance(timedelta(minutes=2))
    with services.transaction() as session:
        assert forget_expired(session, clock()) == 1
        assert session.scalar(select(func.count()).select_from(Spent)) == 0
