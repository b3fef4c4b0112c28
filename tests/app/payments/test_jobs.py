"""The outbox: what was booked reaches its end, whatever the other side does."""

from datetime import timedelta
from typing import Any

import pytest

from app.certificates.models import CertificateRecord
from app.oauth.models import Application, Authorization
from app.payments.channels import Channel
from app.payments.clearing import ClearingMessage, ClearingOutcome, ClearingSimulator
from app.payments.jobs import SILENCE, dispatch_outbox
from app.payments.ledger import SETTLEMENT_ACCOUNT, balance_of, inspect_ledger, transit_account
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, Bank, payment

HOUR = timedelta(hours=1)


def send(bank: Bank, **changes: Any) -> None:
    account = changes.pop("account", "6217000010001234567")
    payee = {"name": "李四", "account": account, "bank_text": CCB_HANGZHOU}
    answer = bank.pay(payment(payee=payee, **changes))
    assert answer.body["state"] == "booked"


def balances(bank: Bank, channel: str = "ibps") -> tuple[int, int, int]:
    with bank.services.reading() as session:
        assert inspect_ledger(session).is_sound
        numbers = (PAYER, transit_account(channel), SETTLEMENT_ACCOUNT)
        found = []
        for number in numbers:
            try:
                found.append(balance_of(session, number))
            except LookupError:
                found.append(0)
    return found[0], found[1], found[2]


def test_it_is_sent_and_settled_once(routed_bank: Bank) -> None:
    send(routed_bank, amount_minor=100)
    assert balances(routed_bank) == (OPENING - 100, 100, 0)
    assert dispatch_outbox(routed_bank.services) == 1
    assert dispatch_outbox(routed_bank.services) == 0
    assert balances(routed_bank) == (OPENING - 100, 0, 100)
    body = routed_bank.status(instruction_id="P-1").body
    assert body["state"] == "settled"
    assert [step["state"] for step in body["steps"]][-2:] == ["dispatched", "settled"]


@pytest.mark.parametrize(("ending", "reason"), [("0001", "AC01"), ("0002", "AC04")])
def test_what_the_other_side_refuses_comes_back(routed_bank: Bank, ending: str, reason: str) -> None:
    send(routed_bank, amount_minor=100, account=f"62170000{ending}")
    assert dispatch_outbox(routed_bank.services) == 1
    assert balances(routed_bank) == (OPENING, 0, 0)
    body = routed_bank.status(instruction_id="P-1").body
    assert (body["state"], body["reasons"]) == ("rejected", [reason])


def test_the_saved_answer_stays_what_it_was(routed_bank: Bank) -> None:
    send(routed_bank)
    dispatch_outbox(routed_bank.services)
    send(routed_bank)  # still says booked: the same facts, for ever


def test_a_large_amount_waits_for_the_channel_to_open(routed_bank: Bank, clock: Any) -> None:
    record_authorization(routed_bank)
    send(routed_bank, amount_minor=1_500_000_00)
    assert dispatch_outbox(routed_bank.services) == 0
    assert balances(routed_bank, "hvps") == (OPENING - 1_500_000_00, 1_500_000_00, 0)
    clock.advance(9 * HOUR)  # Sunday 21:00 in Beijing: Monday's window is open
    assert dispatch_outbox(routed_bank.services) == 1
    assert balances(routed_bank, "hvps") == (OPENING - 1_500_000_00, 0, 1_500_000_00)


def test_what_waited_is_returned_where_the_authorization_has_ended(routed_bank: Bank, clock: Any) -> None:
    send(routed_bank, amount_minor=1_500_000_00)  # no record of the authorization: it does not stand
    clock.advance(9 * HOUR)
    assert dispatch_outbox(routed_bank.services) == 1
    assert balances(routed_bank, "hvps") == (OPENING, 0, 0)
    body = routed_bank.status(instruction_id="P-1").body
    assert (body["state"], body["reasons"]) == ("rejected", ["authorization-ended"])


def record_authorization(bank: Bank) -> None:
    """Make the test's authorization a record that stands, with the certificate that signed."""
    now, granted = bank.services.clock(), bank.authorization
    with bank.services.transaction() as session:
        session.add(
            CertificateRecord(
                x5t_s256=granted.product_x5t_s256,
                issuer="product",
                serial="01",
                profile="product-sign",
                der=b"",
                spki_sha256=b"",
                subject="",
                not_before=now,
                not_after=granted.expires_at,
                issued_at=now,
            )
        )
        session.add(
            Application(
                id=granted.application_id,
                client_id="platform",
                tenant_id=bank.enterprise,
                name="platform",
                redirect_uris=[],
                scopes=["payments"],
                created_at=now,
            )
        )
        session.flush()
        session.add(
            Authorization(
                id=granted.id,
                application_id=granted.application_id,
                tenant_id=bank.enterprise,
                uscc=granted.uscc,
                product=granted.product,
                limits=dict(granted.limits),
                product_x5t_s256=granted.product_x5t_s256,
                granted_by="somebody",
                granted_at=now,
                expires_at=granted.expires_at,
            )
        )


class Killed(Exception):
    """The process ends in the middle."""


class KilledAround:
    """A channel during whose use the process is killed, before or after the message arrives."""

    def __init__(self, bank: Bank, arrives: bool) -> None:
        self._inner = ClearingSimulator(bank.services)
        self._arrives = arrives

    def submit(self, message: ClearingMessage) -> ClearingOutcome:
        if self._arrives:
            self._inner.submit(message)
        raise Killed

    def inquire(self, message_id: str) -> ClearingOutcome | None:
        return self._inner.inquire(message_id)


class Counting:
    """A channel that counts what is sent."""

    def __init__(self, bank: Bank) -> None:
        self._inner = ClearingSimulator(bank.services)
        self.submitted: list[str] = []

    def submit(self, message: ClearingMessage) -> ClearingOutcome:
        self.submitted.append(message.message_id)
        return self._inner.submit(message)

    def inquire(self, message_id: str) -> ClearingOutcome | None:
        return self._inner.inquire(message_id)


@pytest.mark.parametrize("arrives", [True, False])
def test_an_unknown_outcome_is_asked_for_and_not_sent_blindly(routed_bank: Bank, clock: Any, arrives: bool) -> None:
    send(routed_bank, amount_minor=100)
    with pytest.raises(Killed):
        dispatch_outbox(routed_bank.services, KilledAround(routed_bank, arrives))
    assert routed_bank.status(instruction_id="P-1").body["state"] == "dispatched"
    counting = Counting(routed_bank)
    assert dispatch_outbox(routed_bank.services, counting) == 0  # not yet silent for long enough
    clock.advance(SILENCE)
    assert dispatch_outbox(routed_bank.services, counting) == 1
    assert len(counting.submitted) == (0 if arrives else 1)
    assert balances(routed_bank) == (OPENING - 100, 0, 100)


def test_the_other_side_takes_a_message_once(routed_bank: Bank) -> None:
    send(routed_bank)
    simulator = ClearingSimulator(routed_bank.services)
    message = ClearingMessage("0" * 26, Channel.IBPS, 100, "6217000010001234567", None)
    assert simulator.submit(message) == simulator.submit(message) == simulator.inquire("0" * 26)
    different = ClearingMessage("0" * 26, Channel.IBPS, 101, "6217000010001234567", None)
    with pytest.raises(ValueError, match="different message"):
        simulator.submit(different)
