"""What must happen once happens once, in one statement of the database: nonces, jti, codes, challenges."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import cast

from sqlalchemy import Index, String, Table, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base


class Spent(Base):
    """One value that was used and may not be used again before `expires_at`."""

    __tablename__ = "spent"
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_spent_expires_at", "expires_at"),)


# Made once, and of the table: making the statement, and of objects, costs several times what the database takes for it.
# RETURNING and not the row count, which the two drivers report differently for such a statement.
_TABLE = cast(Table, Spent.__table__)
_SPEND = {
    name: dialect.insert(_TABLE).on_conflict_do_nothing().returning(_TABLE.c.digest)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


def spend(session: Session, kind: str, key: str, value: str, expires_at: datetime) -> bool:
    """True for the first caller that spends (kind, key, value), False for every later one.

    `key` is whose value it is (a certificate, a client). The row must be kept until `expires_at`, when the value
    would be refused for its age anyway.
    """
    row = {"kind": kind, "digest": digest_of(key, value), "expires_at": expires_at}
    return session.scalar(_SPEND[session.get_bind().dialect.name], row) is not None


def digest_of(key: str, value: str) -> bytes:
    """What stands in the table for a value of somebody's."""
    return hashlib.sha256(f"{len(key)}:{key}{value}".encode()).digest()


def forget_expired(session: Session, now: datetime) -> int:
    """Delete what has expired; the jobs process calls it. Returns the number of rows."""
    return session.execute(delete(Spent).where(Spent.expires_at < now)).rowcount  # type: ignore[attr-defined, no-any-return]
