"""Tables of identity proofing beside the face checks themselves."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class FaceLimit(Base):
    """What one identity number has tried of late. One row serves all tenants, invitations, workers and browsers, and
    whoever counts holds its lock, so that the count is exact."""

    __tablename__ = "face_limits"
    identity_lookup: Mapped[bytes] = mapped_column(primary_key=True)
    day: Mapped[date]  # in Beijing
    tries: Mapped[int]  # on that day
    failures: Mapped[list[str]]  # when, ISO 8601, within the window; tries not judged yet are among them
    locked_since: Mapped[datetime | None]
    locked_until: Mapped[datetime | None] = mapped_column(index=True)


class OfficerAct(Base):
    """Something that an officer did about a person or an enterprise, and why. The journal has its digest alone,
    because nobody can take back what was typed into a log that is never rewritten."""

    __tablename__ = "officer_acts"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(26), index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(26))
    at: Mapped[datetime]


class ReviewState(StrEnum):
    """Where a portrait from a document stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPLACED = "replaced"


class PortraitReview(Base):
    """A portrait cut from a photographed document, for an officer to look at. The photograph is sealed with a key of
    its own, the portrait with the person's; neither outlives the review here, an accepted portrait goes to the person.
    """

    __tablename__ = "portrait_reviews"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    state: Mapped[ReviewState] = mapped_column(String(16), index=True)
    document_sealed: Mapped[bytes | None]
    portrait_sealed: Mapped[bytes | None]
    uploaded_by: Mapped[str] = mapped_column(String(26))
    uploaded_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(26))
    decided_at: Mapped[datetime | None]


class RegisterEntry(Base):
    """An enterprise as the register knows it. What identifies its legal representative is a keyed digest, made with the
    code of the enterprise: it can be compared and not read, and is not equal for two enterprises of one person."""

    __tablename__ = "enterprise_register"
    uscc: Mapped[str] = mapped_column(String(18), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    representative_lookup: Mapped[bytes]
    identity_lookup: Mapped[bytes]
    entered_by: Mapped[str] = mapped_column(String(64))
    entered_at: Mapped[datetime]


class EnterpriseCheck(Base):
    """What a register, or an officer in its place, said about the four elements of an enterprise."""

    __tablename__ = "enterprise_checks"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    answer: Mapped[str] = mapped_column(String(16))  # of the register, or "accepted" by an officer
    checked_by: Mapped[str] = mapped_column(String(64))
    checked_at: Mapped[datetime]


class AssistanceState(StrEnum):
    """How far an officer-assisted review is."""

    ASKED = "asked"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    USED = "used"


class AssistanceRequest(Base):
    """A person who does not use the face check asks officers to establish the identity: for this contract, this wording
    and this signing session alone."""

    __tablename__ = "assistance_requests"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), index=True)
    party_id: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    session_id: Mapped[str] = mapped_column(String(26), unique=True)
    document_sha256: Mapped[str] = mapped_column(String(64))
    consent_sha256: Mapped[str] = mapped_column(String(64))
    contact_sealed: Mapped[bytes]
    state: Mapped[AssistanceState] = mapped_column(String(16), index=True)
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    method: Mapped[str | None] = mapped_column(String(32))
    documents: Mapped[list[str]]
    notes_sealed: Mapped[bytes | None]
    notes_sha256: Mapped[str | None] = mapped_column(String(64))
    decision_id: Mapped[str | None] = mapped_column(ForeignKey("decisions.id"))
    identified_by: Mapped[str | None] = mapped_column(String(26))
    confirmed_by: Mapped[str | None] = mapped_column(String(26))
    code_sha256: Mapped[bytes | None]
    code_expires_at: Mapped[datetime | None]
    code_failures: Mapped[int] = mapped_column(default=0)
    face_check_id: Mapped[str | None] = mapped_column(String(26))


class PersonHold(Base):
    """A legal hold (法律保全) on what is kept about a person: while one stands, no data key is destroyed."""

    __tablename__ = "person_holds"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    placed_by: Mapped[str] = mapped_column(String(26))
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None] = mapped_column(String(26))
    lifted_at: Mapped[datetime | None]


class ConsentWithdrawal(Base):
    """A person withdrew the consent to face information; `executed_at` says when the data key was destroyed."""

    __tablename__ = "consent_withdrawals"
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), primary_key=True)
    asked_by: Mapped[str] = mapped_column(String(26))  # the person, or the officer whom the person asked
    asked_at: Mapped[datetime]
    executed_at: Mapped[datetime | None] = mapped_column(index=True)
