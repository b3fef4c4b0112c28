"""The store on PostgreSQL: arrays in, `unnest`, one statement for any number of rows.

The texts are constant, so the driver prepares each of them once per connection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.db import new_id
from app.payments.ledger import Account, Transfer
from app.payments.store import INSTRUCTION_COLUMNS, Claim, Name, Use

_ARRAYS = ", ".join(f"%s::{'text' if kind == 'json' else kind}[]" for kind in INSTRUCTION_COLUMNS.values())
_SELECTED = ", ".join(f"{name}::json" if kind == "json" else name for name, kind in INSTRUCTION_COLUMNS.items())
_COLUMNS = ", ".join(INSTRUCTION_COLUMNS)
_INSERT_INSTRUCTIONS = (
    f"INSERT INTO payment_instructions ({_COLUMNS}, received_at, updated_at) "  # noqa: S608
    f"SELECT {_SELECTED}, %s::timestamptz, %s::timestamptz FROM unnest({_ARRAYS}) AS fresh({_COLUMNS})"
)
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
SELECT number, tenant_id, name, balance_minor, held_minor FROM ledger_accounts
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


class PostgresqlStore:
    """See Store."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()

    def claim_names(self, claims: Sequence[Claim]) -> set[str]:
        """See Store."""
        columns = zip(*((c.tenant_id, c.instruction_id, c.payment_id, c.document_sha256) for c in claims), strict=True)
        self._cursor.execute(_CLAIM_NAMES, [list(column) for column in columns])
        return {row[0] for row in self._cursor.fetchall()}

    def give_names_back(self, claims: Sequence[Claim]) -> None:
        """See Store."""
        self._cursor.execute(_GIVE_BACK, _two([claim.name for claim in claims]))

    def find_names(self, names: Collection[Name]) -> Mapping[Name, Claim]:
        """See Store."""
        self._cursor.execute(_FIND_NAMES, _two(names))
        return {(row[0], row[1]): Claim(*row) for row in self._cursor.fetchall()}

    def lock_accounts(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """See Store."""
        self._cursor.execute(_LOCK_ACCOUNTS, [list(numbers)])
        return {row[0]: Account(*row) for row in self._cursor.fetchall()}

    def lock_use(self, uses: Collection[Use]) -> dict[Use, int]:
        """See Store."""
        self._cursor.execute(_LOCK_USE, _two(uses))
        return {(row[0], row[1]): row[2] for row in self._cursor.fetchall()}

    def set_use(self, used: Mapping[Use, int]) -> None:
        """See Store."""
        self._cursor.execute(_SET_USE, [*_two(used), list(used.values())])

    def add_instructions(self, rows: Sequence[tuple[Any, ...]], at: datetime) -> None:
        """See Store."""
        self._cursor.execute(_INSERT_INSTRUCTIONS, [at, at, *map(list, zip(*rows, strict=True))])

    def add_transfers(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """See Store."""
        rows = [
            (f"{t.payment_id}-{t.kind}", t.payment_id, t.kind.value, t.debit_account, t.credit_account, t.amount_minor)
            for t in transfers
        ]
        self._cursor.execute(_INSERT_TRANSFERS, [at, *map(list, zip(*rows, strict=True))])

    def add_dispatches(self, rows: Sequence[tuple[str, datetime, bool]], at: datetime) -> None:
        """See Store."""
        ids = [new_id() for _ in rows]
        self._cursor.execute(_INSERT_DISPATCHES, [at, ids, *map(list, zip(*rows, strict=True))])


def _two(pairs: Collection[tuple[Any, Any]]) -> list[list[Any]]:
    first, second = zip(*pairs, strict=True)
    return [list(first), list(second)]
