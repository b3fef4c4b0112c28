"""The database: base class of all tables, engine, sessions, identifiers.

SQLite (WAL) is the embedded default, PostgreSQL where one machine is outgrown; nothing outside this
module asks which one it is.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

READ_ONLY = "yunlian_read_only"
_IDLE = 2.0  # seconds
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # ten bits at a time


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in and out; a naive datetime is a programming error, never a guess."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables. Constraint names are fixed, so that migrations can name them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration style
        datetime: UtcDateTime,
        bytes: LargeBinary,
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[Any]: JSON,
    }


def new_id() -> str:
    """A new identifier: 48 bits of milliseconds and 80 random bits in 26 Crockford characters, so it sorts by time."""
    return _identifier(time.time_ns() // 1_000_000, secrets.randbits(80))


def id_at(moment: datetime) -> str:
    """The least identifier of a moment: those of a day lie between two such."""
    return _identifier(int(moment.timestamp() * 1000), 0)


def _identifier(milliseconds: int, low: int) -> str:
    number = (milliseconds << 80) | low
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def make_engine(url: str, *, pooled: bool = True) -> Engine:
    """An engine for the URL (sqlite:///… or postgresql+psycopg://…), with what each database needs to be safe.

    Not `pooled`, every connection is a new one, closed after use, and nobody waits for it.
    """
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    if not url.startswith("sqlite"):
        if not pooled:
            return create_engine(url, poolclass=NullPool)
        engine = create_engine(url, pool_size=8, max_overflow=8)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _ping_idle)
        return engine
    engine = create_engine(url, connect_args={"timeout": 20}, poolclass=None if pooled else NullPool)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_idle(connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Whether a connection that was not used for a while still lives. To ask each time would cost a round trip each."""
    if time.monotonic() - record.info.get("used_at", float("inf")) > _IDLE:
        try:
            connection.execute("SELECT 1")
            connection.rollback()
        except Exception as exc:  # the driver's, which is not imported where SQLite is used
            raise DisconnectionError from exc


def _configure_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # SQLAlchemy sends BEGIN itself, see below
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another writer came between;
    # taking the write lock first makes writers queue instead.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
