"""What the clearing says is acted on exactly once, and what makes no sense waits for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from app.payments import dispatch, inbox
from app.payments.channel_models import InboundMessage, OutboxItem, OutboxState
from app.payments.iso20022.messages import to_xml
from app.payments.iso20022.values import (
    NOT_RECEIVED,
    PaymentReturns,
    ReturnedTransfer,
    Status,
    StatusReport,
    TransferStatus,
)
from app.payments.ledger import balance_of
from tests.app.payments.iso20022.examples import DAY, NOW, TRANSFERS
from tests.app.payments.test_jobs import Connection, balances, send, state
from tests.app.payments.world import OPENING, PAYER, Bank, payment


@pytest.fixture
def sent(routed_bank: Bank) -> str:
    """The reference of an instruction that was sent and not yet answered."""
    send(routed_bank, amount_minor=100)
    clearing = Connection(routed_bank)
    dispatch.send_due(routed_bank.services, clearing)
    [reference] = clearing.references()
    clearing.close()
    return reference


def report(reference: str, status: Status, reason: str | None = None, name: str = "S-1") -> bytes:
    return to_xml(StatusReport(name, NOW, "M-1", (TransferStatus(reference, status, reason),)))


def faults(bank: Bank) -> list[str]:
    with bank.services.reading() as session:
        return [str(message.fault) for message in inbox.list_faults(session)]


def test_the_same_message_twice_and_a_second_one_that_says_the_same_change_nothing(
    routed_bank: Bank, sent: str
) -> None:
    settled = report(sent, Status.SETTLED)
    assert inbox.receive(routed_bank.services, [settled, settled]) == 1
    assert inbox.receive(routed_bank.services, [settled]) == 0
    assert inbox.receive(routed_bank.services, [report(sent, Status.SETTLED, name="S-2")]) == 1
    assert balances(routed_bank) == (OPENING - 100, 0, 100)
    assert faults(routed_bank) == []
    with routed_bank.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(InboundMessage)) == 2


def test_pending_says_nothing_yet(routed_bank: Bank, sent: str) -> None:
    inbox.receive(routed_bank.services, [report(sent, Status.PENDING)])
    assert state(routed_bank)[0] == "dispatched"


def test_a_return_before_the_news_of_settlement_settles_first(routed_bank: Bank, sent: str) -> None:
    back = to_xml(PaymentReturns("R-1", NOW, "ibps", DAY, (ReturnedTransfer(sent, 100, "AC04"),)))
    inbox.receive(routed_bank.services, [back, report(sent, Status.SETTLED)])
    assert state(routed_bank) == ("returned", ["AC04"])
    assert balances(routed_bank) == (OPENING, 0, 0)


def test_what_contradicts_what_is_known_changes_nothing_and_is_kept(routed_bank: Bank, sent: str) -> None:
    inbox.receive(routed_bank.services, [report(sent, Status.SETTLED)])
    assert inbox.receive(routed_bank.services, [report(sent, Status.REJECTED, "AC01", "S-2")]) == 1
    assert state(routed_bank)[0] == "settled"
    [fault] = faults(routed_bank)
    assert fault.startswith("StepNotAllowed")
    assert inbox.receive(routed_bank.services, [report(sent, Status.REJECTED, "AC01", "S-2")]) == 0


@pytest.mark.parametrize("kind", ["nonsense", "stranger", "amount", "ours"])
def test_what_makes_no_sense_keeps_nothing_good_from_being_applied(routed_bank: Bank, sent: str, kind: str) -> None:
    bad = {
        "nonsense": b"<nonsense/>",
        "stranger": report("z" * 26, Status.SETTLED, name="S-9"),
        "amount": to_xml(PaymentReturns("R-1", NOW, "ibps", DAY, (ReturnedTransfer(sent, 99, "AC04"),))),
        "ours": to_xml(replace(TRANSFERS, message_id="M-9")),
    }[kind]
    assert inbox.receive(routed_bank.services, [bad, report(sent, Status.SETTLED), bad]) == 2
    assert state(routed_bank)[0] == "settled"
    assert len(faults(routed_bank)) == 1


def test_not_received_counts_only_as_the_answer_to_the_latest_question(routed_bank: Bank, sent: str) -> None:
    inbox.receive(routed_bank.services, [report(sent, Status.REJECTED, NOT_RECEIVED)])
    with routed_bank.services.reading() as session:
        assert session.scalars(select(OutboxItem.state)).one() == OutboxState.SENT
    assert state(routed_bank)[0] == "dispatched"


def test_word_about_what_was_never_sent_changes_nothing_and_is_kept(routed_bank: Bank) -> None:
    send(routed_bank, amount_minor=100)
    with routed_bank.services.reading() as session:
        [reference] = session.scalars(select(OutboxItem.subject))
    for number, status in enumerate((Status.SETTLED, Status.REJECTED)):
        assert inbox.receive(routed_bank.services, [report(reference, status, "AC01", f"S-{number}")]) == 1
    assert state(routed_bank)[0] == "booked"
    assert len(faults(routed_bank)) == 2
    assert dispatch.send_due(routed_bank.services, Connection(routed_bank)) == 1


def test_a_payment_within_the_bank_cannot_be_returned_by_the_clearing(routed_bank: Bank) -> None:
    reference = routed_bank.pay(payment()).body["bank_reference"]
    back = to_xml(PaymentReturns("R-1", NOW, "ibps", DAY, (ReturnedTransfer(reference, 123_45, "AC04"),)))
    assert inbox.receive(routed_bank.services, [back]) == 1
    [fault] = faults(routed_bank)
    assert "no clearing" in fault
    with routed_bank.services.reading() as session:
        assert balance_of(session, PAYER) == OPENING - 123_45
