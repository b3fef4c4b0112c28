"""Captures seen before, so that none is believed twice under a new nonce.

Remembered are the newest passed and the newest refused captures of an identity number, for a year: apart, so that
nobody pushes a passed one out of memory by being refused often.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, aliased

from app.db import new_id
from app.identity import persons
from app.identity.models import Person
from app.proofing.models import FaceCapture
from kyc.duplicates import HASH_BYTES, CaptureHash

if TYPE_CHECKING:
    from app.wiring import Services

REMEMBERED: Final = 24  # of each kind; comparing one costs a third of a millisecond
LIFETIME: Final = timedelta(days=365)
_NEWEST: Final = (FaceCapture.taken_at.desc(), FaceCapture.id.desc())


def recall(services: Services, session: Session, person_id: str) -> tuple[CaptureHash, ...]:
    """The captures remembered of whoever has this person's identity number, in whatever enterprise."""
    asked = aliased(Person)
    known = (
        select(FaceCapture)
        .join(Person, Person.id == FaceCapture.person_id)
        .join(asked, asked.identity_lookup == Person.identity_lookup)
        .where(asked.id == person_id, Person.forgotten_at.is_(None), FaceCapture.taken_at > services.clock() - LIFETIME)
        .order_by(*_NEWEST)
        .limit(REMEMBERED)
    )
    captures = [each for passed in (True, False) for each in session.scalars(known.where(FaceCapture.passed == passed))]
    return tuple(_open(services, session, capture) for capture in captures)


def remember(services: Services, session: Session, person_id: str, capture: CaptureHash, *, passed: bool) -> None:
    """Keep a capture whatever was decided about it, and forget those beyond the number."""
    if not capture:
        return
    capture_id = new_id()
    sealed = persons.seal_for(services, session, person_id, b"".join(capture), _context(capture_id))
    session.add(
        FaceCapture(id=capture_id, person_id=person_id, passed=passed, taken_at=services.clock(), hashes_sealed=sealed)
    )
    session.flush()
    mine = (FaceCapture.person_id == person_id) & (FaceCapture.passed == passed)
    newest = select(FaceCapture.id).where(mine).order_by(*_NEWEST).limit(REMEMBERED)
    session.execute(delete(FaceCapture).where(mine, FaceCapture.id.not_in(newest.scalar_subquery())))


def forget_past(services: Services) -> int:
    """Delete captures older than a year; the jobs process calls it. Returns their number."""
    with services.transaction() as session:
        past = delete(FaceCapture).where(FaceCapture.taken_at <= services.clock() - LIFETIME)
        return session.execute(past).rowcount  # type: ignore[attr-defined, no-any-return]


def _open(services: Services, session: Session, capture: FaceCapture) -> CaptureHash:
    joined = persons.open_for(services, session, capture.person_id, capture.hashes_sealed, _context(capture.id))
    return tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def _context(capture_id: str) -> str:
    return f"capture:{capture_id}"
