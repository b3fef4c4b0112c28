"""Tables of payments: instructions and their steps, batches, used daily limits, the ledger.

On PostgreSQL instructions, steps and transfers are partitioned by day: their identifiers begin with the time, so that
a day is a range of identifiers and every look-up by identifier finds its partition (`partitions.py`). Partitioned
tables have no foreign keys: a check per row would cost more than the row; they are written together with what they
refer to, and `flask payments reconcile` compares.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id
from app.payments import channel_models  # noqa: F401 - more tables of this feature
from app.payments.channels import Channel
from app.payments.lifecycle import State

_BY_ID = {"postgresql_partition_by": "RANGE (id)"}
_BY_PAYMENT = {"postgresql_partition_by": "RANGE (payment_id)"}


class PaymentInstruction(Base):
    """One instruction. `id` is the bank's reference; what it is called by its enterprise is in `PaymentName`.

    Only state, reasons, steps, channel and updated_at ever change: triggers refuse the rest.
    """

    __tablename__ = "payment_instructions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(String(26))
    instruction_id: Mapped[str] = mapped_column(String(64))
    document: Mapped[bytes | None]  # canonical JSON (RFC 8785) of what the enterprise signed; an item's is its batch's
    document_sha256: Mapped[str] = mapped_column(String(64))
    content_jti: Mapped[str] = mapped_column(String(200))
    application_id: Mapped[str] = mapped_column(String(26))
    authorization_id: Mapped[str] = mapped_column(String(26))
    product_x5t_s256: Mapped[str] = mapped_column(String(43))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    payer_account: Mapped[str] = mapped_column(String(32))
    payee_account: Mapped[str] = mapped_column(String(32))
    payee_name: Mapped[str] = mapped_column(String(100))
    purpose: Mapped[str] = mapped_column(String(140))
    clearing_code: Mapped[str | None] = mapped_column(String(12))
    payee_bank_id: Mapped[str | None] = mapped_column(String(32))
    channel: Mapped[Channel | None] = mapped_column(String(8))
    state: Mapped[State] = mapped_column(String(16))
    steps: Mapped[int] = mapped_column(default=0)
    reasons: Mapped[list[str]]
    answer: Mapped[dict[str, Any]]  # what every repetition is told, as far as the other columns do not say it
    trail: Mapped[list[Any]]  # the steps of the transaction that took it, with what decided each
    group_id: Mapped[str | None] = mapped_column(String(26))  # the subject of the journal's leaf that names it
    batch_id: Mapped[str | None] = mapped_column(String(26))
    batch_position: Mapped[int | None]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_payment_instructions_tenant_id", "tenant_id", "id"),
        Index("ix_payment_instructions_batch", "batch_id", "batch_position"),
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("fee_minor >= 0", name="fee"),
        _BY_ID,
    )


class PaymentName(Base):
    """What an enterprise calls an instruction, for ever: unique over all days."""

    __tablename__ = "payment_names"
    tenant_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    instruction_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    payment_id: Mapped[str] = mapped_column(String(26))
    document_sha256: Mapped[str] = mapped_column(String(64))


class PaymentStep(Base):
    """One later step of an instruction's life with what decided it (reasons, message ids). Append-only."""

    __tablename__ = "payment_steps"
    payment_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[State] = mapped_column(String(16))
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]

    __table_args__ = (_BY_PAYMENT,)


class BatchState(StrEnum):
    """A batch is durable when it is received; its items are then taken in chunks, also after a crash."""

    RECEIVED = "received"
    FINISHED = "finished"


class PaymentBatch(Base):
    """One signed document with up to 10,000 items; `next_position` is the first item that was not taken yet."""

    __tablename__ = "payment_batches"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    batch_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    document: Mapped[bytes]
    document_sha256: Mapped[str] = mapped_column(String(64))
    content_jti: Mapped[str] = mapped_column(String(200))
    application_id: Mapped[str] = mapped_column(String(26))
    authorization_id: Mapped[str] = mapped_column(String(26))
    product_x5t_s256: Mapped[str] = mapped_column(String(43))
    payer_account: Mapped[str] = mapped_column(String(32))
    state: Mapped[BatchState] = mapped_column(String(16))
    items: Mapped[int]
    next_position: Mapped[int]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "batch_id"),
        Index("ix_payment_batches_state", "state", "updated_at"),
    )


