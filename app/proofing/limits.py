"""How often a person may try the face check: five failures in a quarter of an hour, thirty tries a day.

Counted per identity number, so that another tenant, invitation, worker or browser is no way round. A try counts before
it is judged, and as a failure until it is known to be none: of any number of tries at once no sixth is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.identity import persons
from app.identity.models import Person
from app.problems import NotFound
from app.proofing.acts import record_act
from app.proofing.problems import FaceCheckLocked, TooManyTries
from app.proofing.records import FaceLimit

if TYPE_CHECKING:
    from app.wiring import Services

MOST_FAILURES: Final = 5
WINDOW: Final = timedelta(minutes=15)
LOCK: Final = timedelta(hours=1)
TRIES_A_DAY: Final = 30
BEIJING: Final = timezone(timedelta(hours=8))


class LockReason(StrEnum):
    """Why a person may not try now."""

    FAILURES = "failures"
    TRIES = "tries"


@dataclass(frozen=True, slots=True)
class PersonLock:
    """A person who may not try now, as officers see it; one identity number can stand for persons of many tenants."""

    people: tuple[persons.PersonFacts, ...]
    reason: LockReason
    since: datetime | None
    until: datetime
    tries: int


def admit_attempt(services: Services, session: Session, person_id: str) -> None:
    """Count a try before it is judged. Belongs into a transaction that commits before the judging begins.

    Raises FaceCheckLocked or TooManyTries, each with `until`; NotFound. Whatever is raised, nothing was counted.
    """
    now = services.clock()
    limit = _lock_row(services, session, person_id)
    if limit.locked_until is not None and limit.locked_until > now:
        raise FaceCheckLocked(limit.locked_until, now)
    if limit.tries >= TRIES_A_DAY:
        raise TooManyTries(_midnight_after(limit), now)
    if limit.locked_until is not None:
        _unlock(limit)
    recent = [at for at in limit.failures if datetime.fromisoformat(at) > now - WINDOW]
    limit.failures = [*recent, now.isoformat()]
    limit.tries += 1
    if len(limit.failures) >= MOST_FAILURES:
        limit.locked_since, limit.locked_until = now, now + LOCK


def record_failure(services: Services, session: Session, person_id: str) -> None:
    """After a refusal: the try counts already; when it was the one that locked, the journal says so."""
    limit = _lock_row(services, session, person_id)
    if limit.locked_until is not None and limit.locked_since is not None:
        body = {"reason": str(LockReason.FAILURES), "until": limit.locked_until.isoformat(timespec="seconds")}
        services.journal.append(session, "face-check-locked", subject=person_id, actor=person_id, body=body)


def record_success(services: Services, session: Session, person_id: str) -> None:
    """After a passed check: earlier failures no longer count; the day's tries do."""
    _unlock(_lock_row(services, session, person_id))


def forgive_attempt(services: Services, session: Session, person_id: str) -> None:
    """After an outage of ours: the newest try does not count, neither as a failure nor for the day."""
    limit = _lock_row(services, session, person_id)
    limit.failures = limit.failures[:-1]
    limit.tries = max(0, limit.tries - 1)
    if len(limit.failures) < MOST_FAILURES:
        limit.locked_since = limit.locked_until = None


def list_locks(services: Services, session: Session) -> list[PersonLock]:
    """Everyone who may not try now, the newest lock first."""
    now = services.clock()
    locked = (FaceLimit.locked_until > now) | ((FaceLimit.day == _day(now)) & (FaceLimit.tries >= TRIES_A_DAY))
    query = select(FaceLimit).where(locked).order_by(FaceLimit.locked_since.desc()).limit(200)
    return [lock for limit in session.scalars(query) if (lock := _describe(services, session, limit, now)).people]


def find_lock(services: Services, session: Session, person_id: str) -> PersonLock | None:
    """The lock that holds this person now, or None."""
    person, now = _person(session, person_id), services.clock()
    limit = session.get(FaceLimit, person.identity_lookup)
    if limit is None:
        return None
    if limit.locked_until is not None and limit.locked_until > now:
        return _describe(services, session, limit, now)
    spent = limit.day == _day(now) and limit.tries >= TRIES_A_DAY
    return _describe(services, session, limit, now) if spent else None


def lift_lock(services: Services, session: Session, person_id: str, *, reason: str, actor: str) -> None:
    """An officer lets the person try again at once; both counts begin anew. Raises NotFound without a lock."""
    limit = _lock_row(services, session, person_id)
    if find_lock(services, session, person_id) is None:
        raise NotFound("this person is not locked")
    _unlock(limit)
    limit.tries = 0
    record_act(services, session, "face-lock-lifted", person_id, reason, actor)


def forget_past(services: Services) -> int:
    """Delete counts that no longer matter; the jobs process calls it. Returns the number of rows."""
    now = services.clock()
    past = (FaceLimit.day < _day(now - WINDOW)) & (FaceLimit.locked_until.is_(None) | (FaceLimit.locked_until <= now))
    with services.transaction() as session:
        return session.execute(delete(FaceLimit).where(past)).rowcount  # type: ignore[attr-defined, no-any-return]


def _lock_row(services: Services, session: Session, person_id: str) -> FaceLimit:
    """The person's row, which nobody else counts in until this transaction ends; on a new day its tries are none."""
    today = _day(services.clock())
    row = {"identity_lookup": _person(session, person_id).identity_lookup, "day": today, "tries": 0, "failures": []}
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    new = dialect.insert(FaceLimit).values(row)
    # One statement makes the row or waits for it: a look-up before an insert would let two begin at once.
    held = new.on_conflict_do_update(
        index_elements=[FaceLimit.identity_lookup], set_={"identity_lookup": new.excluded.identity_lookup}
    ).returning(FaceLimit)
    limit: FaceLimit = session.scalars(held, execution_options={"populate_existing": True}).one()
    if limit.day != today:
        limit.day, limit.tries = today, 0
    return limit


def _person(session: Session, person_id: str) -> Person:
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("no such person")
    return person


def _unlock(limit: FaceLimit) -> None:
    limit.failures = []
    limit.locked_since = limit.locked_until = None


def _describe(services: Services, session: Session, limit: FaceLimit, now: datetime) -> PersonLock:
    failed = limit.locked_until is not None and limit.locked_until > now
    return PersonLock(
        people=tuple(persons.list_same_identity(services, session, limit.identity_lookup)),
        reason=LockReason.FAILURES if failed else LockReason.TRIES,
        since=limit.locked_since if failed else None,
        until=limit.locked_until if failed and limit.locked_until is not None else _midnight_after(limit),
        tries=limit.tries,
    )


def _day(now: datetime) -> date:
    return now.astimezone(BEIJING).date()


def _midnight_after(limit: FaceLimit) -> datetime:
    return datetime.combine(limit.day + timedelta(days=1), time(), BEIJING)
