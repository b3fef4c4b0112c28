"""Tenants, their people and accounts, log-in sessions, four-eyes decisions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id


class TenantKind(StrEnum):
    """Whose side a tenant is on."""

    BANK = "bank"
    ENTERPRISE = "enterprise"
    PLATFORM = "platform"


class Role(StrEnum):
    """What an account may do; one role per account keeps duties apart (职责分离)."""

    OPERATOR = "operator"
    COMPLIANCE_OFFICER = "compliance-officer"
    CERTIFICATE_OFFICER = "certificate-officer"
    AUDITOR = "auditor"
    ENTERPRISE_USER = "enterprise-user"
    PLATFORM_USER = "platform-user"


class Tenant(Base):
    """The bank itself, an enterprise or a SaaS platform."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    kind: Mapped[TenantKind] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    uscc: Mapped[str] = mapped_column(String(18), unique=True)
    created_at: Mapped[datetime]


class Account(Base):
    """A person's log-in. The TOTP secret is sealed; `totp_step` is the last time step spent, so a code works once."""

    __tablename__ = "accounts"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    login: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(String(32))
    password_hash: Mapped[str] = mapped_column(String(200))
    totp_sealed: Mapped[bytes]
    totp_step: Mapped[int] = mapped_column(default=0)
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    # Somebody else has seen password and second factor: nothing but changing both is allowed until they are changed.
    provisional: Mapped[bool] = mapped_column(default=False, server_default=false())

    tenant: Mapped[Tenant] = relationship(lazy="joined")


class LogInCount(Base):
    """Log-ins tried from addresses that share a slot, in one window of time; there are only so many slots."""

    __tablename__ = "log_in_counts"
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window: Mapped[int]
    used: Mapped[int]


class LoginSession(Base):
    """A logged-in browser. Only the digest of its cookie is stored."""

    __tablename__ = "login_sessions"
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    account: Mapped[Account] = relationship(lazy="joined")


class DecisionState(StrEnum):
    """Where a four-eyes decision stands."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class Decision(Base):
    """Proposed by one person, confirmed by another; `kind` says which use case carries it out."""

    __tablename__ = "decisions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[DecisionState] = mapped_column(String(16), index=True)
    proposed_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    proposed_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]


class Person(Base):
    """A legal representative as the bank knows one. Name, identity number and portrait are sealed with the person's
    own data key; `identity_lookup` is a keyed digest, so that equal numbers are found without being readable."""

    __tablename__ = "persons"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    identity_lookup: Mapped[bytes]
    name_sealed: Mapped[bytes]
    identity_number_sealed: Mapped[bytes]
    portrait_sealed: Mapped[bytes | None]
    portrait_assurance: Mapped[str | None] = mapped_column(String(32))
    portrait_set_by: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]  # for people to read; what counts is whether the data key is there

    tenant: Mapped[Tenant] = relationship(lazy="joined")
    __table_args__ = (
        UniqueConstraint("tenant_id", "identity_lookup"),
        Index("ix_persons_identity_lookup", "identity_lookup"),
    )


class PersonKey(Base):
    """Where wrapped data keys lay before they had a store of their own: `PersonKeyStore.take_over` empties it."""

    __tablename__ = "person_keys"
    person_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    wrapped: Mapped[bytes]
