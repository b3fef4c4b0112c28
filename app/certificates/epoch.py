"""The revocation epoch: one number by which every worker learns of a revocation within half a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from app.certificates.models import RevocationEpoch as EpochRow

if TYPE_CHECKING:
    from app.wiring import Services

MAX_AGE = 0.5  # seconds; protocol.md


class RevocationEpoch:
    """Cached verdicts carry the epoch under which they were reached; they end when it moves on."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._number = -1
        self._read_at = float("-inf")

    def current(self) -> int:
        """The epoch, re-read when what this worker knows is older than MAX_AGE."""
        if time.monotonic() - self._read_at > MAX_AGE:
            asked_at = time.monotonic()
            with self._services.reading() as session:
                self._number = session.scalar(select(EpochRow.number).where(EpochRow.id == 1)) or 0
            self._read_at = asked_at
        return self._number

    def bump(self, session: Session) -> int:
        """Move to the next epoch, which is returned, in the caller's transaction; this worker re-reads it next time.

        The row stays locked until the transaction ends, so epochs are committed in their order. Whoever changes rows
        that another change of the epoch may change too calls this first: then they wait for each other here, and
        not in a circle.
        """
        number = session.scalar(
            update(EpochRow).where(EpochRow.id == 1).values(number=EpochRow.number + 1).returning(EpochRow.number)
        )
        event.listen(session, "after_commit", self._forget, once=True)
        return number or 0

    def _forget(self, _session: Session) -> None:
        self._read_at = float("-inf")
