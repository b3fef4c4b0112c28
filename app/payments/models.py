"""Tables of payments: instructions and their steps, the ledger, what waits to be sent, used daily limits.

The ledger is balanced by construction: one row is one transfer, with both legs and one positive amount.
Triggers of the database refuse to change or delete what was recorded.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id
from app.payments import channel_models  # noqa: F401 - more tables of this feature
from app.payments.channels import Channel
from app.payments.lifecycle import State


class PaymentInstruction(Base):
    """One instruction.

    `id` is the bank's reference; (tenant_id, instruction_id) names it for the enterprise.
    """

    __tablename__ = "payment_instructions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    instruction_id: Mapped[str] = mapped_column(String(64))
    document: Mapped[bytes]  # canonical JSON (RFC 8785) of what the enterprise signed
    document_sha256: Mapped[str] = mapped_column(String(64))
    content_jti: Mapped[str] = mapped_column(String(200))
    application_id: Mapped[str] = mapped_column(String(26))
    authorization_id: Mapped[str] = mapped_column(String(26))
    product_x5t_s256: Mapped[str] = mapped_column(String(43))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
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
    answer: Mapped[dict[str, Any]]  # what every repetition of the same document is told
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "instruction_id"),
        Index("ix_payment_instructions_tenant_received", "tenant_id", "received_at"),
        Index("ix_payment_instructions_payer_received", "payer_account", "received_at"),
        Index("ix_payment_instructions_tenant_payee", "tenant_id", "payee_account"),
        CheckConstraint("amount_minor > 0", name="positive"),
    )


class PaymentStep(Base):
    """One step of an instruction's life with what decided it (policy, versions, reasons). Append-only."""

    __tablename__ = "payment_steps"
    payment_id: Mapped[str] = mapped_column(ForeignKey("payment_instructions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[State] = mapped_column(String(16))
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AccountKind(StrEnum):
    """Customer accounts never go below zero; internal ones are the bank's own side and may."""

    CUSTOMER = "customer"
    INTERNAL = "internal"


class LedgerAccount(Base):
    """An account. The balance is what was credited less what was debited, in fen."""

    __tablename__ = "ledger_accounts"
    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[AccountKind] = mapped_column(String(16))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    balance_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    opened_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("kind <> 'customer' OR balance_minor >= 0", name="not_overdrawn"),)


class TransferKind(StrEnum):
    """Why money moved."""

    OPENING = "opening"
    BOOK = "book"  # payer to payee, both ours
    CLEARING = "clearing"  # payer to the transit account of a channel
    SETTLEMENT = "settlement"  # transit account to the settlement account at the central bank
    REVERSAL = "reversal"  # transit account back to the payer


class LedgerTransfer(Base):
    """One booking: `amount_minor` from `debit_account` to `credit_account`.

    Append-only; each kind once per payment.
    """

    __tablename__ = "ledger_transfers"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    payment_id: Mapped[str | None] = mapped_column(ForeignKey("payment_instructions.id"))
    kind: Mapped[TransferKind] = mapped_column(String(16))
    debit_account: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.number"), index=True)
    credit_account: Mapped[str] = mapped_column(ForeignKey("ledger_accounts.number"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    posted_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("payment_id", "kind"),
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("debit_account <> credit_account", name="two_legs"),
    )


class DispatchState(StrEnum):
    """SENDING means: may have been sent. After a crash such a row is asked for, never sent again blindly."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"


class PaymentDispatch(Base):
    """The outbox: one message to a clearing channel, written in the transaction that books the money."""

    __tablename__ = "payment_dispatches"
    payment_id: Mapped[str] = mapped_column(ForeignKey("payment_instructions.id"), primary_key=True)
    state: Mapped[DispatchState] = mapped_column(String(16))
    due_at: Mapped[datetime]
    deferred: Mapped[bool]
    attempted_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_payment_dispatches_state_due", "state", "due_at"),)


class DailyUse(Base):
    """How much of an authorization's daily limit a day (Beijing) has used, in fen."""

    __tablename__ = "payment_daily_use"
    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used_minor: Mapped[int] = mapped_column(BigInteger)


class SimulatedMessage(Base):
    """What the embedded clearing simulator has received and decided: the other side's memory, not ours."""

    __tablename__ = "clearing_simulator_messages"
    message_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(8))
    received_at: Mapped[datetime]
