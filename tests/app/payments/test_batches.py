"""Batches and payrolls: every item has its own result, and a bad one keeps no other from being paid."""

import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.gateway.problems import InvalidDocument
from app.payments import batches
from app.payments.batches import CHUNK
from app.payments.ledger import balance_of, inspect_ledger
from app.payments.messages import MAX_ITEMS
from app.payments.models import PaymentBatch, PaymentInstruction
from app.payments.reconcile import reconcile
from app.problems import Conflict, NotFound
from tests.app.payments.world import OPENING, PAYER, STRANGER, SUPPLIER, Bank, payment
from tests.conftest import FakeClock

MANY = MAX_ITEMS if os.environ.get("YUNLIAN_PROOF") == "full" else 2 * CHUNK + 7


def item(number: int, **changes: Any) -> dict[str, Any]:
    payee = {"name": "苏州供应商有限公司", "account": SUPPLIER} | changes.pop("payee", {})
    return {"instruction_id": f"W-{number}", "amount_minor": 100, "payee": payee} | changes


def batch(items: list[Any], **changes: Any) -> dict[str, Any]:
    document = {
        "batch_id": "B-1",
        "kind": "payroll",
        "currency": "CNY",
        "payer_account": PAYER,
        "purpose": "工资",
        "items": items,
    }
    return document | changes


def pay(bank: Bank, document: dict[str, Any] | bytes) -> dict[str, Any]:
    verified = bank.request(document)
    with bank.services.transaction() as session:
        reference = batches.receive(bank.services, session, verified).reference
    batches.work(bank.services, reference, bank.authorization)
    return told(bank, reference)


def told(bank: Bank, reference: str) -> dict[str, Any]:
    with bank.services.reading() as session:
        assert inspect_ledger(session).is_sound
        return dict(batches.answer(session, reference).body)


def balance(bank: Bank, number: str) -> int:
    with bank.services.reading() as session:
        return balance_of(session, number)


def test_every_item_is_paid_and_says_so(bank: Bank) -> None:
    body = pay(bank, batch([item(number) for number in range(CHUNK + 3)]))
    assert (body["state"], body["taken"]) == ("finished", CHUNK + 3)
    assert [result["position"] for result in body["results"]] == list(range(CHUNK + 3))
    assert {result["state"] for result in body["results"]} == {"settled"}
    assert balance(bank, PAYER) == OPENING - 100 * (CHUNK + 3)
    with bank.services.reading() as session:
        assert reconcile(bank.services, session).faults == ()


def test_a_bad_item_says_why_and_the_others_go_through(bank: Bank) -> None:
    items = [item(number) for number in range(9)]
    items[1] = item(1, amount_minor=-1, payee={"name": "张\u202e三"})
    items[2] = "not an item"
    items[3] = item(0, amount_minor=5)  # the name of another item
    items[4] = item(4, payee={"account": PAYER})
    items[5] = item(5, payee={"name": "别的名字"})
    items[6] = item(6, amount_minor=OPENING + 1)
    results = pay(bank, batch(items))["results"]
    assert [result["state"] for result in results] == [
        "settled", "refused", "refused", "refused", "refused", "rejected", "refused", "settled", "settled",
    ]  # fmt: skip
    assert {(fault["pointer"], fault["reason"]) for fault in results[1]["faults"]} == {
        ("/items/1/amount_minor", "not-positive"),
        ("/items/1/payee/name", "invisible-character"),
    }
    assert results[2]["faults"] == [{"pointer": "/items/2", "reason": "not-an-object"}]
    assert results[3]["code"] == "conflict"
    assert results[4]["faults"] == [{"pointer": "/items/4/payee/account", "reason": "same-as-payer"}]
    assert (results[5]["reasons"], results[5]["pointer"]) == (["payee-name-differs"], "/items/5/payee/name")
    assert results[6]["code"] == "limit-exceeded"
    assert balance(bank, PAYER) == OPENING - 300


