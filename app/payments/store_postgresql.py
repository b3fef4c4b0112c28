"""The store on PostgreSQL: arrays in, `unnest`, one statement for any number of rows.

The texts are constant, so the driver prepares each of them once per connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, cast

import psycopg
from sqlalchemy import Connection

from app.db import new_id
from app.journal.leaves import Entry
from app.payments.ledger import Account, Transfer
from app.payments.store import INSTRUCTION_COLUMNS, Claim, Fresh, Name, Opened, Opening, Spend, Use
from app.writing import Statement

_ARRAYS = ", ".join(f"%s::{'text' if kind == 'json' else kind}[]" for kind in INSTRUCTION_COLUMNS.values())
_SELECTED = ", ".join(f"{name}::json" if kind == "json" else name for name, kind in INSTRUCTION_COLUMNS.items())
_COLUMNS = ", ".join(INSTRUCTION_COLUMNS)
_INSERT_INSTRUCTIONS = (
    f"INSERT INTO payment_instructions ({_COLUMNS}, received_at, updated_at) "  # noqa: S608
    f"SELECT {_SELECTED}, %s::timestamptz, %s::timestamptz FROM unnest({_ARRAYS}) AS fresh({_COLUMNS})"
)
_SPEND = """
WITH given AS (
    SELECT * FROM unnest(%s::bytea[], %s::timestamptz[], %s::bytea[], %s::timestamptz[])
    AS given(nonce, nonce_until, content, content_until)
), nonces AS (
    INSERT INTO spent (kind, digest, expires_at) SELECT 'message-nonce', nonce, nonce_until FROM given ORDER BY nonce
    ON CONFLICT DO NOTHING RETURNING digest
), contents AS (
    INSERT INTO spent (kind, digest, expires_at) SELECT 'content-jti', content, content_until
    FROM given JOIN nonces ON digest = nonce WHERE content IS NOT NULL ORDER BY content
    ON CONFLICT DO NOTHING RETURNING digest
)
SELECT digest FROM nonces UNION ALL SELECT digest FROM contents
"""
_UNSPEND = "DELETE FROM spent WHERE kind = 'content-jti' AND digest = ANY(%s::bytea[])"
_COUNT_REQUESTS = """
INSERT INTO rate_windows (name, "window", used)
SELECT name, %s, used FROM unnest(%s::text[], %s::int[]) AS fresh(name, used) ORDER BY name
ON CONFLICT (name) DO UPDATE SET "window" = GREATEST(rate_windows."window", excluded."window"), used = excluded.used
    + CASE WHEN rate_windows."window" >= excluded."window" THEN rate_windows.used ELSE 0 END
