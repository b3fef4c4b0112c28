"""Counters behind the risk rules: attempts of the last minute, what was paid before, and the lists."""

from datetime import UTC, datetime, timedelta

import pytest

from app.payments import risk_lists
from app.payments.risk_facts import Activity, Movement, RiskFacts, facts_of, keeping, reading, remember
from app.problems import InvalidInput, NotFound
from app.wiring import Services

AT = datetime(2026, 11, 23, 4, 0, 0, tzinfo=UTC)
ONE = Movement("t" * 26, "a" * 26, "6221", "6222", "苏州供应商有限公司", 100, "agent", AT)


def ask(services: Services, *movements: Movement) -> list[RiskFacts]:
    """As a group does: read, judge, keep the attempts; nothing is booked."""
    dialect = services.engine.dialect.name
    with services.transaction() as session:
        connection = session.connection()
        rows = [connection.exec_driver_sql(*statement).all() for statement in reading(movements, dialect)]
        facts = facts_of(movements, *rows)
        for statement, parameters in keeping(movements, (), dialect):
            connection.exec_driver_sql(statement, parameters)
    return facts


def book(services: Services, *movements: Movement) -> None:
    with services.transaction() as session:
        remember(session.connection(), movements)


def test_attempts_slide_over_a_minute(services: Services) -> None:
    counts = []
    for seconds in (0, 1, 59, 60, 90, 119, 300):
        [facts] = ask(services, ONE._replace(at=AT + timedelta(seconds=seconds)))
        counts.append(facts.payer.last_minute)
    # 3 in the first minute; then all 3 of it still count, half of them, almost none
    assert counts == [1, 2, 3, 4, 3, 3, 1]


@pytest.mark.parametrize("behind", [1, 3], ids=["a moment late", "by a clock that is slow"])
def test_a_group_that_comes_late_puts_nobody_s_counts_back(services: Services, behind: int) -> None:
    ends = AT + timedelta(minutes=behind)
    ask(services, *[ONE._replace(at=ends - timedelta(seconds=10))] * 100)
    ask(services, *[ONE._replace(at=ends + timedelta(milliseconds=10))] * 20)  # was quicker, as to the lock
    [late] = ask(services, ONE._replace(at=AT + timedelta(seconds=59)))
    [after] = ask(services, ONE._replace(at=ends + timedelta(seconds=1)))
    assert late.payer.last_minute == 121
    assert after.payer.last_minute == 20 + 1 + int(101 * 59 / 60)


def test_a_group_is_counted_together_and_a_batch_once(services: Services) -> None:
    other = ONE._replace(payer_account="6229", attempts=0)
    facts = ask(services, ONE, ONE, other)
    assert [each.payer.last_minute for each in facts] == [2, 2, 0]
    assert {each.application.last_minute for each in facts} == {2}
    assert [each.payer_account for each in facts] == ["6221", "6221", "6229"]


def test_only_what_was_booked_makes_a_payee_known(services: Services) -> None:
    ask(services, ONE)
    assert ask(services, ONE)[0].payee == Activity(0, 0, 0)
    book(services, ONE, ONE._replace(amount_minor=250))
    book(services, ONE._replace(amount_minor=7))
    [facts] = ask(services, ONE)
    assert facts.payee == Activity(3, 357, 250)
    assert (facts.payer.payments, facts.payer.total_minor, facts.payer.largest_minor) == (3, 357, 250)
    [elsewhere] = ask(services, ONE._replace(tenant_id="u" * 26))
    assert elsewhere.payee.payments == 0
    assert ask(services) == []


def test_lists_are_in_force_at_once_in_this_process(services: Services) -> None:
    assert risk_lists.policy_in_force(services).blocked == frozenset()
    with services.transaction() as session:
        risk_lists.add(services, session, "block", "坏人 有限公司", "被监管通报", "officer")
    assert risk_lists.policy_in_force(services).blocked == {"坏人有限公司"}
    with services.reading() as session:
        [listing] = risk_lists.list_all(session)
        assert "坏人" not in str([entry.body for entry in services.journal.entries(session, limit=10)])
    assert (listing.kind, listing.reason) == ("block", "被监管通报")
    with services.transaction() as session:
        risk_lists.remove(services, session, "block", "坏人有限公司", "officer")
    assert risk_lists.policy_in_force(services).blocked == frozenset()


def test_a_listing_needs_a_reason_and_must_be_there_to_be_removed(services: Services) -> None:
    with services.transaction() as session:
        with pytest.raises(InvalidInput):
            risk_lists.add(services, session, "block", "6222", "", "officer")
        with pytest.raises(InvalidInput):
            risk_lists.add(services, session, "grey", "6222", "reason", "officer")
        with pytest.raises(NotFound):
            risk_lists.remove(services, session, "block", "6222", "officer")


def test_what_is_booked_later_moves_no_minute(services: Services) -> None:
    ask(services, ONE._replace(at=AT + timedelta(minutes=5)))
    book(services, ONE)  # held for five minutes
    [facts] = ask(services, ONE._replace(at=AT + timedelta(minutes=5, seconds=1)))
    assert (facts.payer.last_minute, facts.payer.payments) == (2, 1)
