"""The journal: every state change is a leaf of one tamper-evident Merkle log (RFC 9162).

A leaf is written in the transaction that makes the change; the jobs process gives waiting leaves their places in
the tree, in batches, and signs a checkpoint over the new head, so that no request waits for another's place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import BigInteger, Integer, String, Text, func, insert, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base
from app.problems import NotFound
from pki.errors import PkiError
from pki.translog import (
    Checkpoint,
    MerkleLog,
    NodeId,
    leaf_hash,
    sign_checkpoint,
    verify_checkpoint,
)

if TYPE_CHECKING:
    from app.wiring import Services

FORMAT = "yunlian-journal/1"
BATCH = 5000
_Key = BigInteger().with_variant(Integer, "sqlite")


class JournalEntry(Base):
    """One leaf. The tree is computed from `leaf`, its canonical JSON, alone; the other columns are for search."""

    __tablename__ = "journal_entries"
    id: Mapped[int] = mapped_column(_Key, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)
    actor: Mapped[str] = mapped_column(String(64))
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


class JournalLock(Base):
    """One row that whoever extends the tree locks first."""

    __tablename__ = "journal_lock"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[int] = mapped_column(_Key)  # leaves that have their place


@dataclass(frozen=True, slots=True)
class JournalReport:
    """What a full recomputation found; `faults` is empty when the journal is whole."""

    size: int
    waiting: int
    faults: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing was deleted, changed, backdated or forked."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class LeafProof:
    """That one entry stands in the log: everything a stranger needs besides the log's certificate."""

    leaf: str
    index: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in an evidence bundle."""
        return {
            "leaf": self.leaf,
            "index": self.index,
            "inclusion_proof": [node.hex() for node in self.proof],
            "checkpoint": self.checkpoint,
        }


class Journal:
    """Appends in the caller's transaction, seals in batches, proves and verifies."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return f"{self._services.settings.issuer_url.removeprefix('https://')}/journal"

    def append(self, session: Session, kind: str, *, subject: str, actor: str, body: Mapping[str, Any]) -> None:
        """Add one entry to the caller's transaction. Identifiers and digests only: nothing personal, nothing secret."""
        at = self._services.clock()
        leaf = json.dumps(
            {
                "format": FORMAT,
                "at": at.isoformat(timespec="microseconds"),
                "kind": kind,
                "subject": subject,
                "actor": actor,
                "body": dict(body),
            },
            sort_keys=True,
            ensure_ascii=False,
            separators=(",", ":"),
        )
        session.execute(
            insert(JournalEntry).values(at=at, kind=kind, subject=subject[:64], actor=actor[:64], leaf=leaf)
        )

    def seal(self) -> int:
        """Give waiting entries their places and sign the new head. Returns how many; one process at a time."""
        done = 0
        while batch := self._seal_batch():
            done += batch
        return done

    def entries(
        self, session: Session, limit: int = 50, before: int | None = None, text: str = ""
    ) -> list[JournalEntry]:
        """Entries, newest first; `text` is a kind, a subject or an actor."""
        query = select(JournalEntry).order_by(JournalEntry.id.desc()).limit(limit)
        if before is not None:
            query = query.where(JournalEntry.id < before)
        if text:
            query = query.where(
                (JournalEntry.kind == text) | (JournalEntry.subject == text) | (JournalEntry.actor == text)
            )
        return list(session.scalars(query))

    def newest_checkpoint(self, session: Session) -> str | None:
        """The newest signed head, as a note; None before the first."""
        return session.scalars(select(JournalHead.note).order_by(JournalHead.size.desc()).limit(1)).first()

    def prove(self, session: Session, kind: str, subject: str) -> LeafProof:
        """Proof that the newest entry of this kind about this subject stands in the log.

        Raises NotFound while the entry waits for its place (about a second).
        """
        entry = session.scalars(
            select(JournalEntry)
            .where(
                JournalEntry.kind == kind,
                JournalEntry.subject == subject,
                JournalEntry.leaf_index.is_not(None),
            )
            .order_by(JournalEntry.id.desc())
            .limit(1)
        ).first()
        head = session.scalars(select(JournalHead).order_by(JournalHead.size.desc()).limit(1)).first()
        if entry is None or entry.leaf_index is None or head is None:
            raise NotFound("the journal has no such sealed entry yet")
        proof = MerkleLog(_StoredNodes(session)).inclusion_proof(entry.leaf_index, head.size)
        return LeafProof(entry.leaf, entry.leaf_index, tuple(proof), head.note)

    def verify(self, session: Session) -> JournalReport:
        """Recompute the tree from the leaves' texts and compare with every signed head. Finds deletion, change,
        backdating and forks; entries whose search columns contradict their leaf count as changed."""
        faults: list[str] = []
        heads = {head.size: head for head in session.scalars(select(JournalHead))}
        tree = MerkleLog(_MemoryNodes())
        size = 0
        query = select(JournalEntry).where(JournalEntry.leaf_index.is_not(None)).order_by(JournalEntry.leaf_index)
        for entry in session.scalars(query.execution_options(yield_per=1000)):
            if entry.leaf_index != size:
                faults.append(f"leaf {size} is missing")
                break
            stored = json.loads(entry.leaf)
            if (stored["kind"], stored["subject"][:64]) != (entry.kind, entry.subject):
                faults.append(f"leaf {size} contradicts its row")
            tree.append([leaf_hash(entry.leaf.encode())])
            size += 1
            if size in heads:
                faults += self._check_head(heads[size], tree.root(size))
        faults += [f"the head of {head} leaves has lost some" for head in heads if head > size]
        waiting = session.scalar(
            select(func.count()).select_from(JournalEntry).where(JournalEntry.leaf_index.is_(None))
        )
        return JournalReport(size, waiting or 0, tuple(faults))

    def _seal_batch(self) -> int:
        with self._services.transaction() as session:
            # The lock's row makes sealing a matter of one process at a time, on every database.
            sealed = session.scalar(select(JournalLock.sealed).where(JournalLock.id == 1).with_for_update())
            if sealed is None:
                session.execute(insert(JournalLock).values(id=1, sealed=0))
                sealed = 0
            waiting = session.execute(
                select(JournalEntry.id, JournalEntry.leaf)
                .where(JournalEntry.leaf_index.is_(None))
                .order_by(JournalEntry.id)
                .limit(BATCH)
            ).all()
            if not waiting:
                return 0
            tree = MerkleLog(_StoredNodes(session))
            size = tree.append([leaf_hash(leaf.encode()) for _, leaf in waiting])
            session.execute(
                update(JournalEntry),
                [{"id": entry_id, "leaf_index": sealed + i} for i, (entry_id, _) in enumerate(waiting)],
            )
            root = tree.root()
            note = sign_checkpoint(Checkpoint(self.origin, size, root), self._key, self.origin).decode()
            session.execute(insert(JournalHead).values(size=size, root=root, note=note, at=self._services.clock()))
            return len(waiting)

    @property
    def _key(self) -> Ed25519PrivateKey:
        key = self._services.hierarchy.log.key
        assert isinstance(key, Ed25519PrivateKey)  # as the hierarchy makes it
        return key

    def _check_head(self, head: JournalHead, root: bytes) -> list[str]:
        if root != head.root:
            return [f"the head of {head.size} leaves is not that of the leaves"]
        try:
            verify_checkpoint(head.note.encode(), self._key.public_key())
        except PkiError:
            return [f"the signature of the head of {head.size} leaves is not good"]
        return []


