"""What taking instructions reads and writes, always for a whole group in one statement each, without the ORM.

`store_postgresql` and `store_sqlite` say the same in the two databases' words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.payments.ledger import Account, Transfer

# Columns of payment_instructions in the order of the tuples in `GroupWrite.instructions`, with their PostgreSQL types.
INSTRUCTION_COLUMNS = {
    "id": "text",
    "tenant_id": "text",
    "instruction_id": "text",
    "document": "bytea",
    "document_sha256": "text",
    "content_jti": "text",
    "application_id": "text",
    "authorization_id": "text",
    "product_x5t_s256": "text",
    "amount_minor": "bigint",
    "fee_minor": "bigint",
    "payer_account": "text",
    "payee_account": "text",
    "payee_name": "text",
    "purpose": "text",
    "clearing_code": "text",
    "payee_bank_id": "text",
    "channel": "text",
    "state": "text",
    "steps": "int",
    "reasons": "json",
    "answer": "json",
    "trail": "json",
    "group_id": "text",
    "batch_id": "text",
    "batch_position": "int",
}

Name = tuple[str, str]  # tenant_id, instruction_id
Use = tuple[str, date]  # authorization_id, day in Beijing


@dataclass(frozen=True, slots=True)
class Claim:
    """A name to take for an instruction."""

    tenant_id: str
    instruction_id: str
    payment_id: str
    document_sha256: str

    @property
    def name(self) -> Name:
        """What is unique for ever."""
        return self.tenant_id, self.instruction_id


class Store(Protocol):
    """Reads lock what they must lock in the order of their keys, so that two groups cannot wait for each other."""

    def claim_names(self, claims: Sequence[Claim]) -> set[str]:
        """Take names; gives the payment ids whose names were free. Waits for whoever is taking the same name now."""

    def give_names_back(self, claims: Sequence[Claim]) -> None:
        """Free names taken in this transaction, for instructions that are refused and leave nothing behind."""

    def find_names(self, names: Collection[Name]) -> Mapping[Name, Claim]:
        """Who bears a name."""

    def lock_accounts(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """Customers' accounts, locked until the transaction ends."""

    def lock_use(self, uses: Collection[Use]) -> dict[Use, int]:
        """What authorizations have used of their days, in fen, locked until the transaction ends."""

    def set_use(self, used: Mapping[Use, int]) -> None:
        """Keep what was used, under the lock of `lock_use`."""

    def add_instructions(self, rows: Sequence[tuple[Any, ...]], at: datetime) -> None:
        """Rows of INSTRUCTION_COLUMNS; `at` becomes received_at and updated_at."""

    def add_transfers(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """Record transfers; the database moves the balances."""

    def add_dispatches(self, rows: Sequence[tuple[str, datetime, bool]], at: datetime) -> None:
        """Outbox rows: payment id, when it may leave, and whether it waits for its channel to open."""


def store_of(session: Session) -> Store:
    """The store for the session's database, in the session's transaction."""
    from app.payments.store_postgresql import PostgresqlStore  # noqa: PLC0415 - they import this module
    from app.payments.store_sqlite import SqliteStore  # noqa: PLC0415

    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return SqliteStore(connection)
    return PostgresqlStore(connection)
