"""Statements, balances, cancelling, daily closings and the reconciliation."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.gateway.problems import InvalidDocument
from app.payments import held, outcomes, risk_lists, service
from app.payments.channels import BEIJING
from app.payments.closings import GRACE, close_days, end_of, verify_closings
from app.payments.ledger import FUNDING_ACCOUNT, Transfer, balance_of, post
from app.payments.lifecycle import State, StepNotAllowed
from app.payments.models import TransferKind
from app.payments.partitions import make_partitions
from app.payments.reconcile import reconcile
from app.payments.statement import statement
from app.problems import Conflict, NotFound
from tests.app.payments.standing import record_authorization
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, STRANGER, SUPPLIER, Bank, payment

DAY = timedelta(days=1)


def elsewhere(**changes: Any) -> dict[str, Any]:
    return payment(payee={"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}, **changes)


def read(bank: Bank, **document: Any) -> Any:
    with bank.services.reading() as session:
        return statement(bank.services, session, bank.request({"account": PAYER} | document)).sealed


def faults(bank: Bank) -> tuple[str, ...]:
    with bank.services.reading() as session:
        return reconcile(bank.services, session).faults


def cancel(bank: Bank, **document: Any) -> Any:
    with bank.services.transaction() as session:
        asked = bank.request({"reason": "重复下单"} | document)
        return service.cancel(bank.services, session, asked)


def test_pages_of_a_statement_follow_each_other(bank: Bank, clock: Any) -> None:
    for number in range(5):
        clock.advance(timedelta(seconds=number % 2))  # some in the same moment
        bank.pay(payment(instruction_id=f"P-{number}", amount_minor=number + 1))
    seen, cursor = [], None
    while True:
        page = read(bank, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [entry["amount_minor"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted([OPENING, -1, -2, -3, -4, -5])
    assert sum(seen) == page["balance_minor"]
    assert read(bank, cursor=page["end_cursor"])["entries"] == []
    bank.pay(payment(instruction_id="P-9"))
    [entry] = read(bank, cursor=page["end_cursor"])["entries"]
    assert (entry["instruction_id"], entry["counter_account"]) == ("P-9", SUPPLIER)
    assert read(bank, from_date="2027-01-01")["entries"] == []
    assert len(read(bank, to_date="2026-11-22")["entries"]) == 7


def test_what_waits_for_an_account_comes_to_stand_behind_what_it_waited_for(
    bank: Bank, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever reads on from where a statement ended would never see it."""
    services, is_on_its_way = bank.services, threading.Event()

    def watched() -> datetime:
        if threading.current_thread() is waiting:
            is_on_its_way.set()
        return datetime.fromisoformat(clock().isoformat())

    waiting = threading.Thread(target=lambda: bank.pay(payment(instruction_id="P-waits", amount_minor=7)))
    monkeypatch.setitem(services.__dict__, "clock", watched)
    with services.transaction() as session:
        core = services.core_banking(session, clock())
        core.lock({PAYER})
        session.execute(text("UPDATE ledger_accounts SET name = name WHERE number = :payer"), {"payer": PAYER})
        waiting.start()
        assert is_on_its_way.wait(30)
        clock.advance(timedelta(seconds=1))
        core.post([Transfer(TransferKind.OPENING, FUNDING_ACCOUNT, PAYER, 5)], clock())
        clock.advance(timedelta(seconds=1))
    told = read(bank, limit=2)
    waiting.join()
    seen = told["entries"] + read(bank, cursor=told["end_cursor"])["entries"]
    assert [entry["amount_minor"] for entry in seen] == [OPENING, 5, -7]


def test_days_of_a_statement_are_those_of_beijing(bank: Bank, clock: Any) -> None:
    for name, hour, minute in (("late", 23, 59), ("early", 0, 1)):
        at = clock().astimezone(BEIJING).replace(hour=hour, minute=minute)
        clock.now = (at if at > clock() else at + DAY).astimezone(UTC)
        bank.pay(payment(instruction_id=name))

    def told(**document: Any) -> list[str | None]:
        return [entry.get("instruction_id") for entry in read(bank, **document)["entries"]]

    assert told(from_date="2026-11-22", to_date="2026-11-22") == [None, "late"]
    assert told(from_date="2026-11-23", to_date="2026-11-23") == ["early"]
    assert told(to_date="2026-11-21") == told(from_date="2026-11-24") == []


