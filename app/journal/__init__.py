"""The journal: every state change is a leaf of one tamper-evident Merkle log (RFC 9162).

A leaf is written in the transaction that makes the change; the jobs process gives waiting leaves their places in
the tree, in batches, and signs a checkpoint over the new head, so that no request waits for another's place.
`audit` recomputes everything, `witnesses` keeps what others signed about the heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.journal import audit, witnesses
from app.journal.audit import JournalReport
from app.journal.leaves import FORMAT, Entry
from app.journal.models import JournalCosignature, JournalEntry, JournalHead, JournalLock, JournalNode
from app.journal.nodes import StoredNodes
from app.problems import NotFound
from pki.translog import Checkpoint, MerkleLog, leaf_hash, sign_checkpoint

if TYPE_CHECKING:
    from app.wiring import Services

__all__ = [
    "FORMAT",
    "Entry",
    "Journal",
    "JournalCosignature",
    "JournalEntry",
    "JournalHead",
    "JournalLock",
    "JournalNode",
    "JournalReport",
    "LeafProof",
]

BATCH = 5000


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
        self.append_many(session, [Entry(kind, subject, actor, body)])

    def append_many(self, session: Session, entries: Sequence[Entry]) -> None:
        """Add entries in this order, in one statement."""
        at = self._services.clock()
        if entries:
            session.execute(insert(JournalEntry), [entry.columns(at) for entry in entries])

    def seal(self) -> int:
        """Give waiting entries their places and sign the new head. Returns how many; one process at a time."""
        done = 0
        while batch := self._seal_batch():
            done += batch
        return done

    def entries(
        self, session: Session, limit: int = 50, before: int | None = None, text: str = ""
    ) -> list[JournalEntry]:
        """Entries, newest first; `text` is a kind, a subject or an actor, `before` an entry's id of 63 bits."""
        query = select(JournalEntry).order_by(JournalEntry.id.desc()).limit(limit)
        if before is not None:
            query = query.where(JournalEntry.id < before)
        if text:
            query = query.where(
                (JournalEntry.kind == text) | (JournalEntry.subject == text) | (JournalEntry.actor == text)
            )
        return list(session.scalars(query))

    # --- heads ---

    def newest_checkpoint(self, session: Session) -> str | None:
        """The newest signed head, as a note with its cosignatures; None before the first."""
        head = session.scalars(select(JournalHead).order_by(JournalHead.size.desc()).limit(1)).first()
        return witnesses.cosigned(session, head) if head is not None else None

    def newest_witnessed(self, session: Session) -> str | None:
        """The newest head that a witness cosigned, which the bank cannot rewrite; None before the first."""
        head = session.scalars(
            select(JournalHead)
            .join(JournalCosignature, JournalCosignature.size == JournalHead.size)
            .order_by(JournalHead.size.desc())
            .limit(1)
        ).first()
        return witnesses.cosigned(session, head) if head is not None else None

    def add_cosignature(self, session: Session, note: bytes) -> str:
        """Keep a known witness's line; returns its name. Raises CosignatureRefused, InvalidCheckpoint."""
        return witnesses.add_cosignature(self._services, session, note)

    # --- proofs ---

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
        proof = MerkleLog(StoredNodes(session)).inclusion_proof(entry.leaf_index, head.size)
        return LeafProof(entry.leaf, entry.leaf_index, tuple(proof), witnesses.cosigned(session, head))

    def consistency(self, session: Session, old: int, new: int) -> list[bytes]:
        """That the first `old` leaves begin the first `new` (RFC 9162 §2.1.4). Raises InvalidProof."""
        return MerkleLog(StoredNodes(session)).consistency_proof(old, new)

    def verify(self, session: Session, against: Iterable[bytes] = ()) -> JournalReport:
        """Recompute the tree and compare with every signed head, and with checkpoints that others kept; see `audit`."""
        return audit.verify(self._services, session, self.origin, self._key.public_key(), against)

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
            tree = MerkleLog(StoredNodes(session))
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
