"""What the jobs process does for payments: send what waits in the outbox, and ask for what nobody answered.

Each message is marked as sent in a transaction of its own before it is sent, and its outcome is recorded in
another. A message that was marked but has no outcome (the process was killed between) is asked for before
anything else.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState
from app.oauth.authorizations import find_standing
from app.payments.channels import Channel
from app.payments.clearing import ClearingChannel, ClearingMessage, ClearingOutcome, ClearingSimulator
from app.payments.core_banking import EmbeddedCore
from app.payments.instructions import record_step
from app.payments.ledger import SETTLEMENT_ACCOUNT, Transfer, transit_account
from app.payments.lifecycle import State
from app.payments.models import DispatchState, PaymentDispatch, PaymentInstruction, TransferKind
from app.wiring import Services

SILENCE = timedelta(seconds=60)
MOST_AT_ONCE = 1000


def dispatch_outbox(services: Services, clearing: ClearingChannel | None = None) -> int:
    """Send everything that is due, at most 1,000 messages.

    Returns how many instructions reached their end.
    """
    channel = clearing or ClearingSimulator(services)
    finished = 0
    for _ in range(MOST_AT_ONCE):
        with services.transaction() as session:
            dispatch = _next_due(session, services.clock())
            if dispatch is None:
                break
            payment = session.get_one(PaymentInstruction, dispatch.payment_id)
            message, silent = _begin(services, session, dispatch, payment)
        if message is not None:
            outcome = (channel.inquire(message.message_id) if silent else None) or channel.submit(message)
            with services.transaction() as session:
                _finish(services, session, message.message_id, outcome)
        finished += 1
    return finished


def _next_due(session: Session, now: datetime) -> PaymentDispatch | None:
    waiting = (PaymentDispatch.state == DispatchState.WAITING) & (PaymentDispatch.due_at <= now)
    silent = (PaymentDispatch.state == DispatchState.SENDING) & (PaymentDispatch.attempted_at <= now - SILENCE)
    statement = select(PaymentDispatch).where(or_(waiting, silent)).order_by(PaymentDispatch.due_at).limit(1)
    return session.scalar(statement.with_for_update(skip_locked=True))


def _begin(
    services: Services, session: Session, dispatch: PaymentDispatch, payment: PaymentInstruction
) -> tuple[ClearingMessage | None, bool]:
    """Record the intent.

    Returns the message, None where it must not leave, and whether it may have been sent before.
    """
    now = services.clock()
    silent = dispatch.state == DispatchState.SENDING
    if not silent:
        if dispatch.deferred and not _authorization_stands(services, session, payment):
            dispatch.state = DispatchState.DONE
            _return_money(services, session, payment, "authorization-ended")
            return None, False
        record_step(session, payment, State.DISPATCHED, now, {"message_id": payment.id})
    dispatch.state = DispatchState.SENDING
    dispatch.attempted_at = now
    message = ClearingMessage(
        message_id=payment.id,
        channel=_channel_of(payment),
        amount_minor=payment.amount_minor,
        payee_account=payment.payee_account,
        clearing_code=payment.clearing_code,
    )
    return message, silent


def _finish(services: Services, session: Session, payment_id: str, outcome: ClearingOutcome) -> None:
    dispatch = session.get_one(PaymentDispatch, payment_id, with_for_update=True)
    if dispatch.state == DispatchState.DONE:
        return
    dispatch.state = DispatchState.DONE
    payment = session.get_one(PaymentInstruction, payment_id)
    if not outcome.settled:
        _return_money(services, session, payment, outcome.reason or "AC01")
        return
    now = services.clock()
    transit = transit_account(_channel_of(payment))
    transfer = Transfer(TransferKind.SETTLEMENT, transit, SETTLEMENT_ACCOUNT, payment.amount_minor, payment.id)
    EmbeddedCore(session, now).post(transfer)
    record_step(session, payment, State.SETTLED, now, {"transfer": TransferKind.SETTLEMENT.value})
    _journal(services, session, payment)


def _return_money(services: Services, session: Session, payment: PaymentInstruction, reason: str) -> None:
    now = services.clock()
    transit = transit_account(_channel_of(payment))
    transfer = Transfer(TransferKind.REVERSAL, transit, payment.payer_account, payment.amount_minor, payment.id)
    EmbeddedCore(session, now).post(transfer)
    payment.reasons = [reason]
    record_step(session, payment, State.REJECTED, now, {"transfer": TransferKind.REVERSAL.value, "reason": reason})
    _journal(services, session, payment)


def _channel_of(payment: PaymentInstruction) -> Channel:
    if payment.channel is None:
        raise ValueError(f"instruction {payment.id} was booked without a channel")
    return Channel(payment.channel)


def _authorization_stands(services: Services, session: Session, payment: PaymentInstruction) -> bool:
    """What was held until the channel opened is checked again: the authorization, and the certificate that signed."""
    authorization = find_standing(services, session, payment.authorization_id)
    certificate = session.get(CertificateRecord, payment.product_x5t_s256)
    return (
        authorization is not None
        and authorization.application.disabled_at is None
        and certificate is not None
        and certificate.state == CertificateState.GOOD
        and certificate.not_after > services.clock()
    )


def _journal(services: Services, session: Session, payment: PaymentInstruction) -> None:
    body = {"state": State(payment.state).value, "reasons": list(payment.reasons)}
    services.journal.append(session, "payment-outcome", subject=payment.id, actor="clearing", body=body)
