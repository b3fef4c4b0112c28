"""Tables of identity proofing beside the face checks themselves."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import String, Text
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
