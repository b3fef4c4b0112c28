"""The ledger balances, keeps what it recorded, and never overdraws a customer."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.db import new_id
from app.payments.account_number import is_account_number, luhn_digit
from app.payments.ledger import (
    FUNDING_ACCOUNT,
    AccountUnknown,
    InsufficientFunds,
    Transfer,
    balance_of,
    inspect_ledger,
    post,
)
from app.payments.models import LedgerAccount, LedgerTransfer, TransferKind
from app.payments.partitions import AHEAD, make_partitions
from tests.app.payments.world import OPENING, PAYER, SUPPLIER, Bank, payment


def transfer(bank: Bank, debit: str, credit: str, amount: int) -> None:
    with bank.services.transaction() as session:
        post(session, Transfer(TransferKind.BOOK, debit, credit, amount), bank.services.clock())


def balances(bank: Bank) -> tuple[int, int]:
    with bank.services.reading() as session:
        assert inspect_ledger(session).is_sound
        return balance_of(session, PAYER), balance_of(session, SUPPLIER)


def test_a_transfer_moves_money_and_the_sum_stays_zero(bank: Bank) -> None:
    transfer(bank, PAYER, SUPPLIER, 1)
    assert balances(bank) == (OPENING - 1, OPENING + 1)


def test_the_last_fen_may_be_spent_and_not_one_more(bank: Bank) -> None:
    transfer(bank, PAYER, SUPPLIER, OPENING)
    with pytest.raises(InsufficientFunds):
        transfer(bank, PAYER, SUPPLIER, 1)
    assert balances(bank) == (0, 2 * OPENING)


def test_an_unknown_account_is_named(bank: Bank) -> None:
    with pytest.raises(AccountUnknown, match="nobody"):
        transfer(bank, PAYER, "nobody", 1)
    assert balances(bank) == (OPENING, OPENING)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfers SET amount_minor = 1",
        "DELETE FROM ledger_transfers",
        "UPDATE payment_instructions SET amount_minor = 1",
        "UPDATE payment_instructions SET trail = '[]'",
        "DELETE FROM payment_instructions",
        "UPDATE payment_names SET document_sha256 = ''",
        "DELETE FROM payment_names",
        "INSERT OR REPLACE INTO ledger_transfers SELECT * FROM ledger_transfers",
        "INSERT OR REPLACE INTO payment_instructions SELECT * FROM payment_instructions",
        "TRUNCATE ledger_transfers",
        "TRUNCATE ledger_holds",
        "TRUNCATE payment_names",
        "TRUNCATE ledger_closings CASCADE",
    ],
)
def test_the_database_refuses_to_forget(bank: Bank, statement: str) -> None:
    bank.pay(payment())
    is_sqlite = bank.services.engine.dialect.name == "sqlite"
    if statement.startswith("TRUNCATE" if is_sqlite else "INSERT OR REPLACE"):
        pytest.skip("the other database says this")
    with pytest.raises(DBAPIError, match="append-only"), bank.services.transaction() as session:
        session.execute(text(statement))


def test_no_day_is_emptied_either(bank: Bank) -> None:
    if bank.services.engine.dialect.name == "sqlite":
        pytest.skip("only PostgreSQL has partitions")
    make_partitions(bank.services)
    with bank.services.reading() as session:
        days = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'payment_days'")).all()
    assert len(days) > 3 * AHEAD
    for day in days:
        with pytest.raises(DBAPIError, match="append-only"), bank.services.transaction() as session:
            session.execute(text(f"TRUNCATE payment_days.{day}"))


def test_a_name_that_is_given_twice_stays_the_first_one_s(bank: Bank) -> None:
    if bank.services.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's REPLACE")
    bank.pay(payment())
    with bank.services.transaction() as session:
        session.execute(
            text(
                "INSERT OR REPLACE INTO payment_names SELECT tenant_id, instruction_id, 'another', document_sha256 "
                "FROM payment_names"
            )
        )
        assert session.scalar(text("SELECT count(*) FROM payment_names WHERE payment_id = 'another'")) == 0


@pytest.mark.parametrize(
    ("debit", "credit", "amount"), [(PAYER, SUPPLIER, 0), (PAYER, SUPPLIER, -1), (PAYER, PAYER, 1)]
)
def test_the_database_refuses_what_is_no_transfer(bank: Bank, debit: str, credit: str, amount: int) -> None:
    row = LedgerTransfer(
        id=f"{new_id()}-book",
        kind=TransferKind.BOOK,
        debit_account=debit,
        credit_account=credit,
        amount_minor=amount,
        posted_at=bank.services.clock(),
    )
    with pytest.raises(IntegrityError), bank.services.transaction() as session:
        session.add(row)


def test_the_database_refuses_an_overdraft_even_past_the_code(bank: Bank) -> None:
    with pytest.raises(IntegrityError), bank.services.transaction() as session:
        session.execute(update(LedgerAccount).where(LedgerAccount.number == PAYER).values(balance_minor=-1))


def test_one_payment_is_booked_once_by_the_database(bank: Bank) -> None:
    reference = bank.pay(payment()).body["bank_reference"]
    with pytest.raises(IntegrityError), bank.services.transaction() as session:
        post(session, Transfer(TransferKind.BOOK, PAYER, SUPPLIER, 1, reference), bank.services.clock())
    assert balances(bank) == (OPENING - 123_45, OPENING + 123_45)


def test_a_missing_fen_is_found(bank: Bank) -> None:
    with bank.services.transaction() as session:
        session.execute(update(LedgerAccount).where(LedgerAccount.number == PAYER).values(balance_minor=OPENING - 1))
    with bank.services.reading() as session:
        report = inspect_ledger(session)
    assert not report.is_sound
    assert report.differing_accounts == (PAYER,)
    assert report.sum_of_balances_minor == -1


def test_opposite_transfers_at_once_neither_deadlock_nor_lose(bank: Bank) -> None:
    failures: list[Exception] = []

    def move(debit: str, credit: str) -> None:
        try:
            for _ in range(5):
                transfer(bank, debit, credit, 7)
        except Exception as exc:
            failures.append(exc)

    pairs = [(PAYER, SUPPLIER), (SUPPLIER, PAYER)] * 3
    threads = [threading.Thread(target=move, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert balances(bank) == (OPENING, OPENING)


def test_customers_are_funded_by_a_transfer(bank: Bank) -> None:
    with bank.services.reading() as session:
        assert balance_of(session, FUNDING_ACCOUNT) == -3 * OPENING
        assert len(session.scalars(select(LedgerTransfer)).all()) == 3


@given(st.text("0123456789", min_size=11, max_size=18), st.data())
def test_luhn_finds_a_wrong_digit(body: str, data: st.DataObject) -> None:
    number = body + luhn_digit(body)
    assert is_account_number(number)
    place = data.draw(st.integers(0, len(number) - 1))
    other = str((int(number[place]) + data.draw(st.integers(1, 9))) % 10)
    assert not is_account_number(number[:place] + other + number[place + 1 :])
