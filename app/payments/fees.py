"""What the enterprise pays for a payment: a hook. The schedule is a value with name and version; today it is empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.payments.channels import Channel


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Fen per payment by channel; within a batch another price, or the same where none is given."""

    name: str
    version: int
    single_minor: Mapping[Channel, int] = field(default_factory=lambda: MappingProxyType({}))
    batch_minor: Mapping[Channel, int] = field(default_factory=lambda: MappingProxyType({}))


NO_FEES = FeeSchedule("no-fees", 1)


def fee_for(channel: Channel, amount_minor: int, *, batch: bool, schedule: FeeSchedule = NO_FEES) -> int:
    """The fee in fen, at most the amount itself. Pure."""
    price = schedule.single_minor.get(channel, 0)
    if batch:
        price = schedule.batch_minor.get(channel, price)
    return min(price, amount_minor)
