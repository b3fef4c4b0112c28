"""What the messages say, as frozen values. Amounts are fen, times aware UTC.

A payment is named by its reference (the bank's, 26 characters) in every message: it stands in EndToEndId and TxId,
and the UETR follows from it. The channel stands in SttlmInf/ClrSys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

CURRENCY = "CNY"


class Status(StrEnum):
    """Of ExternalPaymentTransactionStatus1Code, those that the channels use."""

    SETTLED = "ACSC"  # settlement on the debtor's account has been completed
    PENDING = "PDNG"
    REJECTED = "RJCT"


NOT_RECEIVED = "not-received"  # proprietary reason: the other side never got the message that was asked for


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """One credit transfer. `clearing_code` is the payee's branch (12 digits); without one the bank is named."""

    reference: str
    amount_minor: int
    payer_name: str
    payer_account: str
    payer_bank: str
    payee_name: str
    payee_account: str
    payee_bank: str
    clearing_code: str | None
    purpose: str


@dataclass(frozen=True, slots=True)
class CreditTransfers:
    """pacs.008, FI to FI customer credit transfer."""

    message_id: str
    created_at: datetime
    channel: str
    settled_on: date
    transfers: tuple[CreditTransfer, ...]


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """What became of one transfer. `reason` is an ExternalStatusReason1Code, or a proprietary word in lower case."""

    reference: str
    status: Status
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """pacs.002, FI to FI payment status report, about transfers of one earlier message."""

    message_id: str
    created_at: datetime
    original_message_id: str
    statuses: tuple[TransferStatus, ...]


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """pacs.028, FI to FI payment status request: what became of these?"""

    message_id: str
    created_at: datetime
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReturnedTransfer:
    """Money of a settled transfer that comes back; `reason` is an ExternalReturnReason1Code."""

    reference: str
    amount_minor: int
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentReturns:
    """pacs.004, payment return."""

    message_id: str
    created_at: datetime
    channel: str
    settled_on: date
    transfers: tuple[ReturnedTransfer, ...]


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One line of a channel's file: money that left the bank, or with `returned` came back."""

    reference: str
    amount_minor: int
    returned: bool


@dataclass(frozen=True, slots=True)
class ChannelStatement:
    """camt.053: what a channel settled with the bank in one day (Beijing), its end-of-day file."""

    message_id: str
    created_at: datetime
    channel: str
    day: date
    entries: tuple[StatementEntry, ...]

    @property
    def net_minor(self) -> int:
        """What the bank owes the channel for the day: what left less what came back, in fen."""
        return sum(-entry.amount_minor if entry.returned else entry.amount_minor for entry in self.entries)


Message = CreditTransfers | StatusReport | StatusRequest | PaymentReturns | ChannelStatement


def uetr(reference: str) -> str:
    """The unique end-to-end transaction reference (RFC 4122 UUID, version 4 in form) that follows from a reference."""
    return str(UUID(bytes=hashlib.sha256(reference.encode()).digest()[:16], version=4))
