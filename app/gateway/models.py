"""What the gateway counts."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RateWindow(Base):
    """The present window of one application and product; the next window takes the row over."""

    __tablename__ = "rate_windows"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    window: Mapped[int]
    used: Mapped[int]
