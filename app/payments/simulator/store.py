"""What the simulator remembers, in a SQLite file of its own: transfers with their fate, and its outgoing mail."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS transfers (
    reference TEXT PRIMARY KEY, digest TEXT NOT NULL, message_id TEXT NOT NULL, channel TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, reason TEXT, decided_at REAL NOT NULL, day TEXT NOT NULL,
    return_reason TEXT, returned_at REAL, return_day TEXT
);
CREATE INDEX IF NOT EXISTS transfers_day ON transfers (channel, day);
CREATE INDEX IF NOT EXISTS transfers_return_day ON transfers (channel, return_day);
CREATE TABLE IF NOT EXISTS mail (
    id TEXT PRIMARY KEY, xml BLOB NOT NULL, due_at REAL NOT NULL, acknowledged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS mail_due ON mail (acknowledged, due_at);
"""
_COLUMNS = (
    "reference, digest, message_id, channel, amount_minor, reason, decided_at, day, "
    "return_reason, returned_at, return_day"
)


@dataclass(frozen=True, slots=True)
class Fate:
    """One transfer and all that will ever happen to it. Times are seconds since 1970, days in Beijing.

    `reason` is None where it settles at `decided_at`; `returned_at` is None where it stays settled.
    """

    reference: str
    digest: str
    message_id: str
    channel: str
    amount_minor: int
    reason: str | None
    decided_at: float
    day: str
    return_reason: str | None = None
    returned_at: float | None = None
    return_day: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """One outgoing message, handed out from `due_at` on until it is acknowledged."""

    id: str
    xml: bytes
    due_at: float


class Store:
    """One connection, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=20)
        self._lock = threading.RLock()
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Committed at the end, rolled back on any exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def find(self, reference: str) -> Fate | None:
        """The transfer of this reference, if it ever arrived."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM transfers WHERE reference = ?",  # noqa: S608 - names written here
                (reference,),
            ).fetchone()
        return Fate(*row) if row else None

    def add(self, fate: Fate) -> None:
        """Remember a new transfer."""
        values = tuple(getattr(fate, name) for name in _COLUMNS.split(", "))
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO transfers ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608

    def post(self, mail: Sequence[Mail]) -> None:
        """Put messages into the outgoing mail; one that is there already stays as it is."""
        rows = [(each.id, each.xml, each.due_at) for each in mail]
        self._connection.executemany("INSERT OR IGNORE INTO mail (id, xml, due_at) VALUES (?, ?, ?)", rows)

    def collect(self, acknowledged: Sequence[str], now: float, most: int) -> list[Mail]:
        """Forget what was acknowledged, and the oldest messages that are due."""
        with self.transaction():
            self._connection.executemany(
                "UPDATE mail SET acknowledged = 1 WHERE id = ?", [(name,) for name in acknowledged]
            )
            rows = self._connection.execute(
                "SELECT id, xml, due_at FROM mail WHERE acknowledged = 0 AND due_at <= ? ORDER BY due_at, id LIMIT ?",
                (now, most),
            ).fetchall()
        return [Mail(*row) for row in rows]

    def fates(self) -> list[Fate]:
        """Everything that ever arrived, in the order of references."""
        with self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM transfers ORDER BY reference").fetchall()  # noqa: S608
        return [Fate(*row) for row in rows]

    def settled_on(self, channel: str, day: str) -> list[tuple[str, int, bool]]:
        """(reference, amount, returned) of what a channel settled on a day, and what it sent back on that day."""
        with self._lock:
            return [
                (reference, amount, bool(returned))
                for reference, amount, returned in self._connection.execute(
                    "SELECT reference, amount_minor, 0 FROM transfers WHERE channel = ? AND day = ? AND reason IS NULL "
                    "UNION ALL SELECT reference, amount_minor, 1 FROM transfers WHERE channel = ? AND return_day = ? "
                    "ORDER BY 1, 3",
                    (channel, day, channel, day),
                )
            ]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
