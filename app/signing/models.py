"""Contracts with their parties and revisions, invitations, signing sessions, signatures in the making, legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id
from app.identity.models import Person, Tenant


class Contract(Base):
    """One contract. `ceremony` is the stored form of `contracts.ceremony.Ceremony`; `state` repeats its state so that
    contracts can be searched. Digests name documents in the document store. `tenant_id` is the first party's; all of
    them are in `contract_parties`."""

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
    seal_field: Mapped[str] = mapped_column(String(64))  # the bank's; empty where the bank does not sign
    pages: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(26))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    deliver_at: Mapped[datetime | None] = mapped_column(index=True)  # when sealing and archiving is tried next
    signed_at: Mapped[datetime | None] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)  # completed or ended otherwise; retention begins
    renew_at: Mapped[datetime | None] = mapped_column(index=True)  # when the next archive time stamp is due
    deleted_at: Mapped[datetime | None]  # retention has run out; what is left is this row and the journal
    erased_at: Mapped[datetime | None]  # the documents are gone from the store as well

    tenant: Mapped[Tenant] = relationship(lazy="joined")
    parties: Mapped[list[ContractParty]] = relationship(order_by="ContractParty.position", lazy="selectin")


class ContractParty(Base):
    """Who signs for which party of a contract, in which order; `person_id` signs for `tenant_id`."""

    __tablename__ = "contract_parties"
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    party_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int]
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)

    tenant: Mapped[Tenant] = relationship(lazy="joined")


class Revision(Base):
    """One stored revision of a contract's document: prepared, signed (by whom), sealed or renewed."""

    __tablename__ = "contract_revisions"
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    party_id: Mapped[str | None] = mapped_column(String(32))
    stored_at: Mapped[datetime]

    __table_args__ = (Index("ix_contract_revisions_sha256", "sha256"),)


class ContractHold(Base):
    """A legal hold (法律保全): while one stands, nothing of the contract is deleted. Two persons lift it."""

    __tablename__ = "contract_holds"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    placed_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    lifted_at: Mapped[datetime | None]
    lifting_reason: Mapped[str | None] = mapped_column(Text)


class Upload(Base):
    """A PDF that somebody wants signed: as it came, what the inspection found, and what became of it."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    original_sha256: Mapped[str] = mapped_column(String(64))
    accepted_sha256: Mapped[str | None] = mapped_column(String(64))  # as it came, or flattened
    findings: Mapped[list[str]]  # reasons of the inspection; contracts.inspection.REASONS tells them
    pages: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), index=True)
    contract_id: Mapped[str | None] = mapped_column(ForeignKey("contracts.id"))
    uploaded_by: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    uploaded_at: Mapped[datetime]

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
    replaced_at: Mapped[datetime | None]  # another link was sent in its place

    contract: Mapped[Contract] = relationship(lazy="joined")
    person: Mapped[Person] = relationship(lazy="joined")


class SigningSession(Base):
    """One browser in which one party acts, from identification to signature."""

    __tablename__ = "signing_sessions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    cookie_sha256: Mapped[bytes] = mapped_column(unique=True)
    invitation_sha256: Mapped[bytes] = mapped_column(ForeignKey("invitations.token_sha256"), index=True)
    document_sha256: Mapped[str | None] = mapped_column(String(64))  # the revision that is read here
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
    upon_sha256: Mapped[str | None] = mapped_column(String(64))  # the revision that the signature is put upon
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
