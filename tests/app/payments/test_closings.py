"""Daily closings: each starts from the balances of the day before, also where an earlier release closed that day."""

import hashlib
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, event, insert, select, text
from sqlalchemy.exc import DBAPIError

from app.payments.channels import BEIJING
from app.payments.closings import GRACE, close_days, end_of, verify_closings
from app.payments.ledger import Transfer, balance_of, post
from app.payments.models import LedgerClosing, LedgerClosingBalance, LedgerTransfer, TransferKind
from app.payments.reconcile import reconcile
from tests.app.payments.world import OPENING, PAYER, STRANGER, SUPPLIER, Bank
from tests.conftest import FakeClock

DAY = timedelta(days=1)


def move(bank: Bank, amount: int, debit: str = PAYER, credit: str = SUPPLIER) -> None:
    with bank.services.transaction() as session:
        post(session, Transfer(TransferKind.BOOK, debit, credit, amount), bank.services.clock())


def end_day(bank: Bank, clock: FakeClock) -> date:
    """Close today, and go on early on the next day; gives the day that was closed."""
    day = clock().astimezone(BEIJING).date()
    clock.now = end_of(day) + GRACE
    assert close_days(bank.services) == 1
    return day


def recorded(bank: Bank, day: date) -> dict[str, int]:
    with bank.services.reading() as session:
        rows = session.scalars(select(LedgerClosingBalance).where(LedgerClosingBalance.day == day))
        return {row.account: row.balance_minor for row in rows}


def faults(bank: Bank) -> list[str]:
    with bank.services.reading() as session:
        return verify_closings(session)


def close_as_before(bank: Bank, day: date) -> None:
    """What earlier releases wrote: all balances, added up from all transfers, as a digest and not as rows."""
    with bank.services.transaction() as session:
        rows = session.scalars(select(LedgerTransfer).where(LedgerTransfer.posted_at < end_of(day))).all()
        balances: Counter[str] = Counter()
        for row in rows:
            balances[row.credit_account] += row.amount_minor
            balances[row.debit_account] -= row.amount_minor
        of_day = sorted((row for row in rows if row.posted_at >= end_of(day - DAY)), key=lambda row: row.id)
        lines = "".join(
            f"{row.id} {row.kind} {row.debit_account} {row.credit_account} {row.amount_minor} "
            f"{row.posted_at.isoformat(timespec='microseconds')}\n"
            for row in of_day
        )
        transfers = hashlib.sha256(lines.encode()).digest()
        listed = "".join(f"{number} {balances[number]}\n" for number in sorted(balances))
        digest = hashlib.sha256(listed.encode()).digest()
        previous = session.get(LedgerClosing, day - DAY)
        before = previous.sha256 if previous is not None else b""
        amount = sum(row.amount_minor for row in of_day)
        head = f"{day.isoformat()}\n{len(of_day)}\n{amount}\n".encode()
        closed = hashlib.sha256(head + transfers + digest + before).digest()
        body = {"transfers": len(of_day), "amount_minor": amount, "sha256": closed.hex()}
        bank.services.journal.append(session, "ledger-closed", subject=day.isoformat(), actor="service", body=body)
        session.execute(
            insert(LedgerClosing).values(
                day=day,
                ends_at=end_of(day),
                transfers=len(of_day),
                amount_minor=amount,
                transfers_sha256=transfers,
                balances_sha256=digest,
                previous_sha256=before,
                sha256=closed,
                closed_at=bank.services.clock(),
            )
        )


def test_a_closing_records_the_balances_of_the_accounts_that_moved(bank: Bank, clock: FakeClock) -> None:
    move(bank, 7)
    first = end_day(bank, clock)
    assert (
        recorded(bank, first).items()
        >= {
            PAYER: OPENING - 7,
            SUPPLIER: OPENING + 7,
            STRANGER: OPENING,
            "INTERNAL-FUNDING": -3 * OPENING,
        }.items()
    )
    move(bank, 5, STRANGER, SUPPLIER)
    move(bank, 2, SUPPLIER, STRANGER)
    assert recorded(bank, end_day(bank, clock)) == {STRANGER: OPENING - 3, SUPPLIER: OPENING + 10}
    assert recorded(bank, end_day(bank, clock)) == {}  # a day without a transfer
    move(bank, 1)
    assert recorded(bank, end_day(bank, clock)) == {PAYER: OPENING - 8, SUPPLIER: OPENING + 11}
    assert faults(bank) == []
    with bank.services.reading() as session:
        assert balance_of(session, SUPPLIER) == OPENING + 11
        assert reconcile(bank.services, session).faults == ()