def test_what_is_too_long_for_a_name_is_not_said_again(bank: Bank) -> None:
    body = pay(bank, batch([item(0), item(1, instruction_id="x" * 1_000_000)]))
    assert [result.get("instruction_id") for result in body["results"]] == ["W-0", None]
    assert body["results"][1]["faults"] == [{"pointer": "/items/1/instruction_id", "reason": "too-long"}]


def test_proof_one_bad_item_of_ten_thousand_keeps_no_other_from_being_paid(bank: Bank) -> None:
    items = [item(number, amount_minor=1) for number in range(MANY)]
    bad = MANY - 3
    items[bad] = item(bad, amount_minor=0)
    results = pay(bank, batch(items))["results"]
    assert Counter(result["state"] for result in results) == {"settled": MANY - 1, "refused": 1}
    assert results[bad]["faults"] == [{"pointer": f"/items/{bad}/amount_minor", "reason": "not-positive"}]
    assert balance(bank, PAYER) == OPENING - (MANY - 1)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"items": []}, ("/items", "too-short")),
        ({"items": [0] * (MAX_ITEMS + 1)}, ("/items", "too-long")),
        ({"kind": "other"}, ("/kind", "not-supported")),
        ({"payer_account": "1"}, ("/payer_account", "wrong-form")),
        ({"payer_account": STRANGER}, ("/payer_account", "account-unknown")),
        ({"requested_at": "2026-11-20T04:00:00Z"}, ("/requested_at", "too-old")),
        ({"surprise": 1}, ("/surprise", "unknown-member")),
    ],
)
def test_a_bad_batch_leaves_nothing_behind(bank: Bank, changes: dict[str, Any], fault: tuple[str, str]) -> None:
    with pytest.raises(InvalidDocument) as raised:
        pay(bank, batch([item(number) for number in range(CHUNK + 1)]) | changes)
    assert fault in [(each.pointer, each.reason) for each in raised.value.faults]
    with bank.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaymentBatch)) == 0
    assert balance(bank, PAYER) == OPENING


def test_the_same_batch_again_gets_the_same_answer(bank: Bank, clock: FakeClock) -> None:
    document = batch([item(1), item(2, amount_minor=0)], requested_at=clock().isoformat())
    first = pay(bank, document)
    clock.advance(timedelta(days=400))
    assert pay(bank, document) == first
    with pytest.raises(Conflict):
        pay(bank, batch([item(1)]))
    assert balance(bank, PAYER) == OPENING - 100


def test_an_item_that_was_paid_by_itself_is_not_paid_again(bank: Bank) -> None:
    pay(bank, batch([item(1)]))
    again = pay(bank, batch([item(1), item(2)], batch_id="B-2"))
    assert [result["state"] for result in again["results"]] == ["settled", "settled"]
    single = bank.pay(payment(instruction_id="W-3"))
    other = pay(bank, batch([item(3)], batch_id="B-3"))
    assert single.body["state"] == "settled"
    assert other["results"][0]["code"] == "conflict"
    assert balance(bank, PAYER) == OPENING - 200 - 123_45


def test_after_a_crash_it_goes_on_where_it_stopped(bank: Bank, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verified = bank.request(batch([item(number) for number in range(3 * CHUNK)]))
    with bank.services.transaction() as session:
        reference = batches.receive(bank.services, session, verified).reference
    assert told(bank, reference)["taken"] == CHUNK  # with what makes it durable

    class Killed(Exception):
        pass

    def killed(_seconds: float) -> None:
        raise Killed

    monkeypatch.setattr(batches.time, "sleep", killed)
    with pytest.raises(Killed):
        batches.work(bank.services, reference, bank.authorization)
    monkeypatch.undo()
    assert told(bank, reference)["taken"] == 2 * CHUNK
    monkeypatch.setattr(batches, "get_standing_cached", lambda *_: bank.authorization)
    assert batches.resume_batches(bank.services) == 0  # somebody may be at it
    clock.advance(2 * batches.ABANDONED)
    assert batches.resume_batches(bank.services) == 1
    body = told(bank, reference)
    assert (body["state"], len(body["results"])) == ("finished", 3 * CHUNK)
    with bank.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaymentInstruction)) == 3 * CHUNK
    assert balance(bank, PAYER) == OPENING - 100 * 3 * CHUNK


