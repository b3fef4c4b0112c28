"""Payments in front of another core than the embedded ledger: balances, holds, bookings and names are asked there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from app.identity.models import TenantKind
from app.payments import approvals, held, outcomes, receipts, service
from app.payments.books import Entry, Stretch
from app.payments.channels import Channel
from app.payments.ledger import Account, Transfer, balance_of, transit_account
from app.payments.models import TransferKind
from app.payments.reconcile import reconcile
from app.payments.statement import statement
from tests.app.identity.people import People
from tests.app.payments.test_receipts import text_of
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, SUPPLIER, Bank, payment
from tests.conftest import FakeClock


class OtherCore:
    """A core with books of its own, in which both parties have other balances than in the ledger."""

    is_embedded = False
    faults: Sequence[str] = ()

    def __init__(self, bank: Bank) -> None:
        self.accounts = {
            PAYER: Account(PAYER, bank.enterprise, "付款人", 200_00, 0),
            SUPPLIER: Account(SUPPLIER, "another", "收款人", 0, 0),
        }
        self.posted: list[Transfer] = []
        self.on_hold: dict[str, int] = {}
        self.told = [Entry("E-1", TransferKind.OPENING, 200_00, bank.services.clock(), None)]

    def lock(self, numbers: Collection[str]) -> Mapping[str, Account]:
        return {number: self.accounts[number] for number in numbers if number in self.accounts}

    find = lock

    def list_of(self, tenant_id: str) -> Sequence[Account]:
        return [account for account in self.accounts.values() if account.tenant_id == tenant_id]

    def is_holder(self, account: Account, name: str) -> bool:
        return account.name == name

    def post(self, transfers: Sequence[Transfer], at: datetime) -> None:
        self.posted.extend(transfers)

    def hold(self, payment_id: str, account: str, amount_minor: int) -> None:
        self.on_hold[payment_id] = amount_minor

    def release(self, payment_id: str) -> bool:
        return self.on_hold.pop(payment_id, None) is not None

    def entries(self, account: str, stretch: Stretch, most: int) -> Sequence[Entry]:
        after = stretch.after
        return [entry for entry in self.told if account == PAYER and (after is None or entry.place > after)][:most]

    def booked_by_payment(self) -> Iterator[tuple[str, Mapping[TransferKind, int]]]:
        for payment_id in sorted({each.payment_id or "" for each in self.posted}):
            yield payment_id, {each.kind: each.amount_minor for each in self.posted if each.payment_id == payment_id}

    def booked_between(
        self, kinds: Collection[TransferKind], since: datetime, until: datetime
    ) -> Iterator[tuple[str, datetime]]:
        return iter(())

    def held_by_payment(self) -> Mapping[str, int]:
        return self.on_hold

    def in_transit(self, channel: Channel) -> int:
        transit = transit_account(channel)
        came = sum(each.amount_minor for each in self.posted if each.credit_account == transit)
        return came - sum(each.amount_minor for each in self.posted if each.debit_account == transit)

    def find_faults(self) -> Sequence[str]:
        return self.faults


@pytest.fixture
def core(routed_bank: Bank, monkeypatch: pytest.MonkeyPatch) -> OtherCore:
    made = OtherCore(routed_bank)
    monkeypatch.setitem(routed_bank.services.__dict__, "core_banking", lambda _session, _at: made)
    return made


def here(**changes: Any) -> dict[str, Any]:
    return payment(payee={"name": "收款人"}, **changes)


def test_the_other_core_books_and_the_ledger_does_not(routed_bank: Bank, core: OtherCore) -> None:
    answer = routed_bank.pay(here())
    assert (answer.body["state"], answer.sealed["available_balance_minor"]) == ("settled", 200_00 - 123_45)
    assert [(each.debit_account, each.credit_account, each.amount_minor) for each in core.posted] == [
        (PAYER, SUPPLIER, 123_45)
    ]
    with routed_bank.services.reading() as session:
        assert balance_of(session, PAYER) == OPENING


def test_its_balances_and_names_decide(routed_bank: Bank, core: OtherCore) -> None:
    assert routed_bank.pay(here(amount_minor=200_01)).body["reasons"] == ["insufficient-funds"]
    by_ledger = payment(instruction_id="P-2")  # the name that the ledger has
    assert routed_bank.pay(by_ledger).body["reasons"] == ["payee-name-differs"]
    assert core.posted == []


def test_what_comes_back_is_booked_back_there(routed_bank: Bank, core: OtherCore) -> None:
    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    reference = routed_bank.pay(payment(payee=payee)).body["bank_reference"]
    with routed_bank.services.transaction() as session:
        assert outcomes.reject(routed_bank.services, session, reference, "AC01")
    transit = transit_account("ibps")
    assert [(each.debit_account, each.credit_account) for each in core.posted] == [(PAYER, transit), (transit, PAYER)]


def test_what_waits_for_a_second_approver_is_on_hold_there(routed_bank: Bank, core: OtherCore) -> None:
    limits = {"single_minor": 10 * OPENING, "daily_minor": 10 * OPENING}
    bank = replace(routed_bank, authorization=replace(routed_bank.authorization, limits=limits))
    core.accounts[PAYER] = Account(PAYER, bank.enterprise, "付款人", 10 * OPENING, 0)
    reference = bank.pay(here(amount_minor=6_000_000_00)).body["bank_reference"]
    assert core.on_hold == {reference: 6_000_000_00}
    with bank.services.transaction() as session:
        outcomes.reject(bank.services, session, reference, "hold-refused")
    assert core.on_hold == {}
    assert core.posted == []


def test_balances_and_statements_say_what_it_has(routed_bank: Bank, core: OtherCore) -> None:
    services = routed_bank.services
    with services.reading() as session:
        told = service.balance(services, session, routed_bank.request({"account": PAYER})).sealed
        page = statement(services, session, routed_bank.request({"account": PAYER})).sealed
        rest = statement(
            services, session, routed_bank.request({"account": PAYER, "cursor": page["end_cursor"]})
        ).sealed
    assert [each["balance_minor"] for each in told["accounts"]] == [200_00]
    assert page["available_balance_minor"] == 200_00
    assert [(each["entry_id"], each["amount_minor"]) for each in page["entries"]] == [("E-1", 200_00)]
    assert rest["entries"] == []


def test_what_nobody_decides_upon_is_released_there(routed_bank: Bank, core: OtherCore, clock: FakeClock) -> None:
    limits = {"single_minor": 10 * OPENING, "daily_minor": 10 * OPENING}
    bank = replace(routed_bank, authorization=replace(routed_bank.authorization, limits=limits))
    core.accounts[PAYER] = Account(PAYER, bank.enterprise, "付款人", 10 * OPENING, 0)
    bank.pay(here(amount_minor=6_000_000_00))
    clock.advance(approvals.LONGEST)
    assert held.expire_held(bank.services) == 1
    assert core.on_hold == {}


def test_its_books_are_what_instructions_are_compared_with(routed_bank: Bank, core: OtherCore) -> None:
    def faults() -> tuple[str, ...]:
        with routed_bank.services.reading() as session:
            return reconcile(routed_bank.services, session).faults

    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    gone = routed_bank.pay(payment(payee=payee)).body["bank_reference"]
    near = routed_bank.pay(here(instruction_id="P-2", amount_minor=1)).body["bank_reference"]
    assert faults() == ()
    core.posted[:] = [core.posted[0]._replace(amount_minor=1)]
    core.on_hold["nobody"] = 5
    core.faults = ["of its own"]
    assert faults() == (
        "of its own",
        f"{gone}: a transfer has another amount than the instruction",
        f"{near}: settled with the transfers none",
        "nobody: hold and state differ",
        "transit account of ibps: 1 fen, 12345 on their way",
    )


def test_a_receipt_names_the_payer_as_it_does(app: Flask, routed_bank: Bank, core: OtherCore) -> None:
    People(app, routed_bank.services).add_tenant(TenantKind.BANK, 1)
    reference = routed_bank.pay(here()).body["bank_reference"]
    closed = routed_bank.pay(here(instruction_id="P-2", amount_minor=1)).body["bank_reference"]
    text = text_of(receipts.get_receipt(routed_bank.services, routed_bank.enterprise, reference).pdf)
    assert "付款人" in text
    del core.accounts[PAYER]
    text = text_of(receipts.get_receipt(routed_bank.services, routed_bank.enterprise, closed).pdf)
    assert "杭州付款企业有限公司" in text
    assert routed_bank.status(bank_reference=closed).sealed["available_balance_minor"] is None
