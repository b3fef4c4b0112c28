"""Block and watch lists: kept by people with a reason, read by every process at most a second late."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from app.payments.channel_models import RiskListing
from app.payments.party_text import folded_name
from app.payments.risk import STANDARD, RiskPolicy
from app.problems import InvalidInput, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

BLOCK, WATCH = "block", "watch"
_MAX_AGE = 1.0  # seconds
_LISTINGS = select(RiskListing.kind, RiskListing.entry)


@dataclass(slots=True)
class _Known:
    policy: RiskPolicy
    read_at: float


_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def policy_in_force(services: Services, session: Session | Connection | None = None) -> RiskPolicy:
    """The standard policy with the lists as they stood at most a second ago.

    Inside a transaction give its session: whoever holds one connection and waits for a second may wait for ever.
    """
    known = _known.get(services.engine)
    if known is None or time.monotonic() - known.read_at > _MAX_AGE:
        asked_at = time.monotonic()
        if session is None:
            with services.reading() as own:
                rows = own.execute(_LISTINGS).all()
        else:
            rows = session.execute(_LISTINGS).all()
        policy = replace(
            STANDARD,
            blocked=frozenset(entry for kind, entry in rows if kind == BLOCK),
            watched=frozenset(entry for kind, entry in rows if kind == WATCH),
        )
        known = _known[services.engine] = _Known(policy, asked_at)
    return known.policy


def add(services: Services, session: Session, kind: str, entry: str, reason: str, actor: str) -> None:
    """Put an account number or a name on a list. Raises InvalidInput."""
    folded = folded_name(entry)
    if kind not in {BLOCK, WATCH} or not 2 <= len(folded) <= 140 or not 4 <= len(reason) <= 200:
        raise InvalidInput("a listing has a kind, an account or a name, and a reason of 4 to 200 characters")
    session.merge(RiskListing(kind=kind, entry=folded, reason=reason, added_by=actor, added_at=services.clock()))
    _journal(services, session, kind, "added", actor)


def remove(services: Services, session: Session, kind: str, entry: str, actor: str) -> None:
    """Take it off again. Raises NotFound."""
    listing = session.get(RiskListing, (kind, folded_name(entry)))
    if listing is None:
        raise NotFound("it is not on this list")
    session.delete(listing)
    _journal(services, session, kind, "removed", actor)


def list_all(session: Session) -> list[RiskListing]:
    """Every listing, by kind and entry."""
    return list(session.scalars(select(RiskListing).order_by(RiskListing.kind, RiskListing.entry)))


def _journal(services: Services, session: Session, kind: str, act: str, actor: str) -> None:
    # Not who is listed: the journal holds identifiers and digests only.
    services.journal.append(session, "risk-list-changed", subject=f"risk-list:{kind}", actor=actor, body={"act": act})
    _known.pop(services.engine, None)
