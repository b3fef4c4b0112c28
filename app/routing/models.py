"""The bank directory as stored, what was decided with it, and what was learned from people.

A branch is stored once per name and span of days, so that every version can be had back and renames are history.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class DirectoryVersion(Base):
    """One version.

    `kind` is `sandbox` (made up by the service) or `official` (imported); official wins over sandbox. `digest` is the
    SHA-256 over its branches.
    """

    __tablename__ = "directory_versions"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    effective_on: Mapped[date] = mapped_column(index=True)
    branches: Mapped[int]
    loaded_at: Mapped[datetime]
    digest: Mapped[str] = mapped_column(String(64))


class DirectoryEntry(Base):
    """A branch under one name: in the versions of its kind from `valid_from` to before `valid_until`."""

    __tablename__ = "directory_entries"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_until: Mapped[date | None]
    name: Mapped[str] = mapped_column(String(200))
    bank_id: Mapped[str] = mapped_column(String(32))
    area_code: Mapped[str] = mapped_column(String(4))

    __table_args__ = (Index("ix_directory_entries_span", "kind", "valid_from", "valid_until"),)


class DirectoryArea(Base):
    """What an area code means in the directories of a kind; the newest import says."""

    __tablename__ = "directory_areas"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(4), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    province: Mapped[str] = mapped_column(String(32))


class DirectoryRename(Base):
    """A former name of a branch, told by a list of renames; those between two imports are in the entries."""

    __tablename__ = "directory_renames"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    until: Mapped[date]
    loaded_at: Mapped[datetime]


class RoutingModel(Base):
    """A trained model. The newest that is in force is used; those without a moment were never."""

    __tablename__ = "routing_models"
    version: Mapped[str] = mapped_column(String(64), primary_key=True)
    artefact: Mapped[bytes]
    trained_at: Mapped[datetime]
    in_force_at: Mapped[datetime | None]


class RoutingDecision(Base):
    """One answer and everything it depended on, so that it can be given again. Account numbers are masked."""

    __tablename__ = "routing_decisions"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(index=True)
    asked_by: Mapped[str] = mapped_column(String(64))
    query: Mapped[dict[str, Any]]
    answer: Mapped[dict[str, Any]]
    directory_version: Mapped[str] = mapped_column(ForeignKey("directory_versions.version"))
    directory_digest: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[str] = mapped_column(String(32))


class RoutingAlias(Base):
    """Words that somebody confirmed to mean a branch. In force from an officer's review until it is withdrawn.

    `words` is the SHA-256 of normalised text, city and payee's city, so that look-ups are exact.
    """

    __tablename__ = "routing_aliases"
    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    words: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(200))
    city: Mapped[str | None] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16), index=True)
    confirmations: Mapped[int]
    proposed_at: Mapped[datetime]
    proposed_by: Mapped[str] = mapped_column(String(64))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(26))
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_routing_aliases_words", "words", "state"),)
