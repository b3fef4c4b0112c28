"""What the jobs process does for payments: send what waits in the outbox, and ask for what nobody answered.

Each message is marked as sent in a transaction of its own before it is sent, and its outcome is recorded in
another. A message that was marked but has no outcome (the process was killed between) is asked for before
anything else.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.payments import outcomes
from app.payments.channel_models import OutboxItem, OutboxKind, OutboxState
from app.payments.channels import Channel
from app.payments.clearing import ClearingChannel, ClearingMessage, ClearingOutcome, ClearingSimulator
from app.payments.held import still_authorized
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
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
            item = _next_due(session, services.clock())
            if item is None:
                break
            message, silent = _begin(services, session, item)
        if message is not None:
            outcome = (channel.inquire(message.message_id) if silent else None) or channel.submit(message)
            with services.transaction() as session:
                _finish(services, session, item.id, message.message_id, outcome)
        finished += 1
    return finished


def _next_due(session: Session, now: datetime) -> OutboxItem | None:
    waiting = (OutboxItem.state == OutboxState.WAITING) & (OutboxItem.due_at <= now)
    silent = (OutboxItem.state == OutboxState.SENDING) & (OutboxItem.due_at <= now)
    statement = select(OutboxItem).where(OutboxItem.kind == OutboxKind.DISPATCH, or_(waiting, silent))
    return session.scalar(statement.order_by(OutboxItem.due_at).limit(1).with_for_update(skip_locked=True))


def _begin(services: Services, session: Session, item: OutboxItem) -> tuple[ClearingMessage | None, bool]:
    """Record the intent.

    Returns the message, None where it must not leave, and whether it may have been sent before.
    """
    payment = outcomes.lock(session, item.subject)
    silent = item.state == OutboxState.SENDING
    if payment.state == State.CANCELLED:
        session.delete(item)
        return None, False
    if item.deferred and not silent and not still_authorized(services, session, payment):
        session.delete(item)
        outcomes.reject(services, session, payment.id, "authorization-ended")
        return None, False
    outcomes.dispatched(services, session, payment.id, {"message_id": payment.id})
    item.state = OutboxState.SENDING
    item.due_at = services.clock() + SILENCE
    return _message(payment), silent


def _message(payment: PaymentInstruction) -> ClearingMessage:
    return ClearingMessage(
        message_id=payment.id,
        channel=Channel(payment.channel or ""),
        amount_minor=payment.amount_minor,
        payee_account=payment.payee_account,
        clearing_code=payment.clearing_code,
    )


def _finish(services: Services, session: Session, item_id: str, payment_id: str, outcome: ClearingOutcome) -> None:
    item = session.get(OutboxItem, item_id, with_for_update=True)
    if item is None:
        return
    session.delete(item)
    if outcome.settled:
        outcomes.settle(services, session, payment_id)
    else:
        outcomes.reject(services, session, payment_id, outcome.reason or "AC01")