def test_what_a_machine_books_whose_clock_is_behind_stands_behind_all_the_same(routed_bank: Bank, clock: Any) -> None:
    """Also what is given back, and what was held."""
    bank, services, now = routed_bank, routed_bank.services, clock.now
    returning, seen, cursor = bank.pay(elsewhere(amount_minor=1)).body["bank_reference"], [], None
    with services.transaction() as session:
        risk_lists.add(services, session, "watch", STRANGER, "to be looked at", "test")
    watched = payment(instruction_id="watched", amount_minor=4, payee={"name": "别家企业有限公司", "account": STRANGER})
    held_one = bank.pay(watched).body["bank_reference"]
    record_authorization(bank)

    def give_back() -> None:
        with services.transaction() as session:
            outcomes.reject(services, session, returning, "AC01")

    def approve() -> None:
        with services.transaction() as session:
            held.approve(services, session, held_one, approver="another")

    for seconds, act in enumerate(
        [lambda: bank.pay(payment(instruction_id="P-2", amount_minor=2)), give_back, approve]
    ):
        clock.now = now - timedelta(seconds=seconds)
        act()
        page = read(bank, **({"cursor": cursor} if cursor else {}))
        seen.append([entry["amount_minor"] for entry in page["entries"]])
        cursor = page["end_cursor"]
    assert seen == [[OPENING, -1, -2], [1], [-4]]
    assert sum(map(sum, seen)) == page["balance_minor"]


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "3000-01-01", "9999-12-31"])
def test_a_statement_begins_and_ends_within_the_calendar(bank: Bank, day: str) -> None:
    for name in ("from_date", "to_date"):
        with pytest.raises(InvalidDocument) as raised:
            read(bank, **{name: day})
        assert [(fault.pointer, fault.reason) for fault in raised.value.faults] == [(f"/{name}", "not-a-date")]


@pytest.mark.parametrize(
    "text_of_cursor",
    ["9999-12-31T23:59:59-14:00 x", "0001-01-01T00:00:00+14:00 x", "2026-11-22T04:00:00+00:00 \0", "x y", ""],
)
def test_a_cursor_that_somebody_made_is_refused(bank: Bank, text_of_cursor: str) -> None:
    cursor = base64.urlsafe_b64encode(text_of_cursor.encode()).decode().rstrip("=") or "A"
    with pytest.raises(InvalidDocument) as raised:
        read(bank, cursor=cursor)
    assert [(fault.pointer, fault.reason) for fault in raised.value.faults] == [("/cursor", "wrong-form")]


def test_a_statement_is_of_ones_own_account_and_its_cursor_is_of_ours(bank: Bank) -> None:
    with pytest.raises(NotFound):
        read(bank, account=STRANGER)
    with pytest.raises(InvalidDocument):
        read(bank, cursor="AAAA")
    with pytest.raises(InvalidDocument):
        read(bank, limit=501)


def test_balances_are_the_enterprises_own(bank: Bank) -> None:
    with bank.services.reading() as session:
        told = service.balance(bank.services, session, bank.request({}))
        assert [(a["account"], a["available_balance_minor"]) for a in told.sealed["accounts"]] == [(PAYER, OPENING)]
        with pytest.raises(NotFound):
            service.balance(bank.services, session, bank.request({"account": STRANGER}))


def test_what_has_not_left_is_taken_back_once(routed_bank: Bank) -> None:
    routed_bank.pay(elsewhere())
    assert cancel(routed_bank, instruction_id="P-1").body["state"] == "cancelled"
    assert cancel(routed_bank, instruction_id="P-1").body["state"] == "cancelled"
    with routed_bank.services.reading() as session:
        assert balance_of(session, PAYER) == OPENING
    assert faults(routed_bank) == ()


def test_what_may_have_left_is_not_taken_back(routed_bank: Bank) -> None:
    reference = routed_bank.pay(elsewhere()).body["bank_reference"]
    with routed_bank.services.transaction() as session:
        outcomes.dispatched(routed_bank.services, session, reference)
    with pytest.raises(Conflict):
        cancel(routed_bank, bank_reference=reference)
    assert faults(routed_bank) == ()


