"""The tamper-evident log: a Merkle tree (RFC 9162 §2.1) whose heads are signed as C2SP checkpoints.

Every complete subtree is stored once and never changes, so a root or a proof over millions of leaves reads a
few dozen hashes, and an append writes about two per leaf.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pki.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from pki.errors import InvalidProof

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "MerkleLog",
    "NodeId",
    "NodeStore",
    "leaf_hash",
    "node_hash",
    "sign_checkpoint",
    "verify_checkpoint",
    "verify_consistency",
    "verify_inclusion",
]

EMPTY_ROOT = hashlib.sha256().digest()


class NodeId(NamedTuple):
    """The complete subtree over the leaves from position * 2**level up to the next such subtree."""

    level: int
    position: int


class NodeStore(Protocol):
    """Where the hashes of complete subtrees lie. What was put once is never changed."""

    def size(self) -> int:
        """The number of leaves."""

    def get(self, nodes: Sequence[NodeId]) -> list[bytes]:
        """Their hashes, in this order."""

    def put(self, size: int, nodes: Mapping[NodeId, bytes]) -> None:
        """Keep new nodes and the new size, both or neither."""


def leaf_hash(entry: bytes) -> bytes:
    """RFC 9162 §2.1.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 §2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleLog:
    """Appends to and proves from a NodeStore. One writer at a time; the store's transaction sees to that."""

    def __init__(self, store: NodeStore) -> None:
        self._store = store

    def append(self, leaf_hashes: Iterable[bytes]) -> int:
        """Add leaves in this order, in one write. Returns the new size."""
        size = self._store.size()
        edge = self._store.get(_complete_subtrees(0, size))
        new: dict[NodeId, bytes] = {}
        for leaf in leaf_hashes:
            node, digest = NodeId(0, size), leaf
            new[node] = digest
            while node.position % 2:  # a right child: its parent is complete now
                node, digest = NodeId(node.level + 1, node.position // 2), node_hash(edge.pop(), digest)
                new[node] = digest
            edge.append(digest)
            size += 1
        self._store.put(size, new)
        return size

    def root(self, size: int | None = None) -> bytes:
        """The Merkle tree hash of the first `size` leaves, or of all. Raises InvalidProof beyond those."""
        size = self._store.size() if size is None else self._known(size)
        return self._hashes([(0, size)])[0] if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """That the leaf `index` is among the first `size` (RFC 9162 §2.1.3.1). Raises InvalidProof."""
        if not 0 <= index < self._known(size):
            raise InvalidProof(f"no leaf {index} among {size}")
        start, end, siblings = 0, size, []
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                siblings.append((middle, end))
                end = middle
            else:
                siblings.append((start, middle))
                start = middle
        return self._hashes(siblings[::-1])

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """That the first `old` leaves begin the first `new` (RFC 9162 §2.1.4.1). Raises InvalidProof."""
        if not 0 <= old <= self._known(new):
            raise InvalidProof(f"no tree of {old} leaves within one of {new}")
        if old in (0, new):
            return []
        start, end, parts = 0, new, []
        while end != old:
            middle = start + _split(end - start)
            if old <= middle:
                parts.append((middle, end))
                end = middle
            else:
                parts.append((start, middle))
                start = middle
        if start:  # otherwise the verifier knows this part: it is the old root
            parts.append((start, end))
        return self._hashes(parts[::-1])

    def _known(self, size: int) -> int:
        if not 0 <= size <= self._store.size():
            raise InvalidProof(f"the log has no {size} leaves")
        return size

    def _hashes(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The tree hashes of ranges of leaves, read from the store at once."""
        parts = [_complete_subtrees(start, end) for start, end in ranges]
        stored = iter(self._store.get([node for part in parts for node in part]))
        return [_fold([next(stored) for _ in part]) for part in parts]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2; `leaf` is a leaf hash. Raises InvalidProof."""
    if not 0 <= index < size:
        raise InvalidProof("the index lies outside the tree")
    node, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise InvalidProof("it is too long")
        if node % 2 or node == last:
            digest = node_hash(sibling, digest)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or digest != root:
        raise InvalidProof("it does not lead to the root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 §2.1.4.2: the old tree is the beginning of the new one. Raises InvalidProof."""
    if not 0 <= old_size <= new_size:
        raise InvalidProof("the old tree is larger than the new one")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected:
            raise InvalidProof("trees of these sizes need no proof, but their roots differ")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # a complete tree: its root is where the proof begins
        path.insert(0, old_root)
    if not path:
        raise InvalidProof("it is empty")
    node, last = old_size - 1, new_size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise InvalidProof("it is too long")
        if node % 2 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or old != old_root or new != new_root:
        raise InvalidProof("it does not lead from the old root to the new one")


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (RFC 9162 §2.1.1)."""
    return 1 << (count - 1).bit_length() - 1


def _complete_subtrees(start: int, end: int) -> list[NodeId]:
    """The complete subtrees that make up leaves start to end, the largest first."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(NodeId(level, start >> level))
        start += 1 << level
    return nodes


def _fold(hashes: list[bytes]) -> bytes:
    digest = hashes[-1]
    for left in reversed(hashes[:-1]):
        digest = node_hash(left, digest)
    return digest
