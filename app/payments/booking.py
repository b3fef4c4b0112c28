"""What it takes to book a routed instruction: its steps, its transfers, its row in the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.payments.channels import Channel
from app.payments.ledger import FEE_ACCOUNT, Transfer, transit_account
from app.payments.lifecycle import State
from app.payments.models import TransferKind
from app.payments.parties import Route


def booking_steps(route: Route) -> list[tuple[State, dict[str, Any]]]:
    """The steps from accepted on; within the bank the money has arrived when it is booked."""
    kind = str(_kind(route.channel))
    steps: list[tuple[State, dict[str, Any]]] = [(State.ROUTED, route.facts()), (State.BOOKED, {"transfer": kind})]
    return [*steps, (State.SETTLED, {})] if route.channel is Channel.BOOK else steps


def booking_transfers(
    payment_id: str, channel: Channel, payer: str, payee: str, amount_minor: int, fee_minor: int
) -> list[Transfer]:
    """The payment, and its fee where there is one; amounts in fen. To another bank the money is on its way then."""
    credit = payee if channel is Channel.BOOK else transit_account(channel)
    transfers = [Transfer(_kind(channel), payer, credit, amount_minor, payment_id)]
    if fee_minor:
        transfers.append(Transfer(TransferKind.FEE, payer, FEE_ACCOUNT, fee_minor, payment_id))
    return transfers


def dispatch_of(payment_id: str, route: Route | None, at: datetime) -> tuple[str, datetime, bool]:
    """The outbox row of a booked instruction: it leaves now, or when its channel opens."""
    opens_at = route.choice.opens_at if route else None
    return payment_id, opens_at or at, opens_at is not None


def _kind(channel: Channel) -> TransferKind:
    return TransferKind.BOOK if channel is Channel.BOOK else TransferKind.CLEARING