def abandon(bank: Bank, name: str, count: int = CHUNK + 2) -> str:
    """A batch whose process ended after the first chunk."""
    verified = bank.request(
        batch([item(number, instruction_id=f"{name}-{number}") for number in range(count)], batch_id=name)
    )
    with bank.services.transaction() as session:
        return batches.receive(bank.services, session, verified).reference


def test_one_that_cannot_be_finished_keeps_no_other_from_it(
    bank: Bank, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batches, "get_standing_cached", lambda *_: bank.authorization)
    broken = abandon(bank, "broken")
    with bank.services.transaction() as session:
        batch_row = session.get_one(PaymentBatch, broken)
        document, batch_row.document = batch_row.document, b"not what was signed"
    clock.advance(timedelta(seconds=1))
    whole = abandon(bank, "whole")
    clock.advance(2 * batches.ABANDONED)
    assert batches.resume_batches(bank.services) == 1
    assert told(bank, whole)["state"] == "finished"
    assert told(bank, broken)["state"] == "received"
    assert [record.batch for record in caplog.records if record.name == batches.__name__] == [broken]  # type: ignore[attr-defined]
    assert batches.resume_batches(bank.services) == 0  # it has its turn later
    with bank.services.transaction() as session:
        session.get_one(PaymentBatch, broken).document = document
    clock.advance(2 * batches.ABANDONED)
    assert batches.resume_batches(bank.services) == 1
    assert told(bank, broken)["state"] == "finished"
    assert balance(bank, PAYER) == OPENING - 2 * 100 * (CHUNK + 2)


def test_after_the_authorization_ended_nothing_more_is_paid(bank: Bank, clock: FakeClock) -> None:
    reference = abandon(bank, "ended", 3 * CHUNK)  # there is no such authorization
    clock.advance(2 * batches.ABANDONED)
    assert batches.resume_batches(bank.services) == 1
    body = told(bank, reference)
    assert (body["state"], body["taken"]) == ("finished", 3 * CHUNK)
    assert Counter(result.get("code", result["state"]) for result in body["results"]) == {
        "settled": CHUNK, "authorization-ended": 2 * CHUNK,
    }  # fmt: skip
    assert [result["position"] for result in body["results"]] == list(range(3 * CHUNK))
    assert balance(bank, PAYER) == OPENING - 100 * CHUNK


def test_items_count_against_the_limit_of_the_day_and_what_is_not_paid_does_not(bank: Bank) -> None:
    limits = {"single_minor": 100, "daily_minor": 250}
    bank = replace(bank, authorization=replace(bank.authorization, limits=limits))
    items = [item(number) for number in range(6)]
    items[0] = item(0, payee={"name": "别的名字"})
    items[4] = item(4, amount_minor=50)
    results = pay(bank, batch(items))["results"]
    assert [result.get("code", result["state"]) for result in results] == [
        "rejected", "settled", "settled", "limit-exceeded", "settled", "limit-exceeded",
    ]  # fmt: skip
    assert balance(bank, PAYER) == OPENING - 250


def test_a_batch_is_asked_for_by_its_enterprise_alone(bank: Bank) -> None:
    pay(bank, batch([item(number) for number in range(3)]))
    with bank.services.reading() as session:
        verified = bank.request({"batch_id": "B-1", "from_position": 1})
        told = batches.status(bank.services, session, verified)
        assert [result["position"] for result in told.body["results"]] == [1, 2]
        assert told.sealed is not None
        assert told.sealed["available_balance_minor"] == OPENING - 300
        with pytest.raises(NotFound):
            batches.status(bank.services, session, bank.request({"batch_id": "B-2"}))
