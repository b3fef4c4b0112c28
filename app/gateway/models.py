"""What the gateway counts, and how applications speak the ICBC dialect."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RateWindow(Base):
    """The present window of one application and product; the next window takes the row over."""

    __tablename__ = "rate_windows"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    window: Mapped[int]
    used: Mapped[int]


class IcbcApplication(Base):
    """How one application speaks the ICBC dialect; its AES key is sealed under the service's data key."""

    __tablename__ = "icbc_applications"
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), primary_key=True)
    aes_key_sealed: Mapped[bytes | None]
    sha1_answers: Mapped[bool]
    changed_at: Mapped[datetime]
