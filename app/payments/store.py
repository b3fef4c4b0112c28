"""What taking instructions reads and writes, always for a whole group in one statement each, without the ORM.

`store_postgresql` and `store_sqlite` say the same in the two databases' words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy.orm import Session

from app.journal.leaves import Entry
from app.payments.ledger import Account, Transfer
from app.writing import Statement, last_writes

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


class Claim(NamedTuple):
    """A name to take for an instruction."""

    tenant_id: str
    instruction_id: str
    payment_id: str
    document_sha256: str

    @property
    def name(self) -> Name:
        """What is unique for ever."""
        return self.tenant_id, self.instruction_id


@dataclass(slots=True)
class Spend:
    """What one request may use once: the nonce of its message and, where it got so far, the content inside.

    Digests by `once.digest_of`; each must be remembered until its time.
    """

    nonce: bytes
    nonce_until: datetime
    content: bytes | None = None
    content_until: datetime | None = None

    def add_content(self, digest: bytes, until: datetime) -> None:
        """The content was reached and is good."""
        self.content, self.content_until = digest, until


@dataclass(frozen=True, slots=True)
class Fresh:
    """Which of the two were used for the first time. Content is looked at only where the nonce was fresh."""

    nonce: bool
    content: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """What a group must do and read before anything is decided.

    `counted` names a quota for every spend; `window` is the quotas' window. `questions` are asked last, in the same
    round trip.
    """

    spends: Sequence[Spend]
    counted: Sequence[str]
    window: int
    claims: Sequence[Claim]
    accounts: Collection[str]
    uses: Collection[Use]
    questions: Sequence[Statement] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """The answers, in the order of what was asked; accounts and uses are locked until the transaction ends.

    `free` has the payment ids whose names were free. Whoever is taking the same name now was waited for.
    """

    fresh: list[Fresh]
    counts: list[int]
    free: set[str]
    accounts: Mapping[str, Account]
    used: dict[Use, int]
    answers: Sequence[Sequence[Sequence[Any]]] = ()


class Store(Protocol):
    """Locks are taken in one order, kind by kind and key by key, so that two groups cannot wait for each other."""

    def open_group(self, opening: Opening) -> Opened:
        """Spend, count, claim and lock for a whole group."""

    def uncount_requests(self, names: Sequence[str], window: int) -> None:
        """Take back what `open_group` counted for requests that turned out not to be fresh."""

    def give_contents_back(self, digests: Sequence[bytes]) -> None:
        """Forget contents spent in this transaction by requests that were refused before anybody looked at them."""

    def give_names_back(self, claims: Sequence[Claim]) -> None:
        """Free names taken in this transaction, for instructions that are refused and leave nothing behind."""

    def find_names(self, names: Collection[Name]) -> Mapping[Name, Claim]:
        """Who bears a name."""

    def writing(self) -> AbstractContextManager[object]:
        """Within it nothing is read, so that statements need not wait for each other's end, or are put off until the
        commit (`app.writing`)."""

    def write_now(self) -> None:
        """Carry out what was put off, for whoever builds upon it in this transaction."""

    def set_use(self, used: Mapping[Use, int]) -> None:
        """Keep what was used, under the lock of `lock_use`."""

    def add_instructions(self, rows: Sequence[tuple[Any, ...]], at: datetime) -> None:
        """Rows of INSTRUCTION_COLUMNS; `at` becomes received_at and updated_at."""

    def add_transfers(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """Record transfers; the database moves the balances."""

    def add_dispatches(self, rows: Sequence[tuple[str, datetime, bool]], at: datetime) -> None:
        """Outbox rows: payment id, when it may leave, and whether it waits for its channel to open."""

    def write(self, statements: Sequence[Statement]) -> None:
        """Whatever else is to be written."""

    def add_batch_results(self, batch_id: str, position: int, results: str) -> None:
        """What became of the items from `position` on, as JSON."""

    def add_entry(self, entry: Entry, at: datetime) -> None:
        """One leaf of the journal."""


def store_of(session: Session) -> Store:
    """The store for the session's database, in the session's transaction."""
    from app.payments.store_postgresql import PostgresqlStore  # noqa: PLC0415 - they import this module
    from app.payments.store_sqlite import SqliteStore  # noqa: PLC0415

    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return SqliteStore(connection)
    return PostgresqlStore(connection, last_writes(session))
