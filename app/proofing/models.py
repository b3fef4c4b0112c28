"""Face checks, and what is remembered of the captures that people sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, new_id


class Purpose(StrEnum):
    """What a person shows a face for."""

    CONTRACT = "contract"
    """To sign a contract; the subject is the contract."""
    AUTHORIZATION = "authorization"
    """To let a platform act for the enterprise; the subject is the platform's request."""


ASSISTED = "assisted"  # outcome and assurance of a check by officers, where no face was compared


class FaceCheck(Base):
    """One face challenge and what became of it.

    `holder` is the browser session that may answer it, `challenge` what was asked for and what the nonce is the digest
    of. `evidence_sealed` and the pictures are readable with the person's data key only.
    """

    __tablename__ = "face_checks"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    purpose: Mapped[Purpose] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(64), index=True)
    holder: Mapped[str] = mapped_column(String(64), index=True)
    challenge: Mapped[dict[str, Any]]
    face_wording_sha256: Mapped[str | None] = mapped_column(String(64))  # the separate consent before the camera
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(64))  # "passed" or the code of the refusal
    passed_at: Mapped[datetime | None]
    assurance: Mapped[str | None] = mapped_column(String(32))  # of the portrait that was compared with
    evidence_root: Mapped[str | None] = mapped_column(String(64))
    # The hashes of the salted leaves, which prove the root and tell nothing once the data key is destroyed.
    evidence_leaves: Mapped[dict[str, Any] | None]
    evidence_sealed: Mapped[bytes | None]
    pictures_sha256: Mapped[str | None] = mapped_column(String(64))  # in the document store, sealed like the evidence


class FaceCapture(Base):
    """The perceptual hashes of one capture, sealed with the person's data key: biometric information like the
    pictures, and forgotten with them."""

    __tablename__ = "face_captures"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    passed: Mapped[bool]
    taken_at: Mapped[datetime] = mapped_column(index=True)
    hashes_sealed: Mapped[bytes]
