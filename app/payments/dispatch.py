"""Sending what was booked to the clearing, and asking for what nobody answered.

1. The intent is recorded in a transaction of its own (DISPATCHED, row SENDING).
2. Then the message is sent; what is certain and what is not is recorded again.
3. A row that may have arrived and has no outcome is asked for (pacs.028), again and again, and is sent again only when
   the clearing says that it never came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.payments import outbox, outcomes
from app.payments.channel_models import OutboxItem, OutboxKind, OutboxState
from app.payments.channels import BEIJING, Channel, parameters_on
from app.payments.clearing_errors import DeliveryRefused, DeliveryUncertain, NotDelivered
from app.payments.held import still_authorized
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import to_xml
from app.payments.iso20022.values import CreditTransfer, CreditTransfers, StatusRequest
from app.payments.models import LedgerAccount, PaymentInstruction
from app.routing.banks import BANKS_BY_ID

if TYPE_CHECKING:
    from app.payments.clearing import ClearingConnection
    from app.wiring import Services

SILENCE = timedelta(seconds=15)  # without an outcome after this it is asked for
ASK_FIRST, ASK_LONGEST = timedelta(seconds=5), timedelta(minutes=10)
RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=1), timedelta(minutes=10)
MOST_ATTEMPTS = 60  # some nine hours; then a person looks
MOST_AT_ONCE = 100
_IN_DOUBT = (OutboxState.SENDING, OutboxState.SENT)


@dataclass(frozen=True, slots=True)
class _Group:
    """Transfers of one channel that travel in one message, with the rows they stand in."""

    message: CreditTransfers
    item_ids: tuple[str, ...]


def send_due(services: Services, clearing: ClearingConnection) -> int:
    """Send what is due, at most 100 instructions. Returns how many were dealt with."""
    now = services.clock()
    with services.transaction() as session:
        claimed = outbox.claim(session, OutboxKind.DISPATCH, (OutboxState.WAITING,), now, MOST_AT_ONCE)
        groups = _begin(services, session, claimed, now)
    lease_ends = now + outbox.LEASE / 2
    for place, group in enumerate(groups):
        if services.clock() >= lease_ends:  # the clearing is slow: the rest was not sent, and others may have it
            _let_go(services, groups[place:], "not sent in time")
            break
        if not _send(services, clearing, group):
            _let_go(services, groups[place + 1 :], "no connection")
            break
    return len(claimed)


def ask_for_silent(services: Services, clearing: ClearingConnection) -> int:
    """Ask for what may have arrived and has no outcome. Returns how many were asked for."""
    now = services.clock()
    request_id = new_id()
    with services.transaction() as session:
        silent = outbox.claim(session, OutboxKind.DISPATCH, _IN_DOUBT, now, MOST_AT_ONCE)
        references = []
        for item in silent:
            item.attempts += 1
            if item.attempts > MOST_ATTEMPTS:
                outbox.set_state(item, OutboxState.DEAD, now, "asked for in vain")
                continue
            outcomes.unknown(services, session, item.subject, {"request": request_id})
            outbox.note(item, asked=request_id)
            due_at = now + outbox.back_off(item.attempts, ASK_FIRST, ASK_LONGEST)
            outbox.set_state(item, OutboxState(item.state), due_at, item.last_error)
            references.append(item.subject)
    if references:
        # Asking changes nothing; what failed is asked again when it is due.
        with suppress(NotDelivered, DeliveryUncertain, DeliveryRefused):
            clearing.send(to_xml(StatusRequest(request_id, now, tuple(references))))
    return len(references)


def _begin(services: Services, session: Session, claimed: Sequence[OutboxItem], now: datetime) -> list[_Group]:
    """Record the intent of every row and build the messages. What may not or cannot leave goes back to its payer."""
    payments = _load(session, claimed)
    by_channel: dict[Channel, list[tuple[OutboxItem, PaymentInstruction]]] = defaultdict(list)
    for item in claimed:
        payment = payments[item.subject]
        if item.deferred and not still_authorized(services, session, payment):
            outcomes.reject(services, session, payment.id, "authorization-ended")
            session.delete(item)
        elif payment.channel is not None:
            by_channel[Channel(payment.channel)].append((item, payment))
    names = _payer_names(session, payments.values())
    sender = _bank_name(services.settings.home_bank)
    parameters = parameters_on(now.astimezone(BEIJING).date())
    groups: list[_Group] = []
    for channel, rows in by_channel.items():
        open_group: list[tuple[OutboxItem, CreditTransfer]] = []
        for item, payment in rows:
            transfer = _transfer(payment, names[payment.payer_account], sender)
            if not _fits(transfer, channel, now):
                outcomes.reject(services, session, payment.id, "message-invalid")
                session.delete(item)
                continue
            if (item.payload or {}).get("alone"):
                groups.append(_group(channel, now, [(item, transfer)]))
                continue
            open_group.append((item, transfer))
            if len(open_group) == parameters.most_in_message(channel):
                groups.append(_group(channel, now, open_group))
                open_group = []
        if open_group:
            groups.append(_group(channel, now, open_group))
    message_ids = {item_id: group.message.message_id for group in groups for item_id in group.item_ids}
    for item in claimed:
        if item.id in message_ids:
            outcomes.dispatched(services, session, item.subject, {"message_id": message_ids[item.id]})
            item.state, item.due_at = OutboxState.SENDING, now + SILENCE
            item.attempts += 1
    return groups


def _send(services: Services, clearing: ClearingConnection, group: _Group) -> bool:
    """Send one message and record how that went. False where there is no connection at all."""
    error: str | None = None
    state = OutboxState.SENT
    try:
        clearing.send(to_xml(group.message))
    except NotDelivered as exc:
        _let_go(services, [group], str(exc))
        return False
    except DeliveryUncertain as exc:
        state, error = OutboxState.SENDING, str(exc)
    except DeliveryRefused as exc:
        _refused(services, group, str(exc))
        return True
    now = services.clock()
    with services.transaction() as session:
        for item in outbox.reload(session, group.item_ids):
            item.first_sent_at = item.first_sent_at or now
            item.attempts = 0  # counts the questions from here on
            # In doubt it is asked for at once; otherwise the clearing has its time to answer.
            outbox.set_state(item, state, now if error else now + SILENCE, error)
    return True


def _let_go(services: Services, groups: Sequence[_Group], error: str) -> None:
    """Nothing of these left: they wait for their next turn, or for a person."""
    now = services.clock()
    with services.transaction() as session:
        for item in outbox.reload(session, [item_id for group in groups for item_id in group.item_ids]):
            if item.attempts >= MOST_ATTEMPTS:
                outbox.set_state(item, OutboxState.DEAD, now, error)
            else:
                due_at = now + outbox.back_off(item.attempts, RETRY_FIRST, RETRY_LONGEST)
                outbox.set_state(item, OutboxState.WAITING, due_at, error)


def _refused(services: Services, group: _Group, error: str) -> None:
    """The clearing does not take the message: each transfer goes once alone; refused alone, it waits for a person."""
    now = services.clock()
    with services.transaction() as session:
        for item in outbox.reload(session, group.item_ids):
            outbox.note(item, alone=True)
            state = OutboxState.WAITING if len(group.item_ids) > 1 else OutboxState.DEAD
            outbox.set_state(item, state, now, error)


def _load(session: Session, claimed: Sequence[OutboxItem]) -> dict[str, PaymentInstruction]:
    subjects = [item.subject for item in claimed]
    found = session.scalars(select(PaymentInstruction).where(PaymentInstruction.id.in_(subjects)))
    return {payment.id: payment for payment in found}


def _payer_names(session: Session, payments: Collection[PaymentInstruction]) -> dict[str, str]:
    numbers = {payment.payer_account for payment in payments}
    rows = session.execute(select(LedgerAccount.number, LedgerAccount.name).where(LedgerAccount.number.in_(numbers)))
    return {row.number: row.name for row in rows}


def _transfer(payment: PaymentInstruction, payer_name: str, sender: str) -> CreditTransfer:
    return CreditTransfer(
        reference=payment.id,
        amount_minor=payment.amount_minor,
        payer_name=payer_name,
        payer_account=payment.payer_account,
        payer_bank=sender,
        payee_name=payment.payee_name,
        payee_account=payment.payee_account,
        payee_bank=_bank_name(payment.payee_bank_id or ""),
        clearing_code=payment.clearing_code,
        purpose=payment.purpose,
    )


def _fits(transfer: CreditTransfer, channel: Channel, now: datetime) -> bool:
    try:
        to_xml(_message(channel, now, [transfer]))
    except MessageRefused:
        return False
    return True


def _group(channel: Channel, now: datetime, rows: Sequence[tuple[OutboxItem, CreditTransfer]]) -> _Group:
    return _Group(_message(channel, now, [transfer for _, transfer in rows]), tuple(item.id for item, _ in rows))


def _message(channel: Channel, now: datetime, transfers: Sequence[CreditTransfer]) -> CreditTransfers:
    return CreditTransfers(new_id(), now, channel.value, now.astimezone(BEIJING).date(), tuple(transfers))


def _bank_name(bank_id: str) -> str:
    """Banks that only a directory knows have their name as their id."""
    bank = BANKS_BY_ID.get(bank_id)
    return bank.name if bank is not None else bank_id
