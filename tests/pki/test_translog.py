import hashlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import InvalidProof
from pki.translog import (
    EMPTY_ROOT,
    MerkleLog,
    NodeId,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)


class MemoryNodes:
    """A NodeStore that notices when something stored would change."""

    def __init__(self) -> None:
        self._nodes: dict[NodeId, bytes] = {}
        self._size = 0

    def size(self) -> int:
        return self._size

    def get(self, nodes: Sequence[NodeId]) -> list[bytes]:
        return [self._nodes[node] for node in nodes]

    def put(self, size: int, nodes: Mapping[NodeId, bytes]) -> None:
        assert size >= self._size
        assert not self._nodes.keys() & nodes.keys()
        self._nodes |= nodes
        self._size = size


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def grown(count: int, batch: int = 1_000_000) -> MerkleLog:
    log, entries = MerkleLog(MemoryNodes()), leaves(count)
    for start in range(0, count, batch):
        log.append(entries[start : start + batch])
    return log


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(naive_root(hashes[:k]), naive_root(hashes[k:]))


LARGEST = 70
LOG = grown(LARGEST)
ENTRIES = leaves(LARGEST)


def test_hashes_are_those_of_the_standard() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    # the tree of seven leaves in the test vectors of Certificate Transparency
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    log = MerkleLog(MemoryNodes())
    log.append(leaf_hash(bytes.fromhex(text)) for text in inputs)
    assert log.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert log.root(3).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 64])
def test_every_root_equals_the_naive_one_however_it_was_batched(batch: int) -> None:
    log = grown(LARGEST, batch)
    for size in range(LARGEST + 1):
        assert log.root(size) == naive_root(ENTRIES[:size])
    assert log.root() == naive_root(ENTRIES)


def test_every_inclusion_proof_verifies_and_for_its_place_only() -> None:
    for size in range(1, 34):
        root = LOG.root(size)
        for index in range(size):
            proof = LOG.inclusion_proof(index, size)
            verify_inclusion(ENTRIES[index], index, size, proof, root)
            for wrong in (index + 1, index - 1):
                with pytest.raises(InvalidProof):
                    verify_inclusion(ENTRIES[index], wrong, size, proof, root)


def test_every_consistency_proof_verifies() -> None:
    for new in range(34):
        for old in range(new + 1):
            proof = LOG.consistency_proof(old, new)
            verify_consistency(old, LOG.root(old), new, LOG.root(new), proof)


@given(st.data())
def test_a_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    proof = LOG.inclusion_proof(index, size)
    with pytest.raises(InvalidProof):
        verify_inclusion(ENTRIES[index], index, size, changed(data, proof), LOG.root(size))
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(b"other"), index, size, proof, LOG.root(size))


@given(st.data())
def test_a_changed_consistency_proof_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, LARGEST))
    old = data.draw(st.integers(0, new))
    proof = LOG.consistency_proof(old, new)
    with pytest.raises(InvalidProof):
        verify_consistency(old, LOG.root(old), new, LOG.root(new), changed(data, proof))


def changed(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    if not proof or data.draw(st.booleans()):
        return [*proof, data.draw(st.sampled_from((bytes(32), *proof)))]
    place = data.draw(st.integers(0, len(proof) - 1))
    replacement = data.draw(st.sampled_from(([], [bytes(32)])))
    return proof[:place] + replacement + proof[place + 1 :]


@given(st.integers(2, LARGEST), st.data())
def test_deleting_changing_or_swapping_a_past_leaf_breaks_consistency(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    place = data.draw(st.integers(0, old - 1))
    forged_leaves = data.draw(
        st.sampled_from(
            (
                ENTRIES[:place] + ENTRIES[place + 1 : size] + [leaf_hash(b"filler")],
                [*ENTRIES[:place], leaf_hash(b"backdated"), *ENTRIES[place + 1 : size]],
                [ENTRIES[place + 1], *ENTRIES[:place], ENTRIES[place], *ENTRIES[place + 2 : size]],
            )
        )
    )
    forged = MerkleLog(MemoryNodes())
    forged.append(forged_leaves)
    if forged.root(old) == LOG.root(old):
        return  # the swap moved nothing within the old tree
    with pytest.raises(InvalidProof):
        verify_consistency(old, LOG.root(old), size, forged.root(size), forged.consistency_proof(old, size))


def test_sizes_outside_the_log_are_refused() -> None:
    for call in (
        lambda: LOG.root(LARGEST + 1),
        lambda: LOG.root(-1),
        lambda: LOG.inclusion_proof(0, LARGEST + 1),
        lambda: LOG.inclusion_proof(5, 5),
        lambda: LOG.inclusion_proof(-1, 5),
        lambda: LOG.consistency_proof(6, 5),
        lambda: LOG.consistency_proof(5, LARGEST + 1),
    ):
        with pytest.raises(InvalidProof):
            call()


@given(st.integers(-5, 80), st.integers(-5, 80), st.lists(st.binary(min_size=32, max_size=32), max_size=8))
def test_arbitrary_proofs_raise_nothing_else(a: int, b: int, proof: list[bytes]) -> None:
    with pytest.raises(InvalidProof):
        verify_inclusion(bytes(32), a, b, proof, bytes([1]) * 32)
    if a != b:
        with pytest.raises(InvalidProof):
            verify_consistency(a, bytes(32), b, bytes([1]) * 32, proof)
