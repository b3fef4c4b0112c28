"""Issued certificates, enrolment codes, and the epoch by which every worker learns of a revocation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class CertificateState(StrEnum):
    """GOOD may become HELD and come back; REVOKED is for ever (RFC 5280 §5.3.1)."""

    GOOD = "good"
    HELD = "held"
    REVOKED = "revoked"


class CertificateRecord(Base):
    """One issued certificate. `x5t_s256`, base64url SHA-256 of its DER (RFC 7515 §4.1.8), names it everywhere."""

    __tablename__ = "certificates"
    x5t_s256: Mapped[str] = mapped_column(String(43), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(32))
    serial: Mapped[str] = mapped_column(String(40))  # hexadecimal
    profile: Mapped[str] = mapped_column(String(32), index=True)
    der: Mapped[bytes]
    spki_sha256: Mapped[bytes] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(String(300))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    application_id: Mapped[str | None] = mapped_column(String(26), index=True)
    product: Mapped[str | None] = mapped_column(String(32))
    custody: Mapped[str | None] = mapped_column(String(16))
    pair_id: Mapped[str | None] = mapped_column(String(26), index=True)  # joins a product's two certificates
    not_before: Mapped[datetime]
    not_after: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[CertificateState] = mapped_column(String(8), default=CertificateState.GOOD)
    revoked_at: Mapped[datetime | None]
    revocation_reason: Mapped[str | None] = mapped_column(String(32))
    issued_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("issuer", "serial"),)


class Enrolment(Base):
    """Leave to have one certificate (API) or one pair (product) issued, spent with a code that is handed over once."""

    __tablename__ = "enrolments"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    code_sha256: Mapped[bytes] = mapped_column(unique=True)
    profile: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    application_id: Mapped[str | None] = mapped_column(String(26))
    product: Mapped[str | None] = mapped_column(String(32))
    custody: Mapped[str | None] = mapped_column(String(16))
    created_by: Mapped[str | None] = mapped_column(String(26))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RevocationEpoch(Base):
    """One row. Its number grows with every revocation, suspension, release and ended authorization (protocol.md)."""

    __tablename__ = "revocation_epoch"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]


class CrlNumber(Base):
    """The last CRL number that each issuing authority used (RFC 5280 §5.2.3)."""

    __tablename__ = "crl_numbers"
    issuer: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int]


class PublishedCrl(Base):
    """The newest CRL of each issuing authority, made ahead so that answering costs nothing."""

    __tablename__ = "published_crls"
    issuer: Mapped[str] = mapped_column(String(32), primary_key=True)
    epoch: Mapped[int]
    der: Mapped[bytes]
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]


class HeldKeyRow(Base):
    """Which key of the service's own key store belongs to which certificate."""

    __tablename__ = "held_keys"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    x5t_s256: Mapped[str] = mapped_column(ForeignKey("certificates.x5t_s256"))
