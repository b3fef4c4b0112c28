"""What the clearing says, acted on exactly once.

The row of a message is written in the transaction that acts on it. The clearing hands a message out until it is
acknowledged, which happens after the commit; so nothing is lost, and whatever comes twice changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.payments import outbox, outcomes
from app.payments.channel_models import InboundMessage, OutboxItem, OutboxKind, OutboxState
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message
from app.payments.iso20022.values import NOT_RECEIVED, Message, PaymentReturns, Status, StatusReport, TransferStatus
from app.payments.lifecycle import StepNotAllowed
from app.payments.models import PaymentInstruction
from app.problems import NotFound

if TYPE_CHECKING:
    from app.payments.clearing import ClearingConnection
    from app.wiring import Services

MOST_AT_ONCE = 100
MOST_ROUNDS = 100
log = logging.getLogger(__name__)


class _Unfit(Exception):
    """A message that can be read and cannot be applied."""


def collect(services: Services, clearing: ClearingConnection) -> int:
    """Fetch and act on all that waits. Returns how many messages were new. Raises NotDelivered."""
    new = 0
    acknowledged: list[str] = []
    for _ in range(MOST_ROUNDS):
        deliveries = clearing.collect(acknowledged, MOST_AT_ONCE)
        if not deliveries:
            break
        new += receive(services, [xml for _, xml in deliveries])
        acknowledged = [name for name, _ in deliveries]
    return new


def receive(services: Services, messages: Sequence[bytes]) -> int:
    """Act on messages, all in one transaction, or where one of them cannot be applied each in its own.

    Returns how many were new. What cannot be read or applied is kept with its fault for a person.
    """
    try:
        with services.transaction() as session:
            return sum(_receive(services, session, xml) for xml in messages)
    except (MessageRefused, StepNotAllowed, NotFound, _Unfit) as exc:
        if len(messages) == 1:
            return int(_keep_fault(services, messages[0], exc))
    return sum(receive(services, [xml]) for xml in messages)


def list_faults(session: Session, *, limit: int = 100) -> Sequence[InboundMessage]:
    """Messages that could not be read or applied, newest first."""
    faulty = select(InboundMessage).where(InboundMessage.fault.is_not(None))
    return session.scalars(faulty.order_by(InboundMessage.received_at.desc()).limit(limit)).all()


def _receive(services: Services, session: Session, xml: bytes) -> bool:
    message = parse_message(xml)
    if not _is_first(services, session, message.message_id, xml):
        return False
    if isinstance(message, StatusReport):
        for status in message.statuses:
            _apply_status(services, session, message, status)
    elif isinstance(message, PaymentReturns):
        for returned in message.transfers:
            payment = session.get(PaymentInstruction, returned.reference)
            if payment is None or payment.amount_minor != returned.amount_minor:
                raise _Unfit("a return of another amount than was paid")
            facts = {"message_id": message.message_id}
            outcomes.return_(services, session, returned.reference, returned.reason, facts)
            outbox.finish(session, OutboxKind.DISPATCH, [returned.reference])
    else:
        raise _Unfit("a message that the clearing does not send to a bank")
    return True


def _apply_status(services: Services, session: Session, report: StatusReport, status: TransferStatus) -> None:
    if status.status is Status.PENDING:
        return
    facts = {"message_id": report.message_id}
    if status.status is Status.SETTLED:
        outcomes.settle(services, session, status.reference, facts)
    elif status.reason == NOT_RECEIVED:
        _send_again(services, session, report, status.reference)
        return
    else:
        outcomes.reject(services, session, status.reference, status.reason or "NARR", facts)
    outbox.finish(session, OutboxKind.DISPATCH, [status.reference])


def _send_again(services: Services, session: Session, report: StatusReport, reference: str) -> None:
    """It never arrived there, says the answer to our own and latest question: it may be sent again.

    An answer to an older question says nothing of what was sent since.
    """
    item = session.scalar(
        select(OutboxItem)
        .where(OutboxItem.kind == OutboxKind.DISPATCH, OutboxItem.subject == reference)
        .with_for_update()
    )
    in_doubt = item is not None and item.state in {OutboxState.SENDING, OutboxState.SENT, OutboxState.DEAD}
    if item is not None and in_doubt and (item.payload or {}).get("asked") == report.original_message_id:
        outbox.note(item, asked=None)
        outbox.set_state(item, OutboxState.WAITING, services.clock(), "not received by the clearing")


def _is_first(services: Services, session: Session, message_id: str, xml: bytes, fault: str | None = None) -> bool:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    row = {"message_id": message_id, "octets": xml, "received_at": services.clock(), "fault": fault}
    statement = dialect.insert(InboundMessage).values(row).on_conflict_do_nothing()
    return session.scalar(statement.returning(InboundMessage.message_id)) is not None


def _keep_fault(services: Services, xml: bytes, fault: Exception) -> bool:
    """Keep it for a person; False where it is kept already."""
    name = _name(xml)
    with services.transaction() as session:
        if not _is_first(services, session, name, xml, f"{type(fault).__name__}: {fault}"[:200]):
            return False
        body = {"sha256": hashlib.sha256(xml).hexdigest(), "fault": type(fault).__name__}
        services.journal.append(session, "clearing-message-refused", subject=name, actor="clearing", body=body)
    log.error("a message of the clearing could not be applied", extra={"message_id": name})
    return True


def _name(xml: bytes) -> str:
    """The message's own id, or where it cannot be read its digest."""
    try:
        message: Message = parse_message(xml)
    except MessageRefused:
        return hashlib.sha256(xml).hexdigest()
    return message.message_id
