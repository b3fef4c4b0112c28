"""What becomes of an instruction after it was booked, as channels and people report it.

Every function locks the instruction, does nothing where the report is no news (False), and otherwise books, records
the step and appends to the journal in the caller's transaction. Raises StepNotAllowed for a report that contradicts
what is known, NotFound for an instruction that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.payments.callbacks import announce
from app.payments.channels import Channel
from app.payments.core_banking import EmbeddedCore
from app.payments.instructions import record_step
from app.payments.ledger import FEE_ACCOUNT, SETTLEMENT_ACCOUNT, Transfer, transit_account
from app.payments.lifecycle import IN_FLIGHT, State, is_news
from app.payments.models import PaymentInstruction, TransferKind
from app.problems import NotFound
from app.wiring import Services

_NOTHING: Mapping[str, Any] = {}


def dispatched(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """It may leave now. To be recorded in a transaction of its own before anything is sent."""
    payment = _news(session, payment_id, State.DISPATCHED)
    if payment is None:
        return False
    _record(services, session, payment, State.DISPATCHED, facts)
    return True


def unknown(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """Nobody says what became of it; it must be asked for."""
    payment = _news(session, payment_id, State.UNKNOWN)
    if payment is None:
        return False
    _record(services, session, payment, State.UNKNOWN, facts)
    return True


def settle(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """The other bank has it: transit account to the settlement account."""
    payment = _news(session, payment_id, State.SETTLED)
    if payment is None:
        return False
    _post(services, session, payment, TransferKind.SETTLEMENT, transit_account(_channel(payment)), SETTLEMENT_ACCOUNT)
    _record(services, session, payment, State.SETTLED, facts)
    return True


def reject(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """It was refused, or must not leave: transit account back to the payer, the fee included."""
    return _give_back(services, session, payment_id, State.REJECTED, reason, facts)


def cancel(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """Its enterprise took it back before it left. Raises StepNotAllowed once it may have left."""
    return _give_back(services, session, payment_id, State.CANCELLED, reason, facts)


def return_(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """退汇: settled, and sent back by the other bank: settlement account to the payer. The fee stays earned.

    Where the return comes before the news that it was settled, it is settled first.
    """
    payment = lock(session, payment_id)
    if payment.state in IN_FLIGHT:
        settle(services, session, payment_id, {"by": "return"})
    if not is_news(payment.state, State.RETURNED):
        return False
    _post(services, session, payment, TransferKind.RETURN, SETTLEMENT_ACCOUNT, payment.payer_account)
    payment.reasons = [reason]
    _record(services, session, payment, State.RETURNED, {"reason": reason, **facts})
    return True


def lock(session: Session, payment_id: str) -> PaymentInstruction:
    """The instruction, locked, as it stands now and not as this session read it before. Raises NotFound."""
    payment = session.get(PaymentInstruction, payment_id, with_for_update=True, populate_existing=True)
    if payment is None:
        raise NotFound("there is no such instruction")
    return payment


def tell(services: Services, session: Session, payment: PaymentInstruction, *, actor: str) -> None:
    """Keep in the journal where an instruction stands now, and let its platform know."""
    body = {"state": State(payment.state).value, "reasons": list(payment.reasons)}
    services.journal.append(session, "payment-outcome", subject=payment.id, actor=actor, body=body)
    announce(services, session, payment, State(payment.state))


def _give_back(
    services: Services, session: Session, payment_id: str, state: State, reason: str, facts: Mapping[str, Any]
) -> bool:
    payment = _news(session, payment_id, state)
    if payment is None:
        return False
    payer = payment.payer_account
    if payment.state == State.HELD:
        EmbeddedCore(session, services.clock()).release(payment_id)
    else:
        _post(services, session, payment, TransferKind.REVERSAL, transit_account(_channel(payment)), payer)
        if payment.fee_minor:
            refund = Transfer(TransferKind.FEE_REFUND, FEE_ACCOUNT, payer, payment.fee_minor, payment_id)
            EmbeddedCore(session, services.clock()).post([refund])
    payment.reasons = [reason]
    _record(services, session, payment, state, {"reason": reason, **facts})
    return True


def _news(session: Session, payment_id: str, state: State) -> PaymentInstruction | None:
    payment = lock(session, payment_id)
    return payment if is_news(payment.state, state) else None


def _post(
    services: Services, session: Session, payment: PaymentInstruction, kind: TransferKind, debit: str, credit: str
) -> None:
    EmbeddedCore(session, services.clock()).post([Transfer(kind, debit, credit, payment.amount_minor, payment.id)])


def _channel(payment: PaymentInstruction) -> Channel:
    if payment.channel is None:
        raise ValueError(f"instruction {payment.id} was booked without a channel")
    return Channel(payment.channel)


def _record(
    services: Services, session: Session, payment: PaymentInstruction, state: State, facts: Mapping[str, Any]
) -> None:
    record_step(session, payment, state, services.clock(), dict(facts))
    tell(services, session, payment, actor=str(facts.get("approver", "clearing")))
