"""The store on SQLite: one writer at a time holds the whole database, so nothing needs a lock of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.db import new_id
from app.journal.leaves import Entry
from app.payments.ledger import Account, Transfer, transfer_row
from app.payments.store import INSTRUCTION_COLUMNS, Claim, Fresh, Name, Opened, Opening, Spend, Use
from app.writing import Statement

T = TypeVar("T")

_MOST = 500  # parameters of one statement
_COLUMNS = ", ".join(INSTRUCTION_COLUMNS)
_PLACES = ", ".join("?" * (len(INSTRUCTION_COLUMNS) + 2))


class SqliteStore:
    """See Store."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()

    def open_group(self, opening: Opening) -> Opened:
        """See Store."""
        return Opened(
            self._spend_all(opening.spends),
            self._count_requests(opening.counted, opening.window),
            self._claim_names(opening.claims),
            self._read_accounts(opening.accounts),
            self._read_use(opening.uses),
            [self._cursor.execute(*question).fetchall() for question in opening.questions],
        )

    def writing(self) -> AbstractContextManager[object]:
        """See Store."""
        return nullcontext()

    def write_now(self) -> None:
        """See Store."""

    def _spend_all(self, spends: Sequence[Spend]) -> list[Fresh]:
        found = []
        for spend in spends:
            fresh = self._spend("message-nonce", spend.nonce, spend.nonce_until)
            content = fresh and (
                spend.content is None
                or spend.content_until is None
                or self._spend("content-jti", spend.content, spend.content_until)
            )
            found.append(Fresh(fresh, content))
        return found

    def _spend(self, kind: str, digest: bytes, until: datetime) -> bool:
        self._cursor.execute(
            "INSERT INTO spent (kind, digest, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (kind, digest, _moment(until)),
        )
        return self._cursor.rowcount == 1

    def _count_requests(self, names: Sequence[str], window: int) -> list[int]:
        counts = []
        for name in names:
            row = self._cursor.execute(
                "INSERT INTO rate_windows (name, window, used) VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE SET "
                "used = CASE WHEN window >= excluded.window THEN used + 1 ELSE 1 END, "
                "window = MAX(window, excluded.window) "
                "RETURNING used",
                (name, window),
            ).fetchone()
            counts.append(row[0])
        return counts

    def _claim_names(self, claims: Sequence[Claim]) -> set[str]:
        taken = set()
        for claim in claims:
            self._cursor.execute(
                "INSERT INTO payment_names (tenant_id, instruction_id, payment_id, document_sha256) "
                "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (claim.tenant_id, claim.instruction_id, claim.payment_id, claim.document_sha256),
            )
            if self._cursor.rowcount == 1:
                taken.add(claim.payment_id)
        return taken

    def uncount_requests(self, names: Sequence[str], window: int) -> None:
        """See Store."""
        statement = "UPDATE rate_windows SET used = used - 1 WHERE name = ? AND window >= ?"
        self._cursor.executemany(statement, [(name, window) for name in names])

    def give_contents_back(self, digests: Sequence[bytes]) -> None:
        """See Store."""
        statement = "DELETE FROM spent WHERE kind = 'content-jti' AND digest = ?"
        self._cursor.executemany(statement, [(digest,) for digest in digests])

    def give_names_back(self, claims: Sequence[Claim]) -> None:
        """See Store."""
        self._cursor.executemany(
            "DELETE FROM payment_names WHERE tenant_id = ? AND instruction_id = ?", [claim.name for claim in claims]
        )

    def find_names(self, names: Collection[Name]) -> Mapping[Name, Claim]:
        """See Store."""
        found = {}
        for tenant_id, instruction_id in names:
            row = self._cursor.execute(
                "SELECT payment_id, document_sha256 FROM payment_names WHERE tenant_id = ? AND instruction_id = ?",
                (tenant_id, instruction_id),
            ).fetchone()
            if row is not None:
                found[tenant_id, instruction_id] = Claim(tenant_id, instruction_id, *row)
        return found

    def _read_accounts(self, numbers: Collection[str]) -> Mapping[str, Account]:
        accounts = {}
        for some in _chunks(sorted(numbers)):
            self._cursor.execute(
                "SELECT number, tenant_id, name, balance_minor, held_minor, last_posted_at "  # noqa: S608
                f"FROM ledger_accounts WHERE kind = 'customer' AND number IN ({', '.join('?' * len(some))})",
                some,
            )
            for row in self._cursor.fetchall():
                accounts[row[0]] = Account(*row)._replace(last_posted_at=_read_moment(row[-1]))
        return accounts

    def _read_use(self, uses: Collection[Use]) -> dict[Use, int]:
        used = dict.fromkeys(uses, 0)
        for authorization_id, day in uses:
            row = self._cursor.execute(
                "SELECT used_minor FROM payment_daily_use WHERE authorization_id = ? AND day = ?",
                (authorization_id, _day(day)),
            ).fetchone()
            if row is not None:
                used[authorization_id, day] = row[0]
        return used

    def set_use(self, used: Mapping[Use, int]) -> None:
        """See Store."""
        self._cursor.executemany(
            "INSERT INTO payment_daily_use (authorization_id, day, used_minor) VALUES (?, ?, ?) "
            "ON CONFLICT (authorization_id, day) DO UPDATE SET used_minor = excluded.used_minor",
            [(authorization_id, _day(day), amount) for (authorization_id, day), amount in used.items()],
        )

    def add_instructions(self, rows: Sequence[tuple[Any, ...]], at: datetime) -> None:
        """See Store."""
        moment = _moment(at)
        self._cursor.executemany(
            f"INSERT INTO payment_instructions ({_COLUMNS}, received_at, updated_at) VALUES ({_PLACES})",  # noqa: S608
            [(*row, moment, moment) for row in rows],
        )

    def add_transfers(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """See Store."""
        self._cursor.executemany(
            "INSERT INTO ledger_transfers "
            "(id, payment_id, kind, debit_account, credit_account, amount_minor, posted_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*list(transfer_row(each, at).values())[:-1], _moment(at)) for each in transfers],
        )

    def add_dispatches(self, rows: Sequence[tuple[str, datetime, bool]], at: datetime) -> None:
        """See Store."""
        self._cursor.executemany(
            "INSERT INTO payment_outbox (id, kind, subject, state, due_at, deferred, created_at) "
            "VALUES (?, 'dispatch', ?, 'waiting', ?, ?, ?)",
            [(new_id(), payment_id, _moment(due_at), deferred, _moment(at)) for payment_id, due_at, deferred in rows],
        )

    def write(self, statements: Sequence[Statement]) -> None:
        """See Store."""
        for statement, parameters in statements:
            self._cursor.execute(statement, parameters)

    def add_batch_results(self, batch_id: str, position: int, results: str) -> None:
        """See Store."""
        self._cursor.execute(
            "INSERT INTO payment_batch_results (batch_id, position, results) VALUES (?, ?, ?)",
            (batch_id, position, results),
        )

    def add_entry(self, entry: Entry, at: datetime) -> None:
        """See Store."""
        row = entry.columns(at) | {"at": _moment(at)}
        self._cursor.execute(
            "INSERT INTO journal_entries (at, kind, subject, actor, leaf) VALUES (:at, :kind, :subject, :actor, :leaf)",
            row,
        )


def _moment(at: datetime) -> str:
    """As SQLAlchemy writes a time into SQLite."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _read_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text is not None else None


def _day(day: date) -> str:
    return day.isoformat()


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, _MOST)):
        yield some
