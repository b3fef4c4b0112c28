"""The outbox: what was booked reaches its end, whatever the other side and the network do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from app.payments import dispatch, outbox, outcomes, packing
from app.payments.channel_models import OutboxItem, OutboxState
from app.payments.channels import BEIJING, hvps_opening
from app.payments.clearing import ClearingConnection, ClearingNotConfigured, connect, embedded_clearing
from app.payments.clearing_errors import DeliveryUncertain, NotDelivered
from app.payments.dispatch import SILENCE
from app.payments.iso20022.messages import parse_message
from app.payments.iso20022.values import CreditTransfers, StatusRequest
from app.payments.jobs import dispatch_outbox
from app.payments.ledger import SETTLEMENT_ACCOUNT, balance_of, inspect_ledger, transit_account
from app.payments.packing import pack
from app.payments.simulator.moods import Mood
from app.payments.workdays import CalendarUnknown
from app.problems import Conflict
from tests.app.payments.standing import record_authorization
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, Bank, payment
from tests.conftest import FakeClock

HOUR = timedelta(hours=1)


class Connection:
    """A connection that counts what is sent and fails as it is told: before the message arrives, or after."""

    def __init__(self, bank: Bank, mood: Mood | None = None) -> None:
        self.inner: ClearingConnection = embedded_clearing(bank.services, mood or Mood("calm"))
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.sent: list[CreditTransfers] = []
        self.asked: list[StatusRequest] = []

    def send(self, messages: Sequence[bytes]) -> Sequence[str | None]:
        if self.before is not None:
            raise self.before
        for message in map(parse_message, messages):
            if isinstance(message, CreditTransfers):
                self.sent.append(message)
            elif isinstance(message, StatusRequest):
                self.asked.append(message)
        refusals = self.inner.send(messages)
        if self.after is not None:
            raise self.after
        return refusals

    def collect(self, acknowledged: Sequence[str], most: int) -> Sequence[tuple[str, bytes]]:
        return self.inner.collect(acknowledged, most)

    def statement(self, channel: str, day: date) -> bytes | None:
        return self.inner.statement(channel, day)

    def close(self) -> None:
        self.inner.close()

    def references(self) -> list[str]:
        return [transfer.reference for message in self.sent for transfer in message.transfers]


class Killed(BaseException):
    """The process ends in the middle."""


def send(bank: Bank, **changes: Any) -> None:
    account = changes.pop("account", "6217000010001234567")
    payee = {"name": "李四", "account": account, "bank_text": CCB_HANGZHOU}
    answer = bank.pay(payment(payee=payee, **changes))
    assert answer.body["state"] == "booked"


def balances(bank: Bank, channel: str = "ibps") -> tuple[int, int, int]:
    with bank.services.reading() as session:
        assert inspect_ledger(session).is_sound
        payer, transit, settlement = (
            balance_of(session, number) for number in (PAYER, transit_account(channel), SETTLEMENT_ACCOUNT)
        )
    return payer, transit, settlement


def state(bank: Bank, name: str = "P-1") -> tuple[str, list[str]]:
    body = bank.status(instruction_id=name).body
    return body["state"], body["reasons"]


def rows(bank: Bank) -> list[OutboxItem]:
    with bank.services.reading() as session:
        return list(session.scalars(select(OutboxItem).order_by(OutboxItem.id)))


def test_it_is_sent_and_settled_once_and_leaves_the_outbox(routed_bank: Bank) -> None:
    send(routed_bank, amount_minor=100)
    assert balances(routed_bank) == (OPENING - 100, 100, 0)
    assert dispatch_outbox(routed_bank.services) == 1
    assert dispatch_outbox(routed_bank.services) == 0
    assert balances(routed_bank) == (OPENING - 100, 0, 100)
    body = routed_bank.status(instruction_id="P-1").body
    assert body["state"] == "settled"
    assert [step["state"] for step in body["steps"]][-2:] == ["dispatched", "settled"]
    assert rows(routed_bank) == []


@pytest.mark.parametrize(("ending", "reason"), [("0001", "AC01"), ("0002", "AC04")])
def test_what_the_other_side_refuses_comes_back(routed_bank: Bank, ending: str, reason: str) -> None:
    send(routed_bank, amount_minor=100, account=f"62170000{ending}")
    dispatch_outbox(routed_bank.services)
    assert balances(routed_bank) == (OPENING, 0, 0)
    assert state(routed_bank) == ("rejected", [reason])


def test_money_that_is_sent_back_later_reaches_the_payer(routed_bank: Bank, clock: FakeClock) -> None:
    mood = Mood("returning", returned=1.0, return_delay=(60.0, 60.0))
    send(routed_bank, amount_minor=100)
    with closing(Connection(routed_bank, mood)) as clearing:
        dispatch_outbox(routed_bank.services, clearing)
        assert state(routed_bank)[0] == "settled"
        clock.advance(timedelta(minutes=1))
        dispatch_outbox(routed_bank.services, clearing)
    assert state(routed_bank)[0] == "returned"
    assert balances(routed_bank) == (OPENING, 0, 0)


def test_the_saved_answer_stays_what_it_was(routed_bank: Bank) -> None:
    send(routed_bank)
    dispatch_outbox(routed_bank.services)
    send(routed_bank)  # still says booked: the same facts, for ever


def test_a_large_amount_waits_for_the_channel_to_open(routed_bank: Bank, clock: FakeClock) -> None:
    record_authorization(routed_bank)
    send(routed_bank, amount_minor=1_500_000_00)
    assert dispatch_outbox(routed_bank.services) == 0
    assert balances(routed_bank, "hvps") == (OPENING - 1_500_000_00, 1_500_000_00, 0)
    clock.advance(9 * HOUR)  # Sunday 21:00 in Beijing: Monday's window is open
    assert dispatch_outbox(routed_bank.services) == 1
    assert balances(routed_bank, "hvps") == (OPENING - 1_500_000_00, 0, 1_500_000_00)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=30)], ids=["as it closes", "after it closed"])
def test_what_could_not_leave_before_its_channel_closed_waits_again(
    routed_bank: Bank, clock: FakeClock, late: timedelta
) -> None:
    record_authorization(routed_bank)
    clock.advance(29 * HOUR)  # Monday 17:00 in Beijing: open for a quarter of an hour
    send(routed_bank, amount_minor=1_500_000_00)
    with closing(Connection(routed_bank)) as clearing:
        clearing.before = NotDelivered("away")
        dispatch_outbox(routed_bank.services, clearing)
        clock.advance(timedelta(minutes=14, seconds=30) + late)
        clearing.before = None
        for _ in range(2):
            dispatch_outbox(routed_bank.services, clearing)
        assert clearing.references() == []
        [row] = rows(routed_bank)
        assert row.due_at.astimezone(BEIJING).isoformat() == "2026-11-23T20:30:00+08:00"
        clock.advance(4 * HOUR)
        dispatch_outbox(routed_bank.services, clearing)
    assert state(routed_bank)[0] == "settled"
    assert balances(routed_bank, "hvps") == (OPENING - 1_500_000_00, 0, 1_500_000_00)


def test_what_waited_again_is_returned_where_the_authorization_has_ended(routed_bank: Bank, clock: FakeClock) -> None:
    clock.advance(29 * HOUR)
    send(routed_bank, amount_minor=1_500_000_00)  # no record of the authorization: it does not stand
    clock.advance(HOUR)
    dispatch_outbox(routed_bank.services)
    assert state(routed_bank)[0] == "booked"
    clock.advance(3 * HOUR)
    dispatch_outbox(routed_bank.services)
    assert state(routed_bank) == ("rejected", ["authorization-ended"])


def test_without_a_calendar_a_large_amount_waits_and_the_log_says_why(
    routed_bank: Bank, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(day: date) -> bool:
        raise CalendarUnknown(day.year)

    record_authorization(routed_bank)
    clock.advance(28 * HOUR)
    send(routed_bank, amount_minor=1_500_000_00)
    monkeypatch.setattr(packing, "hvps_opening", partial(hvps_opening, workday=unknown))
    dispatch_outbox(routed_bank.services)
    assert state(routed_bank)[0] == "booked"
    assert "calendar of 2026 is not known" in caplog.text
    monkeypatch.undo()
    clock.advance(packing.UNKNOWN)
    dispatch_outbox(routed_bank.services)
    assert state(routed_bank)[0] == "settled"


def test_what_waited_is_returned_where_the_authorization_has_ended(routed_bank: Bank, clock: FakeClock) -> None:
    send(routed_bank, amount_minor=1_500_000_00)  # no record of the authorization: it does not stand
    clock.advance(9 * HOUR)
    dispatch_outbox(routed_bank.services)
    assert balances(routed_bank, "hvps") == (OPENING, 0, 0)
    assert state(routed_bank) == ("rejected", ["authorization-ended"])
    assert rows(routed_bank) == []


@pytest.mark.parametrize("arrives", [True, False])
def test_a_worker_killed_while_sending_leaves_what_is_asked_for_first(
    routed_bank: Bank, clock: FakeClock, arrives: bool
) -> None:
    send(routed_bank, amount_minor=100)
    clearing = Connection(routed_bank)
    setattr(clearing, "after" if arrives else "before", Killed())
    with pytest.raises(Killed):
        dispatch.send_due(routed_bank.services, clearing)
    assert state(routed_bank)[0] == "dispatched"
    clearing.before = clearing.after = None
    assert dispatch.send_due(routed_bank.services, clearing) == 0  # others do not touch what is in doubt
    clock.advance(max(SILENCE, outbox.LEASE))
    dispatch_outbox(routed_bank.services, clearing)
    assert len(clearing.asked) == 1
    assert len(clearing.references()) == 1
    assert balances(routed_bank) == (OPENING - 100, 0, 100)
    states = [step["state"] for step in routed_bank.status(instruction_id="P-1").body["steps"]]
    assert states[states.index("dispatched") :] == (
        ["dispatched", "unknown", "settled"] if arrives else ["dispatched", "unknown", "dispatched", "settled"]
    )
    clearing.close()


def test_a_broken_connection_is_asked_about_and_silence_too(routed_bank: Bank, clock: FakeClock) -> None:
    silent = Connection(routed_bank, Mood("silent", silent=1.0))
    silent.after = DeliveryUncertain("cut")
    send(routed_bank, amount_minor=100)
    dispatch.send_due(routed_bank.services, silent)
    assert [row.state for row in rows(routed_bank)] == [OutboxState.SENDING]
    silent.after = None
    dispatch_outbox(routed_bank.services, silent)
    assert (len(silent.asked), len(silent.references())) == (1, 1)
    assert state(routed_bank)[0] == "settled"
    send(routed_bank, amount_minor=100, instruction_id="P-2")
    dispatch_outbox(routed_bank.services, silent)
    assert state(routed_bank, "P-2")[0] == "dispatched"
    clock.advance(SILENCE)
    dispatch_outbox(routed_bank.services, silent)
    assert state(routed_bank, "P-2")[0] == "settled"
    assert len(silent.references()) == 2
    silent.close()


def test_without_a_connection_it_waits_longer_each_time_and_then_for_a_person(
    routed_bank: Bank, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_ATTEMPTS", 3)
    clearing = Connection(routed_bank)
    clearing.before = NotDelivered("nobody there")
    send(routed_bank, amount_minor=100)
    waits = []
    for _ in range(3):
        dispatch.send_due(routed_bank.services, clearing)
        [row] = rows(routed_bank)
        waits.append((row.due_at - clock()).total_seconds())
        assert row.last_error == "nobody there"
        clock.advance(row.due_at - clock())
    assert waits == [1.0, 2.0, 0.0]
    assert row.state == OutboxState.DEAD
    assert row.first_sent_at is None
    clearing.before = None
    assert dispatch_outbox(routed_bank.services, clearing) == 0
    with routed_bank.services.transaction() as session:
        assert [each.id for each in outbox.list_dead(session)] == [row.id]
        outbox.replay(routed_bank.services, session, row.id, "operator")
    dispatch_outbox(routed_bank.services, clearing)
    assert (len(clearing.asked), len(clearing.references())) == (0, 1)  # it certainly never left: sent, not asked for
    assert state(routed_bank)[0] == "settled"
    clearing.close()


def test_a_dead_letter_that_may_have_arrived_is_asked_for_when_it_is_replayed(
    routed_bank: Bank, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MOST_ATTEMPTS", 1)
    clearing = Connection(routed_bank, Mood("silent", silent=1.0))
    send(routed_bank, amount_minor=100)
    dispatch.send_due(routed_bank.services, clearing)
    clearing.before = NotDelivered("nobody there")
    for _ in range(2):
        clock.advance(timedelta(minutes=1))
        dispatch.ask_for_silent(routed_bank.services, clearing)
    [row] = rows(routed_bank)
    assert row.state == OutboxState.DEAD
    clearing.before = None
    with routed_bank.services.transaction() as session:
        outbox.replay(routed_bank.services, session, row.id, "operator")
        with pytest.raises(Conflict):
            outbox.replay(routed_bank.services, session, row.id, "operator")
    dispatch_outbox(routed_bank.services, clearing)
    assert (len(clearing.asked), len(clearing.references())) == (1, 1)
    assert state(routed_bank)[0] == "settled"
    clearing.close()


def test_one_bad_transfer_keeps_no_other_from_leaving(routed_bank: Bank) -> None:
    clearing = Connection(routed_bank)
    refused: list[str] = []

    def pick(messages: Sequence[bytes]) -> Sequence[str | None]:
        return [judge(xml) for xml in messages]

    def judge(xml: bytes) -> str | None:
        message = parse_message(xml)
        assert isinstance(message, CreditTransfers)
        if any(transfer.purpose == "poison" for transfer in message.transfers):
            refused.append(message.message_id)
            return "not taken"
        [refusal] = Connection.send(clearing, [xml])
        return refusal

    clearing.send = pick  # type: ignore[method-assign]
    for number, purpose in enumerate(["good", "poison", "good"]):
        # above the limit of IBPS, so that they travel together
        send(routed_bank, amount_minor=100_000_00 + number, purpose=purpose, instruction_id=f"P-{number}")
    for _ in range(2):
        dispatch_outbox(routed_bank.services, clearing)
    assert [state(routed_bank, f"P-{number}")[0] for number in range(3)] == ["settled", "dispatched", "settled"]
    [row] = rows(routed_bank)
    assert (row.state, row.last_error) == (OutboxState.DEAD, "not taken")
    assert len(refused) == 2  # together, and once alone
    clearing.close()


def test_what_is_taken_back_never_leaves_and_keeps_no_other_from_leaving(routed_bank: Bank) -> None:
    services = routed_bank.services
    for number in range(3):
        send(routed_bank, amount_minor=100, instruction_id=f"P-{number}")
    clearing = Connection(routed_bank)
    with services.transaction() as session:
        cancelled = session.scalars(select(OutboxItem.subject).order_by(OutboxItem.id)).first()
        assert outcomes.cancel(services, session, str(cancelled), "cancelled")
    assert len(rows(routed_bank)) == 2
    dispatch_outbox(services, clearing)
    assert sorted(state(routed_bank, f"P-{number}")[0] for number in range(3)) == ["cancelled", "settled", "settled"]
    assert cancelled not in clearing.references()
    assert balances(routed_bank) == (OPENING - 200, 0, 200)
    clearing.close()


def test_what_is_cancelled_while_its_message_is_made_stays_here(
    routed_bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = routed_bank.services
    for number in range(3):  # above the limit of IBPS, so that they would travel together
        send(routed_bank, amount_minor=100_000_00, instruction_id=f"P-{number}")

    def pack_and_cancel(services: Any, claimed: Any, now: Any) -> Any:
        packed = pack(services, claimed, now)
        monkeypatch.undo()
        with services.transaction() as session:
            outcomes.cancel(services, session, claimed[0].subject, "cancelled")
        return packed

    monkeypatch.setattr(dispatch, "pack", pack_and_cancel)
    clearing = Connection(routed_bank)
    dispatch_outbox(services, clearing)
    assert sorted(state(routed_bank, f"P-{number}")[0] for number in range(3)) == ["cancelled", "settled", "settled"]
    assert balances(routed_bank, "beps") == (OPENING - 200_000_00, 0, 200_000_00)
    assert rows(routed_bank) == []
    clearing.close()


def test_two_workers_never_claim_the_same_row(routed_bank: Bank) -> None:
    for number in range(6):
        send(routed_bank, amount_minor=100, instruction_id=f"P-{number}")
    one, two = Connection(routed_bank), Connection(routed_bank)
    dispatch.send_due(routed_bank.services, one)
    dispatch.send_due(routed_bank.services, two)
    assert sorted(one.references() + two.references()) == sorted({*one.references(), *two.references()})
    assert len(one.references()) == 6
    for each in (one, two):
        each.close()


def test_the_real_time_channels_carry_one_transfer_a_message_and_beps_many(routed_bank: Bank) -> None:
    clearing = Connection(routed_bank)
    for number in range(3):
        send(routed_bank, amount_minor=100 + number, instruction_id=f"I-{number}")
        send(routed_bank, amount_minor=100_000_00 + number, instruction_id=f"B-{number}")
    dispatch_outbox(routed_bank.services, clearing)
    sizes = sorted((message.channel, len(message.transfers)) for message in clearing.sent)
    assert sizes == [("beps", 3), ("ibps", 1), ("ibps", 1), ("ibps", 1)]
    assert {transfer.payer_name for message in clearing.sent for transfer in message.transfers} == {
        "杭州付款企业有限公司"
    }
    clearing.close()


def test_production_without_a_clearing_says_so(routed_bank: Bank) -> None:
    from dataclasses import replace

    from app.settings import RunProfile

    settings = replace(routed_bank.services.settings, profile=RunProfile.PRODUCTION)
    with pytest.raises(ClearingNotConfigured):
        connect(replace(routed_bank.services, settings=settings))
    unpinned = replace(routed_bank.services.settings, clearing_url="http://127.0.0.1:9")
    with pytest.raises(NotDelivered):
        connect(replace(routed_bank.services, settings=unpinned))
