"""What the clearing says, acted on exactly once.

The row of a message is written in the transaction that acts on it. The clearing hands a message out until it is
acknowledged, which happens after the commit; so nothing is lost, and whatever comes twice changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.payments import outbox, outcomes
from app.payments.channel_models import InboundMessage, OutboxItem, OutboxKind, OutboxState
from app.payments.channels import Channel
from app.payments.instructions import Standing
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message
from app.payments.iso20022.values import NOT_RECEIVED, Message, PaymentReturns, Status, StatusReport
from app.payments.lifecycle import State, StepNotAllowed
from app.payments.outcomes import Report
from app.problems import NotFound

if TYPE_CHECKING:
    from app.payments.clearing import ClearingConnection
    from app.wiring import Services

MOST_AT_ONCE = 300
MOST_ROUNDS = 100
_NEVER_SENT = frozenset({State.RECEIVED, State.HELD, State.ACCEPTED, State.ROUTED, State.BOOKED, State.CANCELLED})
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
        read = [(parse_message(xml), xml) for xml in messages]
        with services.transaction() as session:
            return _receive(services, session, read)
    except (MessageRefused, StepNotAllowed, NotFound, _Unfit) as exc:
        if len(messages) == 1:
            return int(_keep_fault(services, messages[0], exc))
    return sum(receive(services, [xml]) for xml in messages)


def list_faults(session: Session, *, limit: int = 100) -> Sequence[InboundMessage]:
    """Messages that could not be read or applied, newest first."""
    faulty = select(InboundMessage).where(InboundMessage.fault.is_not(None))
    return session.scalars(faulty.order_by(InboundMessage.received_at.desc()).limit(limit)).all()


def _receive(services: Services, session: Session, messages: Sequence[tuple[Message, bytes]]) -> int:
    """Act on those that are new, in their order; returns how many. Raises what one of them is refused for."""
    reports: list[Report] = []
    returned: dict[str, int] = {}
    never_came: list[tuple[str, str]] = []
    unseen = _record_new(services, session, {message.message_id: xml for message, xml in messages})
    new = len(unseen)
    for message, _ in messages:
        if message.message_id not in unseen:
            continue
        unseen.remove(message.message_id)  # the same message may be among them twice
        facts = {"message_id": message.message_id}
        if isinstance(message, StatusReport):
            for status in message.statuses:
                if status.status is Status.SETTLED:
                    reports.append(Report(status.reference, State.SETTLED, facts=facts))
                elif status.status is Status.REJECTED and status.reason == NOT_RECEIVED:
                    never_came.append((status.reference, message.original_message_id))
                elif status.status is Status.REJECTED:
                    reports.append(Report(status.reference, State.REJECTED, status.reason or "NARR", facts))
        elif isinstance(message, PaymentReturns):
            for transfer in message.transfers:
                reports.append(Report(transfer.reference, State.RETURNED, transfer.reason, facts))
                returned[transfer.reference] = transfer.amount_minor
        else:
            raise _Unfit("a message that the clearing does not send to a bank")
    locked = outcomes.lock_all(session, {report.payment_id for report in reports})
    for report in reports:
        _verify_sent(locked[report.payment_id], report)
    if any(locked[reference].amount_minor != amount for reference, amount in returned.items()):
        raise _Unfit("a return of another amount than was paid")
    outcomes.apply(services, session, reports, locked)
    for reference, question in never_came:
        _send_again(services, session, reference, question)
    return new


def _verify_sent(payment: Standing, report: Report) -> None:
    """The clearing can only know what was sent to it, which is recorded before it is sent. Raises _Unfit."""
    if payment.channel in {None, Channel.BOOK}:
        raise _Unfit("about an instruction that goes through no clearing")
    if payment.state in _NEVER_SENT:
        raise _Unfit(f"{report.state} there, {payment.state} here and never sent")


def _send_again(services: Services, session: Session, reference: str, question: str) -> None:
    """It never arrived there, says the answer to our own and latest question: it may be sent again.

    An answer to an older question says nothing of what was sent since.
    """
    item = session.scalar(
        select(OutboxItem)
        .where(OutboxItem.kind == OutboxKind.DISPATCH, OutboxItem.subject == reference)
        .with_for_update()
    )
    in_doubt = item is not None and item.state in {OutboxState.SENDING, OutboxState.SENT, OutboxState.DEAD}
    if item is not None and in_doubt and (item.payload or {}).get("asked") == question:
        outbox.note(item, asked=None)
        outbox.set_state(item, OutboxState.WAITING, services.clock(), "not received by the clearing")


def _record_new(
    services: Services, session: Session, messages: Mapping[str, bytes], fault: str | None = None
) -> set[str]:
    """Keep messages by their names as they came; gives the names that were not kept before."""
    at = services.clock()
    rows = [{"message_id": m, "octets": xml, "received_at": at, "fault": fault} for m, xml in sorted(messages.items())]
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(InboundMessage).on_conflict_do_nothing().returning(InboundMessage.message_id)
    return set(session.scalars(statement, rows))


def _keep_fault(services: Services, xml: bytes, fault: Exception) -> bool:
    """Keep it for a person; False where it is kept already."""
    name = _name(xml)
    with services.transaction() as session:
        if not _record_new(services, session, {name: xml}, f"{type(fault).__name__}: {fault}"[:200]):
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
