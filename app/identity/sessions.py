"""Log-in sessions: a random cookie whose SHA-256 is stored, 30 minutes idle, 12 hours in all."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from app.identity.models import Account, LoginSession

if TYPE_CHECKING:
    from app.wiring import Services

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH = timedelta(minutes=1)  # so that reading pages seldom writes


def begin(services: Services, session: Session, account: Account) -> str:
    """Start a session and return its token (256 random bits, base64url) for the cookie."""
    token = secrets.token_urlsafe(32)
    now = services.clock()
    session.add(
        LoginSession(
            token_sha256=_digest(token),
            account_id=account.id,
            created_at=now,
            seen_at=now,
            expires_at=now + ABSOLUTE,
        )
    )
    return token


def find_account(services: Services, token: str) -> Account | None:
    """Whose session this is; None when it is unknown, over or idle, or the account is disabled."""
    now = services.clock()
    with services.reading() as session:
        found = session.scalar(_alive(now).where(LoginSession.token_sha256 == _digest(token)))
    if found is None:
        return None
    if now - found.seen_at > _TOUCH:
        _touch(services, token, now)
    return found.account


def end(session: Session, token: str) -> None:
    """End one session; ending an unknown one does nothing."""
    session.execute(delete(LoginSession).where(LoginSession.token_sha256 == _digest(token)))


def end_all(session: Session, account_id: str) -> None:
    """End every session of an account."""
    session.execute(delete(LoginSession).where(LoginSession.account_id == account_id))


def forget_ended(session: Session, now: datetime) -> int:
    """Delete sessions that are over; the jobs process calls it. Returns the number of rows."""
    over = (LoginSession.expires_at <= now) | (LoginSession.seen_at <= now - IDLE)
    return session.execute(delete(LoginSession).where(over)).rowcount  # type: ignore[attr-defined, no-any-return]


def _alive(now: datetime) -> Select[LoginSession]:
    return (
        select(LoginSession)
        .join(Account, Account.id == LoginSession.account_id)
        .where(LoginSession.expires_at > now, LoginSession.seen_at > now - IDLE)
        .where(Account.disabled_at.is_(None))
    )


def _touch(services: Services, token: str, now: datetime) -> None:
    with services.transaction() as session:
        seen = update(LoginSession).where(LoginSession.token_sha256 == _digest(token)).values(seen_at=now)
        session.execute(seen)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
