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
    renews: Mapped[str | None] = mapped_column(String(43))  # x5t#S256 of the one that this took over from
    changed_epoch: Mapped[int | None] = mapped_column(index=True)  # the epoch that the last change of state began

    __table_args__ = (UniqueConstraint("issuer", "serial"),)


class CertifiedKey(Base):
    """A public key and the one holder that it was ever certified for.

    Its primary key, not a look-up before, keeps a key from being certified for two, however many workers race.
    """

    __tablename__ = "certified_keys"
    spki_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(String(300))  # profile and name, as `issuing.holder_of` writes them
    first_certified_at: Mapped[datetime]


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


class ExpiryWarning(Base):
    """That the holder of a certificate was warned `days` days before its end."""

    __tablename__ = "expiry_warnings"
    x5t_s256: Mapped[str] = mapped_column(ForeignKey("certificates.x5t_s256"), primary_key=True)
    days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    warned_at: Mapped[datetime]


class RevocationEpoch(Base):
    """One row. Its number grows with every revocation, suspension, release and ended authorization (protocol.md)."""

    __tablename__ = "revocation_epoch"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]


class CrlSeries(Base):
    """The numbers of an issuing authority's CRLs, complete and delta in one series (RFC 5280 §5.2.3).

    The base is the complete CRL that delta CRLs build on; it holds all changes up to `base_epoch`.
    """

    __tablename__ = "crl_series"
    issuer: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int]
    base_number: Mapped[int | None]
    base_epoch: Mapped[int | None]
    base_at: Mapped[datetime | None]


class PublishedCrl(Base):
    """The newest complete and the newest delta CRL of each authority, made ahead so that answering costs nothing."""

    __tablename__ = "published_crls"
    issuer: Mapped[str] = mapped_column(String(32), primary_key=True)
    is_delta: Mapped[bool] = mapped_column(primary_key=True, default=False)
    epoch: Mapped[int]  # it holds all changes up to this one
    entries: Mapped[int]
    der: Mapped[bytes]
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]


class HeldKeyRow(Base):
    """Which key of the service's own key store belongs to which certificate."""

    __tablename__ = "held_keys"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    x5t_s256: Mapped[str] = mapped_column(ForeignKey("certificates.x5t_s256"))


class RootOperation(Base):
    """That a decision about the root's key was carried out, once, at the command where the key is opened."""

    __tablename__ = "root_operations"
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), primary_key=True)
    performed_at: Mapped[datetime]
    x5t_s256: Mapped[str] = mapped_column(ForeignKey("certificates.x5t_s256"))
