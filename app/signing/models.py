"""Contracts, invitations, signing sessions and signatures in the making."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id
from app.identity.models import Person, Tenant


class Contract(Base):
    """One contract. `ceremony` is the stored form of `contracts.ceremony.Ceremony`; `state` repeats its state so that
    contracts can be searched. Digests name documents in the document store."""

    __tablename__ = "contracts"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    template: Mapped[str] = mapped_column(String(64))
    template_version: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    ceremony: Mapped[dict[str, Any]]
    prepared_sha256: Mapped[str] = mapped_column(String(64))
    current_sha256: Mapped[str] = mapped_column(String(64), index=True)
    seal_field: Mapped[str] = mapped_column(String(64))
    pages: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(26))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    deliver_at: Mapped[datetime | None] = mapped_column(index=True)  # when sealing and archiving is tried next
    signed_at: Mapped[datetime | None] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]

    tenant: Mapped[Tenant] = relationship(lazy="joined")


class Invitation(Base):
    """The link that one party receives. Only the digest of its token is stored."""

    __tablename__ = "invitations"
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), index=True)
    party_id: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"))
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    contract: Mapped[Contract] = relationship(lazy="joined")
    person: Mapped[Person] = relationship(lazy="joined")


class SigningSession(Base):
    """One browser in which one party acts, from identification to signature."""

    __tablename__ = "signing_sessions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    cookie_sha256: Mapped[bytes] = mapped_column(unique=True)
    invitation_sha256: Mapped[bytes] = mapped_column(ForeignKey("invitations.token_sha256"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PendingSigning(Base):
    """A signature between its two steps: the certificate is issued, the attributes wait for the browser's key."""

    __tablename__ = "pending_signings"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("signing_sessions.id"), index=True)
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"))
    challenge: Mapped[bytes]
    x5t_s256: Mapped[str | None] = mapped_column(String(43))
    pending: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Signature(Base):
    """One finished signature, so that contracts are found by certificate and by evidence."""

    __tablename__ = "signatures"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), index=True)
    party_id: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("persons.id"))
    field: Mapped[str] = mapped_column(String(64))
    x5t_s256: Mapped[str] = mapped_column(String(43))
    face_check_id: Mapped[str | None] = mapped_column(ForeignKey("face_checks.id"))
    signed_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_signatures_x5t_s256", "x5t_s256"),)