class PaymentBatchResult(Base):
    """What became of one chunk of a batch's items, in their order: the saved answer, piece by piece."""

    __tablename__ = "payment_batch_results"
    batch_id: Mapped[str] = mapped_column(ForeignKey("payment_batches.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the first item
    results: Mapped[list[Any]]


class DailyUse(Base):
    """How much of an authorization's daily limit a day (Beijing) has used, in fen."""

    __tablename__ = "payment_daily_use"
    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used_minor: Mapped[int] = mapped_column(BigInteger)


class AccountKind(StrEnum):
    """Customer accounts never go below zero; internal ones are the bank's own side and may."""

    CUSTOMER = "customer"
    INTERNAL = "internal"


class LedgerAccount(Base):
    """An account. Amounts in fen; triggers alone change them, as transfers and holds are recorded.

    A customer's balance is kept as it moves. One of the bank's own accounts takes part in every payment and would
    make all payments wait for one row, so its `balance_minor` stays zero and `ledger.balance_of` adds it up.
    """

    __tablename__ = "ledger_accounts"
    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[AccountKind] = mapped_column(String(16))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    balance_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    held_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    opened_at: Mapped[datetime]
    last_posted_at: Mapped[datetime | None]  # of a customer's account; kept as its balance is

    __table_args__ = (
        CheckConstraint("kind <> 'customer' OR balance_minor >= 0", name="not_overdrawn"),
        CheckConstraint("held_minor >= 0 AND (kind <> 'customer' OR balance_minor >= held_minor)", name="hold_covered"),
    )


class TransferKind(StrEnum):
    """Why money moved."""

    OPENING = "opening"
    BOOK = "book"  # payer to payee, both ours
    CLEARING = "clearing"  # payer to the transit account of a channel
    SETTLEMENT = "settlement"  # transit account to the settlement account at the central bank
    REVERSAL = "reversal"  # transit account back to the payer
    RETURN = "return"  # settlement account back to the payer: 退汇
    FEE = "fee"  # payer to the fee income of the bank
    FEE_REFUND = "fee-refund"


class LedgerTransfer(Base):
    """One booking: `amount_minor` from `debit_account` to `credit_account`. Append-only.

    Double entry with both legs in one row: that the legs are equal cannot be otherwise. `id` is the payment's and the
    kind, so each kind happens once per payment.
    """

    __tablename__ = "ledger_transfers"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    payment_id: Mapped[str | None] = mapped_column(String(26))
    kind: Mapped[TransferKind] = mapped_column(String(16))
    debit_account: Mapped[str] = mapped_column(String(32))
    credit_account: Mapped[str] = mapped_column(String(32))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    posted_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_ledger_transfers_debit", "debit_account", "posted_at", "id"),
        Index("ix_ledger_transfers_credit", "credit_account", "posted_at", "id"),
        # Transfers come in the order of their time, so PostgreSQL needs only the bounds of every megabyte.
        Index("ix_ledger_transfers_posted", "posted_at", postgresql_using="brin"),
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("debit_account <> credit_account", name="two_legs"),
        _BY_ID,
    )


class LedgerHold(Base):
    """Money that an account still has but may not spend, for a payment that waits. Released once."""

    __tablename__ = "ledger_holds"
    payment_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.number"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    placed_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_ledger_holds_released_placed", "released_at", "placed_at"),
        CheckConstraint("amount_minor > 0", name="positive"),
    )


class LedgerClosing(Base):
    """The books of one day (Beijing), closed: digests of its transfers and balances, chained to the day before."""

    __tablename__ = "ledger_closings"
    day: Mapped[date] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    transfers: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    accounts: Mapped[int | None] = mapped_column(BigInteger)  # with a `LedgerClosingBalance`; None: see there
    transfers_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    balances_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    previous_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    closed_at: Mapped[datetime]

    __table_args__ = (Index("ix_ledger_closings_ends_at", "ends_at"),)  # asked for with every transfer


class LedgerClosingBalance(Base):
    """The balance in fen with which a day closed an account, for the accounts that moved on it.

    What an account had at the end of any day is its newest row up to then. Closings before this table digested the
    balances of all accounts and recorded none; the first closing after them records every account that ever moved.
    """

    __tablename__ = "ledger_closing_balances"
    account: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.number"), primary_key=True)
    day: Mapped[date] = mapped_column(ForeignKey("ledger_closings.day"), primary_key=True, index=True)
    balance_minor: Mapped[int] = mapped_column(BigInteger)
