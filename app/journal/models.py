"""Leaves, the tree over them, its signed heads, and the witnesses that cosigned those."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

_Key = BigInteger().with_variant(Integer, "sqlite")


class JournalEntry(Base):
    """One leaf. The tree is computed from `leaf`, its canonical JSON, alone; the other columns are for search."""

    __tablename__ = "journal_entries"
    id: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)
    actor: Mapped[str] = mapped_column(String(64), index=True)
    leaf: Mapped[str] = mapped_column(Text)
    leaf_index: Mapped[int | None] = mapped_column(_Key, unique=True)

    @property
    def body(self) -> dict[str, Any]:
        """What the entry says beyond who and when."""
        body: dict[str, Any] = json.loads(self.leaf)["body"]
        return body


class JournalNode(Base):
    """The hash of a complete subtree of 2^level leaves, the `position`-th of its level."""

    __tablename__ = "journal_nodes"
    level: Mapped[int] = mapped_column(Integer, primary_key=True)
    position: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class JournalHead(Base):
    """A signed checkpoint (C2SP tlog-checkpoint) over the first `size` leaves."""

    __tablename__ = "journal_heads"
    size: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    note: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class JournalWitness(Base):
    """A party outside whose cosignatures are kept: its name in notes, and its raw Ed25519 public key."""

    __tablename__ = "journal_witnesses"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    public_key: Mapped[bytes]
    added_at: Mapped[datetime]


class JournalCosignature(Base):
    """A witness's line under a head (C2SP tlog-cosignature), and the time that it signed."""

    __tablename__ = "journal_cosignatures"
    size: Mapped[int] = mapped_column(ForeignKey("journal_heads.size"), primary_key=True, autoincrement=False)
    witness: Mapped[str] = mapped_column(ForeignKey("journal_witnesses.name"), primary_key=True)
    line: Mapped[str] = mapped_column(String(400))
    at: Mapped[datetime]


class JournalLock(Base):
    """One row that whoever extends the tree locks first."""

    __tablename__ = "journal_lock"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[int] = mapped_column(_Key)  # leaves that have their place
