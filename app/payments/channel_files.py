"""End-of-day files of the channels (camt.053): fetched once, kept as they came, read for the reconciliation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.payments.channel_models import ChannelFile
from app.payments.channels import BEIJING, Channel
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message
from app.payments.iso20022.values import ChannelStatement

if TYPE_CHECKING:
    from app.payments.clearing import ClearingConnection
    from app.wiring import Services

CHANNELS = (Channel.IBPS, Channel.BEPS, Channel.HVPS)
DAYS_BACK = 7  # a file that was late for longer is fetched by hand


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """Money that a channel settled, or with `returned` sent back, in fen."""

    channel: Channel
    payment_id: str
    amount_minor: int
    returned: bool


def fetch(services: Services, clearing: ClearingConnection) -> int:
    """Fetch the files of the last days that are not here yet; returns how many came. Raises NotDelivered."""
    today = services.clock().astimezone(BEIJING).date()
    days = [today - timedelta(days=back) for back in range(1, DAYS_BACK + 1)]
    with services.reading() as session:
        rows = session.execute(select(ChannelFile.channel, ChannelFile.day).where(ChannelFile.day.in_(days)))
        known = {(row.channel, row.day) for row in rows}
    fetched = 0
    for day in days:
        for channel in CHANNELS:
            if (channel.value, day) not in known:
                fetched += _fetch(services, clearing, channel, day)
    return fetched


def entries(session: Session, day: date) -> list[ChannelLine] | None:
    """All lines of a day (Beijing) over all channels; None until every channel's file is here."""
    files = session.scalars(select(ChannelFile).where(ChannelFile.day == day)).all()
    if {file.channel for file in files} != {channel.value for channel in CHANNELS}:
        return None
    return [
        ChannelLine(Channel(file.channel), entry.reference, entry.amount_minor, entry.returned)
        for file in files
        for entry in _parse(file.octets, Channel(file.channel), day).entries
    ]


def _fetch(services: Services, clearing: ClearingConnection, channel: Channel, day: date) -> bool:
    xml = clearing.statement(channel.value, day)
    if xml is None:
        return False
    _parse(xml, channel, day)
    with services.transaction() as session:
        row = ChannelFile(channel=channel.value, day=day, octets=xml, fetched_at=services.clock())
        session.merge(row)
    return True


def _parse(xml: bytes, channel: Channel, day: date) -> ChannelStatement:
    """Raises MessageRefused for anything but the file of this channel and day."""
    statement = parse_message(xml)
    if not isinstance(statement, ChannelStatement) or (statement.channel, statement.day) != (channel.value, day):
        raise MessageRefused("not-this-file", f"{channel} {day}")
    return statement
