"""Tables of what goes out and comes in: outbox, clearing messages, channel files, risk counters, approvals, receipts.

None refers to `payment_instructions` by a foreign key: that table is partitioned, and a check for every row costs
more than the row.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class OutboxKind(StrEnum):
    """What a row sends: an instruction to a clearing channel, or news to a platform."""

    DISPATCH = "dispatch"
    CALLBACK = "callback"


class OutboxState(StrEnum):
    """SENDING means: may have arrived. Such a dispatch is asked for, never sent again blindly. SENT: it was taken, the
    outcome is awaited. DEAD waits for a person."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class OutboxItem(Base):
    """One thing to send, at least once. The row goes when its end is known, so the table holds only what is open."""

    __tablename__ = "payment_outbox"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    kind: Mapped[OutboxKind] = mapped_column(String(12))
    subject: Mapped[str] = mapped_column(String(26))  # the bank's reference of the instruction
    state: Mapped[OutboxState] = mapped_column(String(12))
    due_at: Mapped[datetime]  # when it is sent, or asked for, next
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    deferred: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]  # one worker has it until then
    first_sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(200))
    payload: Mapped[dict[str, Any] | None]

    __table_args__ = (
        Index("ix_payment_outbox_kind_state_due", "kind", "state", "due_at"),
        Index("ix_payment_outbox_subject", "subject"),
    )


class InboundMessage(Base):
    """A message of the clearing, kept as it came. Its row is written in the transaction that acts on it, so the same
    message again does nothing. `fault` says why one could not be understood or applied; a person looks at those."""

    __tablename__ = "clearing_messages"
    message_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    octets: Mapped[bytes]
    received_at: Mapped[datetime]
    fault: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (Index("ix_clearing_messages_fault", "fault"),)


class ChannelFile(Base):
    """A channel's end-of-day file (camt.053) as it came."""

    __tablename__ = "channel_files"
    channel: Mapped[str] = mapped_column(String(8), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    octets: Mapped[bytes]
    fetched_at: Mapped[datetime]


class CallbackAddress(Base):
    """Where an application hears of its payments."""

    __tablename__ = "callback_addresses"
    application_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    set_by: Mapped[str] = mapped_column(String(64))
    set_at: Mapped[datetime]


class RiskCounter(Base):
    """What a payer's account or an application tried in this minute and the one before, and what it paid in its life.

    Amounts in fen. `minute` counts minutes since 1970.
    """

    __tablename__ = "risk_counters"
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger)
    in_minute: Mapped[int]
    in_minute_before: Mapped[int]
    payments: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    largest_minor: Mapped[int] = mapped_column(BigInteger)


class RiskPayee(Base):
    """What an enterprise has paid to one account; only payments that were booked count. Amounts in fen."""

    __tablename__ = "risk_payees"
    tenant_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(String(32), primary_key=True)
    payments: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    largest_minor: Mapped[int] = mapped_column(BigInteger)


class RiskListing(Base):
    """An account or a name on the block or the watch list. Names are kept folded, as they are compared."""

    __tablename__ = "risk_listings"
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)  # block, watch
    entry: Mapped[str] = mapped_column(String(140), primary_key=True)
    reason: Mapped[str] = mapped_column(String(200))
    added_by: Mapped[str] = mapped_column(String(64))
    added_at: Mapped[datetime]


class PaymentApproval(Base):
    """A held payment that waits for a second approver of the enterprise, and what became of it."""

    __tablename__ = "payment_approvals"
    payment_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(26))
    authorization_id: Mapped[str] = mapped_column(String(26))
    reasons: Mapped[list[str]]
    held_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(String(12))  # approved, refused, expired, cancelled
    decided_by: Mapped[str | None] = mapped_column(String(26))
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        Index("ix_payment_approvals_tenant_outcome", "tenant_id", "outcome", "expires_at"),
        Index("ix_payment_approvals_outcome_expires", "outcome", "expires_at"),
    )


class PaymentReceipt(Base):
    """An electronic receipt (电子回单): made once for a payment, found again by its verify code."""

    __tablename__ = "payment_receipts"
    payment_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(26))
    verify_code: Mapped[str] = mapped_column(String(20))
    document_sha256: Mapped[str] = mapped_column(String(64))  # of the signed PDF, its name in the document store
    made_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("verify_code"),)
