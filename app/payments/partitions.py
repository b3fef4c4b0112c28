"""A partition a day for instructions, their steps and transfers, made ahead of time (PostgreSQL only).

Their identifiers begin with 48 bits of milliseconds, so a day is a range of identifiers. What belongs to no day that
was made lies in a default partition and is found as well; an old day is detached as a whole.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import id_at
from app.wiring import Services

SCHEMA = "payment_days"
PARTITIONED = {"payment_instructions": "id", "payment_steps": "payment_id", "ledger_transfers": "id"}
AHEAD = 7  # days


def make_partitions(services: Services) -> int:
    """Make the partitions of today and the next seven days (UTC) that are not there yet; returns how many."""
    if services.engine.dialect.name == "sqlite":
        return 0
    today = services.clock().astimezone(UTC).date()
    made = 0
    for day in (today + timedelta(days=ahead) for ahead in range(AHEAD + 1)):
        for table, column in PARTITIONED.items():
            # Refused where the day's first row came in between; then the day stays in the default partition.
            with suppress(IntegrityError), services.transaction() as session:
                made += _make(session, table, column, day)
    return made


def _make(session: Session, table: str, column: str, day: date) -> bool:
    name = f"{table}_{day:%Y%m%d}"
    if session.scalar(text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.{name}"}) is not None:
        return False
    begins, ends = (id_at(datetime(each.year, each.month, each.day, tzinfo=UTC)) for each in (day, day + timedelta(1)))
    # A day of which the default partition has rows already stays there: to move them would lock the day's payments.
    begun = f"SELECT 1 FROM {SCHEMA}.{table}_other WHERE {column} >= :begins AND {column} < :ends LIMIT 1"  # noqa: S608
    if session.scalar(text(begun), {"begins": begins, "ends": ends}) is not None:
        return False
    session.execute(
        text(f"CREATE TABLE {SCHEMA}.{name} PARTITION OF {table} FOR VALUES FROM ('{begins}') TO ('{ends}')")
    )
    session.execute(  # those that guard rows it has from its table
        text(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {SCHEMA}.{name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION payments_append_only('{table}')"
        )
    )
    return True