def test_closings_of_earlier_releases_are_carried_on(bank: Bank, clock: FakeClock) -> None:
    days = [clock().date() + number * DAY for number in range(2)]
    for day in days:
        move(bank, 3)
        clock.now = end_of(day) + GRACE
        close_as_before(bank, day)
    move(bank, 5, STRANGER, SUPPLIER)
    first = end_day(bank, clock)
    assert recorded(bank, first)[PAYER] == OPENING - 6  # it did not move on this day and is recorded once
    move(bank, 1, STRANGER, SUPPLIER)
    assert recorded(bank, end_day(bank, clock)) == {STRANGER: OPENING - 6, SUPPLIER: OPENING + 12}
    assert faults(bank) == []


def test_a_closing_reads_the_transfers_of_its_day_alone(bank: Bank, clock: FakeClock) -> None:
    for _ in range(3):
        move(bank, 1)
        end_day(bank, clock)
    move(bank, 1)
    read: list[int] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM ledger_transfers" in statement:
            assert "posted_at >=" in statement
            assert "GROUP BY" not in statement
            read.append(1)

    engines = [bank.services.engine, bank.services._unpooled]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", count)
    end_day(bank, clock)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", count)
    assert len(read) == 1


def test_recorded_balances_stay_as_they_are(bank: Bank, clock: FakeClock) -> None:
    end_day(bank, clock)
    for change in ("UPDATE ledger_closing_balances SET balance_minor = 1", "DELETE FROM ledger_closing_balances"):
        with pytest.raises(DBAPIError, match="append-only"), bank.services.transaction() as session:
            session.execute(text(change))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE ledger_closing_balances SET balance_minor = balance_minor + 1", "the recorded balances differ"),
        ("DELETE FROM ledger_closing_balances", "the recorded balances differ"),
        ("UPDATE ledger_closings SET accounts = NULL", "balances_sha256 differs"),
        ("UPDATE ledger_closings SET amount_minor = 1", "amount_minor differs"),
        ("UPDATE ledger_transfers SET amount_minor = amount_minor + 1", "balances_sha256 differs"),
        ("UPDATE ledger_transfers SET credit_account = 'INTERNAL-FEES'", "transfers_sha256 differs"),
        ("UPDATE ledger_closings SET previous_sha256 = sha256", "does not follow the day before"),
    ],
)
def test_whoever_gets_past_the_triggers_is_found(bank: Bank, clock: FakeClock, change: str, fault: str) -> None:
    end_day(bank, clock)
    move(bank, 9)
    last = end_day(bank, clock)
    drop_guards(bank)
    of_last = "posted_at >= :bound" if "ledger_transfers" in change else "day = :bound"
    bound = end_of(last - DAY) if "ledger_transfers" in change else last
    with bank.services.transaction() as session:
        session.execute(text(f"{change} WHERE {of_last}").bindparams(bindparam("bound", bound)))
    assert any(fault in each for each in faults(bank)), faults(bank)


def test_a_day_closed_anew_over_other_transfers_is_not_what_the_journal_knows(bank: Bank, clock: FakeClock) -> None:
    move(bank, 9)
    day = end_day(bank, clock)
    drop_guards(bank)
    with bank.services.transaction() as session:
        session.execute(text("UPDATE ledger_transfers SET amount_minor = 1 WHERE amount_minor = 9"))
        session.execute(text("DELETE FROM ledger_closing_balances"))
        session.execute(text("DELETE FROM ledger_closings"))
    assert faults(bank) == [f"closing of {day}: only the journal knows of it"]
    assert close_days(bank.services) == 1
    assert faults(bank) == [f"closing of {day}: the journal knows another"]


def drop_guards(bank: Bank) -> None:
    tables = ("ledger_transfers", "ledger_closings", "ledger_closing_balances")
    with bank.services.transaction() as session:
        for table in tables:
            if bank.services.engine.dialect.name == "sqlite":
                session.execute(text(f"DROP TRIGGER {table}_no_update"))
                session.execute(text(f"DROP TRIGGER {table}_no_delete"))
            else:
                session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