RETURNING name, used
"""
_UNCOUNT = """
UPDATE rate_windows SET used = rate_windows.used - fresh.used
FROM unnest(%s::text[], %s::int[]) AS fresh(name, used)
WHERE rate_windows.name = fresh.name AND rate_windows."window" >= %s
"""
_CLAIM_NAMES = """
INSERT INTO payment_names (tenant_id, instruction_id, payment_id, document_sha256)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS fresh(tenant, name, payment, digest)
ORDER BY tenant, name ON CONFLICT DO NOTHING RETURNING payment_id
"""
_FIND_NAMES = """
SELECT tenant_id, instruction_id, payment_id, document_sha256 FROM payment_names
WHERE (tenant_id, instruction_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""
_GIVE_BACK = """
DELETE FROM payment_names WHERE (tenant_id, instruction_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""
_LOCK_ACCOUNTS = """
SELECT number, tenant_id, name, balance_minor, held_minor, last_posted_at FROM ledger_accounts
WHERE number = ANY(%s::text[]) AND kind = 'customer' ORDER BY number FOR NO KEY UPDATE
"""
# The update that changes nothing locks the row and tells what it says; a first use of a day makes the row.
_LOCK_USE = """
INSERT INTO payment_daily_use (authorization_id, day, used_minor)
SELECT id, day, 0 FROM unnest(%s::text[], %s::date[]) AS fresh(id, day) ORDER BY id, day
ON CONFLICT (authorization_id, day) DO UPDATE SET used_minor = payment_daily_use.used_minor
RETURNING authorization_id, day, used_minor
"""
_SET_USE = """
UPDATE payment_daily_use SET used_minor = fresh.used
FROM unnest(%s::text[], %s::date[], %s::bigint[]) AS fresh(id, day, used)
WHERE authorization_id = fresh.id AND payment_daily_use.day = fresh.day
"""
_INSERT_TRANSFERS = """
INSERT INTO ledger_transfers (id, payment_id, kind, debit_account, credit_account, amount_minor, posted_at)
SELECT *, %s::timestamptz FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
"""
_INSERT_DISPATCHES = """
INSERT INTO payment_outbox (id, kind, subject, state, due_at, deferred, created_at)
SELECT id, 'dispatch', payment, 'waiting', due, deferred, %s::timestamptz
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bool[]) AS fresh(id, payment, due, deferred)
"""
_INSERT_BATCH_RESULTS = "INSERT INTO payment_batch_results (batch_id, position, results) VALUES (%s, %s, %s::json)"
_INSERT_ENTRY = """
INSERT INTO journal_entries (at, kind, subject, actor, leaf)
VALUES (%(at)s::timestamptz, %(kind)s, %(subject)s, %(actor)s, %(leaf)s)
"""


class PostgresqlStore:
    """See Store."""

    def __init__(self, connection: Connection, last: list[Statement] | None) -> None:
        self._driver: psycopg.Connection[Any] = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        self._cursor = self._driver.cursor()
        self._last = last

    def open_group(self, opening: Opening) -> Opened:
        """See Store. One round trip."""
        counts = Counter(opening.counted)
        with self._driver.pipeline():
            spent = self._ask(_SPEND, _spend_columns(opening.spends), opening.spends)
            counted = self._ask(_COUNT_REQUESTS, [opening.window, _array(counts), _array(counts.values())], counts)
            claimed = self._ask(_CLAIM_NAMES, _claim_columns(opening.claims), opening.claims)
            # In the order in which outcomes and released payments lock them, too: accounts, then what was used.
            accounts = self._ask(_LOCK_ACCOUNTS, [_array(opening.accounts)], opening.accounts)
            used = self._ask(_LOCK_USE, _two(opening.uses), opening.uses)
            answers = [self._driver.cursor().execute(*question) for question in opening.questions]
        return Opened(
            _fresh(opening.spends, {bytes(row[0]) for row in spent}),
            _share_out(opening.counted, {name: total - counts[name] for name, total in counted}),
            {row[0] for row in claimed},
            {row[0]: Account(*row) for row in accounts},
            {(row[0], row[1]): row[2] for row in used},
            [answer.fetchall() for answer in answers],
        )

    def writing(self) -> AbstractContextManager[object]:
        """See Store."""
        return self._driver.pipeline() if self._last is None else nullcontext()

    def write_now(self) -> None:
        """See Store."""
        if self._last:
            with self._driver.pipeline():
                for statement, parameters in self._last:
                    self._cursor.execute(statement, parameters)
            self._last.clear()

    def _put(self, statement: str, parameters: Any) -> None:
        if self._last is None:
            self._cursor.execute(statement, parameters)
        else:
            self._last.append((statement, parameters))

    def _ask(self, statement: str, parameters: Sequence[Any], wanted: Collection[object]) -> Iterable[tuple[Any, ...]]:
        """To be read when the pipeline has ended; nothing is asked where nothing is wanted."""
        return self._driver.cursor().execute(statement, parameters) if wanted else ()

    def uncount_requests(self, names: Sequence[str], window: int) -> None:
        """See Store."""
        counts = Counter(names)
        self._cursor.execute(_UNCOUNT, [_array(counts), _array(counts.values()), window])

    def give_contents_back(self, digests: Sequence[bytes]) -> None:
        """See Store."""
        self._cursor.execute(_UNSPEND, [_array(digests)])

    def give_names_back(self, claims: Sequence[Claim]) -> None:
        """See Store."""
        self._cursor.execute(_GIVE_BACK, _two([claim.name for claim in claims]))

    def find_names(self, names: Collection[Name]) -> Mapping[Name, Claim]:
        """See Store."""
        self._cursor.execute(_FIND_NAMES, _two(names))
        return {(row[0], row[1]): Claim(*row) for row in self._cursor.fetchall()}

    def set_use(self, used: Mapping[Use, int]) -> None:
        """See Store."""
        self._put(_SET_USE, [*_two(used), _array(used.values())])

    def add_instructions(self, rows: Sequence[tuple[Any, ...]], at: datetime) -> None:
        """See Store."""
        self._put(_INSERT_INSTRUCTIONS, [at, at, *map(_array, zip(*rows, strict=True))])

    def add_transfers(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """See Store."""
        rows = [
            (f"{t.payment_id}-{t.kind}", t.payment_id, str(t.kind), t.debit_account, t.credit_account, t.amount_minor)
            for t in transfers
        ]
        self._put(_INSERT_TRANSFERS, [at, *map(_array, zip(*rows, strict=True))])

    def add_dispatches(self, rows: Sequence[tuple[str, datetime, bool]], at: datetime) -> None:
        """See Store."""
        ids = [new_id() for _ in rows]
        self._put(_INSERT_DISPATCHES, [at, _array(ids), *map(_array, zip(*rows, strict=True))])

    def write(self, statements: Sequence[Statement]) -> None:
        """See Store."""
        for statement, parameters in statements:
            self._put(statement, parameters)

    def add_batch_results(self, batch_id: str, position: int, results: str) -> None:
        """See Store."""
        self._put(_INSERT_BATCH_RESULTS, [batch_id, position, results])

    def add_entry(self, entry: Entry, at: datetime) -> None:
        """See Store."""
        self._put(_INSERT_ENTRY, entry.columns(at))


def _array(values: Iterable[Any]) -> str:
    """A literal of PostgreSQL's arrays. The driver's own goes element by element through regular expressions; a column
    has mostly values of one type, which are joined without looking at each."""
    column = list(values)
    kinds = set(map(type, column))
    if kinds == {str}:
        joined = '","'.join(column)
        if "\\" in joined or joined.count('"') > 2 * (len(column) - 1):
            joined = '","'.join([_escaped(value) for value in column])
        return f'{{"{joined}"}}'
    if kinds == {int}:
        return f"{{{','.join(map(str, column))}}}"
    return f"{{{','.join(map(_element, column))}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _element(value: Any) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return "NULL" if value is None else str(value)


def _two(pairs: Collection[tuple[Any, Any]]) -> list[str]:
    return [_array(pair[place] for pair in pairs) for place in (0, 1)]


def _spend_columns(spends: Sequence[Spend]) -> list[str]:
    firsts = {spend.nonce: spend for spend in reversed(spends)}  # of equal ones the first
    rows = ((s.nonce, s.nonce_until, s.content, s.content_until) for s in firsts.values())
    return [_array(column) for column in zip(*rows, strict=True)]


def _claim_columns(claims: Sequence[Claim]) -> list[str]:
    rows = ((c.tenant_id, c.instruction_id, c.payment_id, c.document_sha256) for c in claims)
    return [_array(column) for column in zip(*rows, strict=True)]


def _fresh(spends: Sequence[Spend], unused: set[bytes]) -> list[Fresh]:
    found = []
    for spend in spends:
        fresh = spend.nonce in unused
        content = fresh and (spend.content is None or spend.content in unused)
        unused -= {spend.nonce, spend.content or b""} if fresh else set()
        found.append(Fresh(fresh, content))
    return found


def _share_out(names: Sequence[str], used: dict[str, int]) -> list[int]:
    """Of equal names each has one more than the one before."""
    found = []
    for name in names:
        used[name] += 1
        found.append(used[name])
    return found
