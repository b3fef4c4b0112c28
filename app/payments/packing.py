"""From rows of the outbox to messages for the clearing. Nothing is changed here."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from app.db import new_id
from app.payments.channel_models import OutboxItem
from app.payments.channels import BEIJING, Channel, ChannelParameters, hvps_opening, parameters_on
from app.payments.held import still_authorized
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import to_xml
from app.payments.iso20022.values import CreditTransfer, CreditTransfers
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.outcomes import Report
from app.payments.workdays import CalendarUnknown
from app.routing.banks import BANKS_BY_ID

if TYPE_CHECKING:
    from app.wiring import Services

MOST_OCTETS = 1024 * 1024  # of the messages that travel in one request, but for one that is larger alone
ON_ITS_WAY = timedelta(minutes=1)  # which a message may take
UNKNOWN = timedelta(minutes=10)  # after which the calendar is looked at again that does not know the day
log = logging.getLogger(__name__)
_READ = (
    "authorization_id", "product_x5t_s256", "amount_minor", "payer_account", "payee_account", "payee_name", "purpose",
    "clearing_code", "payee_bank_id", "channel",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it travels, with the rows whose transfers are in it."""

    message_id: str
    xml: bytes
    items: tuple[OutboxItem, ...]


@dataclass(slots=True)
class Packed:
    """What can leave, what has to wait until when (by row), and what never can leave."""

    parcels: list[Parcel] = field(default_factory=list)
    waiting: dict[str, datetime] = field(default_factory=dict)
    refused: list[Report] = field(default_factory=list)


def pack(services: Services, claimed: Sequence[OutboxItem], now: datetime) -> Packed:
    """The messages for claimed rows. What may not or cannot leave is reported as rejected."""
    packed = Packed()
    by_channel: dict[Channel, list[tuple[OutboxItem, CreditTransfer]]] = defaultdict(list)
    with services.reading() as session:
        payments = _load(session, claimed)
        core = services.core_banking(session, now)
        payers = core.find({payment.payer_account for payment in payments.values()})
        sender = _bank_name(services.settings.home_bank)
        for item in claimed:
            payment = payments[item.subject]
            if item.deferred and not still_authorized(services, session, payment):
                packed.refused.append(Report(payment.id, State.REJECTED, "authorization-ended"))
            elif payment.channel is not None:
                payer = payers.get(payment.payer_account)
                if payer is None:
                    packed.refused.append(Report(payment.id, State.REJECTED, "account-closed"))
                    continue
                by_channel[Channel(payment.channel)].append((item, _transfer(payment, payer.name, sender)))
    parameters = parameters_on(now.astimezone(BEIJING).date())
    if Channel.HVPS in by_channel and (opens_at := _hvps_opening(parameters, now)) is not None:
        packed.waiting = {item.id: opens_at for item, _ in by_channel.pop(Channel.HVPS)}
    for channel, rows in by_channel.items():
        for group in _groups(rows, parameters.most_in_message(channel)):
            _pack_group(packed, channel, group, now)
    return packed


def _hvps_opening(parameters: ChannelParameters, now: datetime) -> datetime | None:
    """When it opens, where it is closed now or would be before a message is there; None where it may leave."""
    try:
        return hvps_opening(parameters, now) or hvps_opening(parameters, now + ON_ITS_WAY)
    except CalendarUnknown as unknown:
        log.error("nothing leaves by HVPS: %s", unknown)
        return now + UNKNOWN


def bundles(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    """Parcels that travel together."""
    bundle: list[Parcel] = []
    octets = 0
    for parcel in parcels:
        if bundle and octets + len(parcel.xml) > MOST_OCTETS:
            yield bundle
            bundle, octets = [], 0
        bundle.append(parcel)
        octets += len(parcel.xml)
    if bundle:
        yield bundle


def _groups(
    rows: Sequence[tuple[OutboxItem, CreditTransfer]], most: int
) -> Iterator[Sequence[tuple[OutboxItem, CreditTransfer]]]:
    together = []
    for row in rows:
        if (row[0].payload or {}).get("alone"):
            yield [row]
        else:
            together.append(row)
    for first in range(0, len(together), most):
        yield together[first : first + most]


def _pack_group(
    packed: Packed, channel: Channel, rows: Sequence[tuple[OutboxItem, CreditTransfer]], now: datetime
) -> None:
    """One message; where the schema has no room for one of its transfers, the others travel without it."""
    transfers = tuple(transfer for _, transfer in rows)
    message = CreditTransfers(new_id(), now, channel.value, now.astimezone(BEIJING).date(), transfers)
    try:
        parcel = Parcel(message.message_id, to_xml(message), tuple(item for item, _ in rows))
    except MessageRefused:
        if len(rows) == 1:
            packed.refused.append(Report(rows[0][0].subject, State.REJECTED, "message-invalid"))
            return
        middle = len(rows) // 2
        _pack_group(packed, channel, rows[:middle], now)
        _pack_group(packed, channel, rows[middle:], now)
    else:
        packed.parcels.append(parcel)


def _load(session: Session, claimed: Sequence[OutboxItem]) -> dict[str, PaymentInstruction]:
    subjects = [item.subject for item in claimed]
    chosen = select(PaymentInstruction).where(PaymentInstruction.id.in_(subjects))
    columns = (getattr(PaymentInstruction, name) for name in _READ)
    return {payment.id: payment for payment in session.scalars(chosen.options(load_only(*columns)))}


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


def _bank_name(bank_id: str) -> str:
    """Banks that only a directory knows have their name as their id."""
    bank = BANKS_BY_ID.get(bank_id)
    return bank.name if bank is not None else bank_id
