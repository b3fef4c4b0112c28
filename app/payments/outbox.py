"""The outbox: rows that wait to be sent, claimed by one worker each, and the dead letters that wait for a person.

A row is claimed by a lease, in a transaction of its own: FOR UPDATE SKIP LOCKED lets workers pass each other on
PostgreSQL, the write lock makes them queue on SQLite. A worker that dies leaves its rows to the others when the lease
is over. Whoever locks instructions as well locks them before their rows here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.payments.channel_models import OutboxItem, OutboxKind, OutboxState
from app.problems import Conflict, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

LEASE = timedelta(seconds=60)
LONGEST_ERROR = 200


def claim(
    session: Session, kind: OutboxKind, states: Collection[OutboxState], now: datetime, most: int
) -> list[OutboxItem]:
    """Rows that are due, oldest first, leased to the caller until it says what became of them."""
    free = or_(OutboxItem.claimed_until.is_(None), OutboxItem.claimed_until <= now)
    due = (
        select(OutboxItem.id)
        .where(OutboxItem.kind == kind, OutboxItem.state.in_(states), OutboxItem.due_at <= now, free)
        .order_by(OutboxItem.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("due")  # is carried out once, whatever the plan
    )
    leased = update(OutboxItem).where(OutboxItem.id.in_(select(due.c.id))).values(claimed_until=now + LEASE)
    return sorted(session.scalars(leased.returning(OutboxItem)), key=lambda item: (item.due_at, item.id))


def reload(session: Session, ids: Collection[str]) -> Sequence[OutboxItem]:
    """Claimed rows again, in a later transaction, locked; those that are gone meanwhile are left out."""
    statement = select(OutboxItem).where(OutboxItem.id.in_(ids)).order_by(OutboxItem.id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def set_state(item: OutboxItem, state: OutboxState, due_at: datetime, error: str | None = None) -> None:
    """Say what became of a claimed row, and let it go."""
    item.state = state
    item.due_at = due_at
    item.claimed_until = None
    item.last_error = error[:LONGEST_ERROR] if error else None


def note(item: OutboxItem, **facts: Any) -> None:
    """Keep facts with a row; JSON columns notice only a new value."""
    item.payload = {**(item.payload or {}), **facts}


def finish(session: Session, kind: OutboxKind, subjects: Collection[str]) -> None:
    """Their end is known: the rows go."""
    session.execute(delete(OutboxItem).where(OutboxItem.kind == kind, OutboxItem.subject.in_(subjects)))


def back_off(attempts: int, first: timedelta, longest: timedelta) -> timedelta:
    """Twice as long after every attempt. `attempts` made so far, at least one."""
    return min(first * (1 << min(attempts - 1, 32)), longest)


def list_dead(session: Session, *, limit: int = 100) -> Sequence[OutboxItem]:
    """Dead letters, newest first."""
    dead = select(OutboxItem).where(OutboxItem.state == OutboxState.DEAD)
    return session.scalars(dead.order_by(OutboxItem.id.desc()).limit(limit)).all()


def count_open(session: Session) -> dict[tuple[OutboxKind, OutboxState], int]:
    """How many rows there are of each kind and state."""
    counted = select(OutboxItem.kind, OutboxItem.state, func.count()).group_by(OutboxItem.kind, OutboxItem.state)
    return {(OutboxKind(kind), OutboxState(state)): number for kind, state, number in session.execute(counted)}


def replay(services: Services, session: Session, item_id: str, actor: str) -> OutboxItem:
    """Let a dead letter live again. A dispatch that may have arrived is asked for, never sent again blindly.

    Raises NotFound, Conflict (not dead).
    """
    item = session.get(OutboxItem, item_id, with_for_update=True)
    if item is None:
        raise NotFound("no such letter")
    if item.state != OutboxState.DEAD:
        raise Conflict("this letter is not dead")
    asked_for = item.kind == OutboxKind.DISPATCH and item.first_sent_at is not None
    item.attempts = 0
    set_state(item, OutboxState.SENDING if asked_for else OutboxState.WAITING, services.clock())
    body = {"kind": str(item.kind), "state": str(item.state)}
    services.journal.append(session, "dead-letter-replayed", subject=item.subject, actor=actor, body=body)
    return item
