"""The clearing channels as a port, and the simulator that stands in for the real connection.

A message is named by the payment's reference. The other side remembers it, so sending the same message
twice moves money once, and an unknown outcome is asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.dialects import postgresql, sqlite

from app.payments.channels import BEIJING, Channel, parameters_on
from app.payments.models import SimulatedMessage
from app.routing.clearing_code import InvalidClearingCode, parse_clearing_code
from app.wiring import Services


@dataclass(frozen=True, slots=True)
class ClearingMessage:
    """A credit transfer to another bank; the members of an ISO 20022 pacs.008 that decide its fate."""

    message_id: str
    channel: Channel
    amount_minor: int
    payee_account: str
    clearing_code: str | None


@dataclass(frozen=True, slots=True)
class ClearingOutcome:
    """What the other side says. `reason` is an ISO 20022 ExternalStatusReason1Code where it refused."""

    settled: bool
    reason: str | None = None


class ClearingChannel(Protocol):
    """The connection to the clearing systems."""

    def submit(self, message: ClearingMessage) -> ClearingOutcome:
        """Send a message and hear its outcome; the same message again changes nothing."""

    def inquire(self, message_id: str) -> ClearingOutcome | None:
        """What became of a message, or None where it never arrived."""


def decide(message: ClearingMessage, ibps_limit_minor: int, beps_limit_minor: int) -> ClearingOutcome:
    """How the simulated systems answer; pure.

    Accounts ending in 0001 do not exist there, in 0002 are closed.
    """
    limit = {Channel.IBPS: ibps_limit_minor, Channel.BEPS: beps_limit_minor}.get(message.channel)
    if limit is not None and message.amount_minor > limit:
        return ClearingOutcome(False, "AM02")
    if message.clearing_code is not None:
        try:
            parse_clearing_code(message.clearing_code)
        except InvalidClearingCode:
            return ClearingOutcome(False, "RC01")
    if message.payee_account.endswith("0001"):
        return ClearingOutcome(False, "AC01")
    if message.payee_account.endswith("0002"):
        return ClearingOutcome(False, "AC04")
    return ClearingOutcome(True)


class ClearingSimulator:
    """The other side, within this process but with a memory of its own that outlives it."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def submit(self, message: ClearingMessage) -> ClearingOutcome:
        """See ClearingChannel. Raises ValueError where another message came under this id before."""
        now = self._services.clock()
        parameters = parameters_on(now.astimezone(BEIJING).date())
        outcome = decide(message, parameters.ibps_limit_minor, parameters.beps_limit_minor)
        digest = hashlib.sha256(repr(message).encode()).hexdigest()
        with self._services.transaction() as session:
            dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
            row = {
                "message_id": message.message_id,
                "digest": digest,
                "reason": outcome.reason,
                "received_at": now,
            }
            session.execute(dialect.insert(SimulatedMessage).values(row).on_conflict_do_nothing())
            kept = session.get_one(SimulatedMessage, message.message_id)
            if kept.digest != digest:
                raise ValueError("a different message was sent under this id")
            return ClearingOutcome(kept.reason is None, kept.reason)

    def inquire(self, message_id: str) -> ClearingOutcome | None:
        """See ClearingChannel."""
        with self._services.reading() as session:
            kept = session.get(SimulatedMessage, message_id)
            return None if kept is None else ClearingOutcome(kept.reason is None, kept.reason)
