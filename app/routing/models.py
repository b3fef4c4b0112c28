"""The bank directory as stored: versions, and the branches of each."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class DirectoryVersion(Base):
    """One version.

    `kind` is `sandbox` (made up by the service) or `official` (imported); official wins over sandbox.
    """

    __tablename__ = "directory_versions"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    effective_on: Mapped[date] = mapped_column(index=True)
    branches: Mapped[int]
    loaded_at: Mapped[datetime]


class DirectoryBranch(Base):
    """One branch in one version of the directory."""

    __tablename__ = "directory_branches"
    version: Mapped[str] = mapped_column(ForeignKey("directory_versions.version"), primary_key=True)
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    bank_id: Mapped[str] = mapped_column(String(32))
    area_code: Mapped[str] = mapped_column(String(4))

    __table_args__ = (Index("ix_directory_branches_code", "code"),)
