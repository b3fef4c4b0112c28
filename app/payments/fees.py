"""What the enterprise pays for a payment: a hook. A schedule is a value with name and version; today it is empty.

Which one is in force is chosen in one place (`Services.fees`); what it took is recorded with the instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy.orm import Session

from app.payments.channels import Channel


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Fen per payment by channel; within a batch another price, or the same where none is given."""

    name: str
    version: int
    single_minor: Mapping[Channel, int] = field(default_factory=lambda: MappingProxyType({}))
    batch_minor: Mapping[Channel, int] = field(default_factory=lambda: MappingProxyType({}))


FeesInForce = Callable[[Session, datetime], FeeSchedule]  # in a transaction, at its moment
NO_FEES = FeeSchedule("no-fees", 1)


def no_fees(_session: Session, _at: datetime) -> FeeSchedule:
    """Payments cost nothing, at any time."""
    return NO_FEES


def fee_for(schedule: FeeSchedule, channel: Channel, amount_minor: int, *, batch: bool) -> int:
    """The fee in fen, at most the amount itself. Pure."""
    price = schedule.single_minor.get(channel, 0)
    if batch:
        price = schedule.batch_minor.get(channel, price)
    return min(price, amount_minor)