def test_reports_may_come_twice_late_or_out_of_order(routed_bank: Bank) -> None:
    services = routed_bank.services
    reference = routed_bank.pay(elsewhere(amount_minor=700)).body["bank_reference"]
    with services.transaction() as session:
        assert outcomes.dispatched(services, session, reference)
        assert not outcomes.dispatched(services, session, reference)
        assert outcomes.unknown(services, session, reference)
        assert outcomes.return_(services, session, reference, "AC04")  # the news that it was settled never came
        assert not outcomes.settle(services, session, reference)
        assert not outcomes.return_(services, session, reference, "AC04")
        with pytest.raises(StepNotAllowed):
            outcomes.reject(services, session, reference, "AC01")
        assert balance_of(session, PAYER) == OPENING
    view = routed_bank.status(bank_reference=reference).body
    assert [step["state"] for step in view["steps"]][-4:] == ["dispatched", "unknown", "settled", "returned"]
    assert view["reasons"] == ["AC04"]
    assert faults(routed_bank) == ()


def test_days_are_closed_in_a_chain_and_stay_closed(bank: Bank, clock: Any) -> None:
    services = bank.services
    bank.pay(payment())
    first = clock().date()
    assert close_days(services) == 0
    clock.now = end_of(first) + DAY + GRACE
    assert close_days(services) == 2
    assert close_days(services) == 0
    with services.reading() as session:
        assert verify_closings(session) == []
    with pytest.raises(DBAPIError, match="closed"), services.transaction() as session:
        post(session, Transfer(TransferKind.BOOK, PAYER, SUPPLIER, 1, "x"), end_of(first) - timedelta(seconds=1))
    assert faults(bank) == ()


@pytest.mark.parametrize(
    ("statement_text", "fault"),
    [
        ("UPDATE ledger_accounts SET balance_minor = 1 WHERE kind = 'customer'", f"account {PAYER}"),
        ("UPDATE payment_instructions SET state = 'rejected'", "rejected with the transfers"),
        ("UPDATE payment_instructions SET state = 'held'", "hold and state differ"),
        ("UPDATE payment_instructions SET state = 'booked', channel = 'ibps'", "0 fen, 12345 on their way"),
        ("INSERT INTO payment_names VALUES ('t', 'n', 'p', 'd')", "2 names for 1 instructions"),
        (
            "INSERT INTO ledger_transfers SELECT 'x-clearing', 'x', 'clearing', debit_account, credit_account, 1, "
            "posted_at FROM ledger_transfers WHERE kind = 'book'",
            "x: transfers without an instruction",
        ),
        (
            "INSERT INTO ledger_transfers SELECT payment_id || '-return', payment_id, 'return', credit_account, "
            "debit_account, 1, posted_at FROM ledger_transfers WHERE kind = 'book'",
            "a transfer has another amount than the instruction",
        ),
    ],
)
def test_what_does_not_agree_is_named(app: Flask, bank: Bank, statement_text: str, fault: str) -> None:
    bank.pay(payment())
    runner = app.test_cli_runner()
    assert runner.invoke(args=["payments", "reconcile"]).exit_code == 0
    with bank.services.transaction() as session:
        session.execute(text(statement_text))
    found = runner.invoke(args=["payments", "reconcile"])
    assert found.exit_code == 1
    assert fault in found.output


def test_an_instruction_lies_in_the_partition_of_its_day(bank: Bank, clock: Any, database_kind: str) -> None:
    services = bank.services
    clock.now = datetime.now(UTC)  # identifiers have the time of the machine
    made = make_partitions(services)
    assert make_partitions(services) == 0
    bank.pay(payment())
    assert bank.status(instruction_id="P-1").body["state"] == State.SETTLED
    assert (made == 0) == (database_kind == "sqlite")
    if made:
        with services.reading() as session:
            [place] = session.scalars(text("SELECT tableoid::regclass::text FROM payment_instructions"))
        assert place.endswith(f"_{clock():%Y%m%d}")
