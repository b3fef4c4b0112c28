"""Full verification: every leaf, every node, every head, in one pass and in bounded memory.

What it finds: a deleted or added leaf, a changed one, search columns that contradict their leaf, a backdated entry,
a node or head that is not that of the leaves, a signature or cosignature that is not good, and, against checkpoints
that others kept, a log that was cut or rewritten as a whole (which nothing within the database could show).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.journal.models import JournalEntry, JournalHead, JournalLock, JournalNode
from app.journal.witnesses import verify_kept_cosignatures
from pki.errors import PkiError
from pki.translog import Checkpoint, MerkleLog, NodeId, leaf_hash, verify_checkpoint

if TYPE_CHECKING:
    from app.wiring import Services

# Entries take their places in the order of their numbers; their times may lag behind each other by the length of a
# transaction and the difference of two machines' clocks, and by no more.
TOLERANCE = timedelta(minutes=5)
CHUNK = 2000
MAXIMUM_FAULTS = 100  # enough to see what happened; a log cut at its root would name every leaf


_COLUMNS = (
    JournalEntry.leaf_index,
    JournalEntry.leaf,
    JournalEntry.kind,
    JournalEntry.subject,
    JournalEntry.actor,
    JournalEntry.at,
)


class _Leaf(NamedTuple):
    place: int | None
    leaf: str
    kind: str
    subject: str
    actor: str
    at: datetime


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


def verify(
    services: Services, session: Session, origin: str, log_key: Ed25519PublicKey, against: Iterable[bytes]
) -> JournalReport:
    """Recompute everything and compare. `against` are signed notes that somebody kept outside."""
    audit = _Audit(session, origin, log_key)
    audit.expect(against)
    audit.read_leaves(services.clock())
    audit.check_ends()
    waiting = session.scalar(select(func.count()).select_from(JournalEntry).where(JournalEntry.leaf_index.is_(None)))
    return JournalReport(audit.size, waiting or 0, tuple(audit.faults))


class _Audit:
    def __init__(self, session: Session, origin: str, log_key: Ed25519PublicKey) -> None:
        self._session = session
        self._origin = origin
        self._log_key = log_key
        self._nodes = _RecentNodes()
        self._tree = MerkleLog(self._nodes)
        self._kept: dict[int, set[bytes]] = {}
        # Columns, not objects: the session keeps objects, and the journal may have millions.
        heads = select(JournalHead.size, JournalHead.root, JournalHead.note).order_by(JournalHead.size)
        self._heads = iter(session.execute(heads.execution_options(yield_per=CHUNK)))
        self._head = next(self._heads, None)
        self._latest: datetime | None = None
        self.size = 0
        self.faults: list[str] = []

    def expect(self, against: Iterable[bytes]) -> None:
        """Checkpoints kept outside: each must be a head of the very log that is here."""
        for note in against:
            try:
                checkpoint = verify_checkpoint(note, self._log_key, self._origin)
            except PkiError as exc:
                self._fault(f"the kept checkpoint is not one of this log: {exc}")
                continue
            if checkpoint.origin != self._origin:
                self._fault(f"the kept checkpoint is of the log {checkpoint.origin}")
            elif checkpoint.size:
                self._kept.setdefault(checkpoint.size, set()).add(checkpoint.root)

    def read_leaves(self, now: datetime) -> None:
        """Leaf by leaf; stops where the rest can no longer be read in its order."""
        for chunk in self._chunks():
            first, whole = self.size, self._read_chunk(chunk, now)
            self._check_nodes(first)
            self._check_cosignatures(first)
            self._nodes.forget(self.size)
            if not whole:
                self._fault(f"leaf {self.size} is missing")
                return

    def check_ends(self) -> None:
        """Heads and kept checkpoints beyond the last leaf, nodes and counters beyond the tree."""
        while self._head is not None:
            self._fault(f"the head of {self._head.size} leaves has lost some")
            self._head = next(self._heads, None)
        for size in sorted(self._kept):
            self._fault(f"forked: a checkpoint of {size} leaves was kept, the log has only {self.size}")
        sealed = self._session.scalar(select(JournalLock.sealed).where(JournalLock.id == 1)) or 0
        if sealed != self.size:
            self._fault(f"the log counts {sealed} leaves and has {self.size}")

    def _chunks(self) -> Iterator[list[_Leaf]]:
        query = select(*_COLUMNS).where(JournalEntry.leaf_index.is_not(None)).order_by(JournalEntry.leaf_index)
        rows = iter(self._session.execute(query.execution_options(yield_per=CHUNK)))
        while chunk := list(islice(rows, CHUNK)):
            yield [_Leaf(*row) for row in chunk]

    def _read_chunk(self, chunk: list[_Leaf], now: datetime) -> bool:
        """Extend the tree by the leaves, up to one that does not follow; then False."""
        hashes: list[bytes] = []
        for entry in chunk:
            if entry.place != self.size + len(hashes):
                self._append(hashes)
                return False
            self._check_entry(entry, now)
            hashes.append(leaf_hash(entry.leaf.encode()))
            if self._is_head(self.size + len(hashes)):
                self._append(hashes)
                hashes = []
        self._append(hashes)
        return True

    def _is_head(self, size: int) -> bool:
        return size in self._kept or (self._head is not None and self._head.size == size)

    def _append(self, hashes: list[bytes]) -> None:
        if hashes:
            self.size = self._tree.append(hashes)
        self._check_heads()

    def _check_heads(self) -> None:
        head = self._head
        if head is not None and head.size == self.size:
            root = self._tree.root()
            if root != head.root:
                self._fault(f"the head of {head.size} leaves is not that of the leaves")
            elif not self._is_signed(head):
                self._fault(f"the signature of the head of {head.size} leaves is not good")
            self._head = next(self._heads, None)
        for kept in self._kept.pop(self.size, ()):
            if kept != self._tree.root():
                self._fault(f"forked: a checkpoint of {self.size} leaves was kept that has another root")

    def _is_signed(self, head: Row[int, bytes, str]) -> bool:
        try:
            checkpoint = verify_checkpoint(head.note.encode(), self._log_key, self._origin)
        except PkiError:
            return False
        return checkpoint == Checkpoint(self._origin, head.size, head.root)

    def _check_cosignatures(self, first: int) -> None:
        for fault in verify_kept_cosignatures(self._session, first, self.size):
            self._fault(fault)

    def _check_nodes(self, first: int) -> None:
        """The stored hashes of the subtrees that leaves `first` and later completed; proofs are made of them."""
        level = 0
        while self.size >> level:
            begin, end = first >> level, self.size >> level
            if begin < end:
                rows = self._session.execute(
                    select(JournalNode.position, JournalNode.hash).where(
                        JournalNode.level == level, JournalNode.position >= begin, JournalNode.position < end
                    )
                )
                stored = {position: digest for position, digest in rows}  # noqa: C416 - mypy knows rows, not dict(rows)
                computed = {node.position: digest for node, digest in self._nodes.of_level(level, begin, end)}
                if stored != computed:
                    self._fault(f"nodes of level {level} between {begin} and {end} are not those of the leaves")
            level += 1

    def _check_entry(self, entry: _Leaf, now: datetime) -> None:
        try:
            said = json.loads(entry.leaf)
            at = datetime.fromisoformat(said["at"])
            searched = (said["kind"], said["subject"][:64], said["actor"][:64], at)
        except (ValueError, KeyError, TypeError):
            self._fault(f"leaf {entry.place} cannot be read")
            return
        if searched != (entry.kind, entry.subject, entry.actor, entry.at):
            self._fault(f"leaf {entry.place} contradicts its row")
        if self._latest is not None and at < self._latest - TOLERANCE:
            self._fault(f"leaf {entry.place} is backdated: {at.isoformat()} after {self._latest.isoformat()}")
        if at > now + TOLERANCE:
            self._fault(f"leaf {entry.place} is of the future: {at.isoformat()}")
        self._latest = at if self._latest is None else max(self._latest, at)

    def _fault(self, fault: str) -> None:
        if len(self.faults) < MAXIMUM_FAULTS:
            self.faults.append(fault)


class _RecentNodes:
    """A NodeStore in memory that forgets what neither the root nor the next leaf needs."""

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

    def of_level(self, level: int, begin: int, end: int) -> list[tuple[NodeId, bytes]]:
        return [(NodeId(level, position), self._nodes[NodeId(level, position)]) for position in range(begin, end)]

    def forget(self, size: int) -> None:
        """Keep the complete subtrees that make up `size` leaves: one per set bit."""
        edge, start = {}, 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                node = NodeId(level, start >> level)
                edge[node] = self._nodes[node]
                start += 1 << level
        self._nodes = edge
