"""`pki.translog.NodeStore` over the tables, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.orm import Session

from app.journal.models import JournalLock, JournalNode
from pki.translog import NodeId


class StoredNodes:
    """The hashes of complete subtrees in `journal_nodes`."""

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
