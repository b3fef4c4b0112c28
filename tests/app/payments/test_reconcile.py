"""Reconciliation to the fen: what a channel's file says against the states here, and fees against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta

import pytest
from sqlalchemy import delete

from app.payments import channel_files, outcomes, service
from app.payments.channel_models import ChannelFile
from app.payments.channels import BEIJING, Channel
from app.payments.fees import FeeSchedule
from app.payments.iso20022.messages import to_xml
from app.payments.iso20022.values import ChannelStatement, StatementEntry
from app.payments.jobs import dispatch_outbox
from app.payments.ledger import FEE_ACCOUNT, Transfer, balance_of, post
from app.payments.lifecycle import State
from app.payments.models import TransferKind
from app.payments.reconcile import reconcile
from tests.app.payments.test_jobs import Connection, send
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, Bank, payment
from tests.conftest import FakeClock

NOBODY = "0" * 26


class Files(Connection):
    """A clearing whose end-of-day file of IBPS, of one day or of all, is what the test says."""

    def __init__(self, bank: Bank, entries: Sequence[StatementEntry], day: date | None = None) -> None:
        super().__init__(bank)
        self._clock, self._entries, self._day = bank.services.clock, tuple(entries), day

    def statement(self, channel: str, day: date) -> bytes | None:
        entries = self._entries if channel == Channel.IBPS.value and day == (self._day or day) else ()
        return to_xml(ChannelStatement(f"EOD-{channel}", self._clock(), channel, day, entries))


def settle(bank: Bank) -> str:
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    return str(bank.status(instruction_id="P-1").body["bank_reference"])


def faults_by_file(bank: Bank, clock: FakeClock, *entries: StatementEntry) -> tuple[str, ...]:
    day = clock().astimezone(BEIJING).date()
    clock.advance(timedelta(days=1))
    with closing(Files(bank, entries)) as clearing:
        channel_files.fetch(bank.services, clearing)
    with bank.services.reading() as session:
        found = reconcile(bank.services, session, (day,))
    assert found.files == 1
    return found.faults


def test_a_file_that_agrees_has_no_faults(routed_bank: Bank, clock: FakeClock) -> None:
    reference = settle(routed_bank)
    assert faults_by_file(routed_bank, clock, StatementEntry(reference, 100, False)) == ()


@pytest.mark.parametrize(
    ("amount", "returned", "fault"),
    [(101, False, "another amount or channel"), (100, True, "returned there, settled here")],
)
def test_a_line_that_differs_is_named(
    routed_bank: Bank, clock: FakeClock, amount: int, returned: bool, fault: str
) -> None:
    reference = settle(routed_bank)
    lines = [StatementEntry(reference, amount, returned)]
    if returned:
        lines.append(StatementEntry(reference, 100, False))
    [found] = faults_by_file(routed_bank, clock, *lines)
    assert found.endswith(f"{reference}: {fault}")


def test_what_only_one_side_has_is_named(routed_bank: Bank, clock: FakeClock) -> None:
    reference = settle(routed_bank)
    found = faults_by_file(routed_bank, clock, StatementEntry(NOBODY, 5, False))
    assert [fault.split(": ", 1)[1] for fault in found] == [
        f"{NOBODY}: unknown here",
        f"{reference} settled here and in no file",
    ]


def test_what_a_file_says_twice_is_named(routed_bank: Bank, clock: FakeClock) -> None:
    reference = settle(routed_bank)
    [found] = faults_by_file(routed_bank, clock, *[StatementEntry(reference, 100, False)] * 2)
    assert found.endswith(f"{reference} settled 2 times there")


def test_what_came_back_here_and_not_there_is_named(routed_bank: Bank, clock: FakeClock) -> None:
    reference = settle(routed_bank)
    with routed_bank.services.transaction() as session:
        outcomes.return_(routed_bank.services, session, reference, "AC04")
    [found] = faults_by_file(routed_bank, clock, StatementEntry(reference, 100, False))
    assert found.endswith(f"{reference} returned here and in no file")


@pytest.mark.parametrize(("hour", "minute"), [(23, 30), (0, 30)])
def test_near_midnight_either_day_will_do_and_one_of_them_must(
    routed_bank: Bank, clock: FakeClock, hour: int, minute: int
) -> None:
    now = clock().astimezone(BEIJING)
    at = now.replace(hour=hour, minute=minute) + timedelta(days=1)
    clock.advance(at - now)
    reference = settle(routed_bank)
    days = [at.date() + timedelta(days=place) for place in (-1, 0, 1)]
    clock.advance(timedelta(days=3))
    faults = {}
    for named in (at.date() - timedelta(days=9), *days):
        with closing(Files(routed_bank, [StatementEntry(reference, 100, False)], named)) as clearing:
            channel_files.fetch(routed_bank.services, clearing)
        with routed_bank.services.transaction() as session:
            faults[named] = reconcile(routed_bank.services, session, tuple(days)).faults
            session.execute(delete(ChannelFile))
    agreed = {at.date(), at.date() + timedelta(days=1 if hour else -1)}
    assert {day for day, found in faults.items() if not found} == agreed


def test_a_file_that_does_not_come_is_a_fault(routed_bank: Bank, clock: FakeClock) -> None:
    settle(routed_bank)
    today = clock().astimezone(BEIJING).date()
    with routed_bank.services.reading() as session:
        for days, late in ((1, 0), (2, 1), (3, 1)):
            assert len(reconcile(routed_bank.services, session, (), today + timedelta(days=days)).faults) == late


@pytest.fixture
def priced(routed_bank: Bank, monkeypatch: pytest.MonkeyPatch) -> Bank:
    """The same bank, where a payment by IBPS costs half a yuan."""
    schedule = FeeSchedule("half-a-yuan", 3, {Channel.IBPS: 50})
    monkeypatch.setitem(routed_bank.services.__dict__, "fees", lambda _session, _at: schedule)
    return routed_bank


def test_a_fee_is_booked_with_the_payment_and_given_back_with_it(priced: Bank) -> None:
    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    answers = [priced.pay(payment(instruction_id=f"P-{n}", amount_minor=1_000, payee=payee)) for n in range(2)]
    assert [answer.sealed["fee_minor"] for answer in answers] == [50, 50]
    with priced.services.reading() as session:
        view = service.get_instruction(session, priced.enterprise, answers[0].body["bank_reference"])
    [accepted] = [step for step in view.steps if step.state is State.ACCEPTED]
    assert accepted.facts["fees"] == {"name": "half-a-yuan", "version": 3}
    with priced.services.transaction() as session:
        outcomes.reject(priced.services, session, answers[0].body["bank_reference"], "AC01")
    with priced.services.reading() as session:
        assert (balance_of(session, PAYER), balance_of(session, FEE_ACCOUNT)) == (OPENING - 1_050, 50)
        assert reconcile(priced.services, session).faults == ()


def test_a_fee_that_nobody_owes_is_found(routed_bank: Bank) -> None:
    reference = settle(routed_bank)
    with routed_bank.services.transaction() as session:
        post(session, Transfer(TransferKind.FEE, PAYER, FEE_ACCOUNT, 1, reference), routed_bank.services.clock())
    with routed_bank.services.reading() as session:
        [fault] = reconcile(routed_bank.services, session).faults
    assert fault == f"{reference}: its fee was not booked or given back as it should"