class _StoredNodes:
    """`pki.translog.NodeStore` over the tables, in the caller's transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def size(self) -> int:
        return self._session.scalar(select(JournalLock.sealed).where(JournalLock.id == 1)) or 0

    def get(self, nodes: Sequence[NodeId]) -> list[bytes]:
        if not nodes:
            return []
        rows = self._session.execute(
            select(JournalNode.level, JournalNode.position, JournalNode.hash).where(
                tuple_(JournalNode.level, JournalNode.position).in_([tuple(node) for node in nodes])
            )
        )
        found = {NodeId(level, position): digest for level, position, digest in rows}
        return [found[node] for node in nodes]

    def put(self, size: int, nodes: Mapping[NodeId, bytes]) -> None:
        rows = [{"level": node.level, "position": node.position, "hash": digest} for node, digest in nodes.items()]
        if rows:
            self._session.execute(insert(JournalNode), rows)
        self._session.execute(update(JournalLock).where(JournalLock.id == 1).values(sealed=size))


class _MemoryNodes:
    """The same in memory, for recomputing a tree from its leaves."""

    def __init__(self) -> None:
        self._size = 0
        self._nodes: dict[NodeId, bytes] = {}

    def size(self) -> int:
        return self._size

    def get(self, nodes: Sequence[NodeId]) -> list[bytes]:
        return [self._nodes[node] for node in nodes]

    def put(self, size: int, nodes: Mapping[NodeId, bytes]) -> None:
        self._size = size
        self._nodes.update(nodes)
