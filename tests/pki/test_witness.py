from threading import Lock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pki.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint, verify_cosignature
from pki.errors import CheckpointForked, CheckpointOutdated, InvalidCheckpoint, InvalidProof, PkiError
from pki.translog import MerkleLog, leaf_hash
from pki.witness import Witness
from tests.pki.hierarchy import START, MovableClock
from tests.pki.test_translog import MemoryNodes

ORIGIN, NAME = "bank.example.com/log", "witness.example.net"
LOG_KEY, KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
LOG_PUBLIC = LOG_KEY.public_key()


class MemoryStore:
    def __init__(self) -> None:
        self._heads: dict[str, Checkpoint] = {}
        self._lock = Lock()

    def latest(self, origin: str) -> Checkpoint | None:
        return self._heads.get(origin)

    def replace(self, origin: str, old: Checkpoint | None, new: Checkpoint) -> bool:
        with self._lock:
            if self._heads.get(origin) != old:
                return False
            self._heads[origin] = new
            return True


def log_of(*entries: str) -> MerkleLog:
    log = MerkleLog(MemoryNodes())
    log.append(leaf_hash(entry.encode()) for entry in entries)
    return log


HONEST = log_of(*"abcdefgh")
FORKED = log_of(*"abcXefgh")


def head(log: MerkleLog, size: int, key: Ed25519PrivateKey = LOG_KEY, origin: str = ORIGIN) -> bytes:
    return sign_checkpoint(Checkpoint(origin, size, log.root(size)), key, origin)


@pytest.fixture
def witness() -> Witness:
    return Witness(MemoryStore(), KEY, NAME, MovableClock())


def test_it_follows_a_growing_log_and_repeats_itself(witness: Witness) -> None:
    assert witness.latest(ORIGIN) is None
    old = 0
    for size in (3, 5, 5, 8):
        note = witness.cosign(head(HONEST, size), HONEST.consistency_proof(old, size), LOG_PUBLIC)
        assert verify_checkpoint(note, LOG_PUBLIC) == witness.latest(ORIGIN)
        assert verify_cosignature(note, KEY.public_key(), NAME) == START
        old = size


def test_a_fork_is_refused_and_changes_nothing(witness: Witness) -> None:
    witness.cosign(head(HONEST, 5), [], LOG_PUBLIC)
    with pytest.raises(CheckpointForked):
        witness.cosign(head(FORKED, 5), [], LOG_PUBLIC)
    for proof in (FORKED.consistency_proof(5, 8), HONEST.consistency_proof(5, 8), []):
        with pytest.raises(InvalidProof):
            witness.cosign(head(FORKED, 8), proof, LOG_PUBLIC)
    assert witness.latest(ORIGIN) == Checkpoint(ORIGIN, 5, HONEST.root(5))
    witness.cosign(head(HONEST, 8), HONEST.consistency_proof(5, 8), LOG_PUBLIC)


def test_a_smaller_log_is_outdated(witness: Witness) -> None:
    witness.cosign(head(HONEST, 5), [], LOG_PUBLIC)
    with pytest.raises(CheckpointOutdated) as caught:
        witness.cosign(head(HONEST, 3), [], LOG_PUBLIC)
    assert caught.value.args == (ORIGIN, 5)


def test_only_the_logs_own_signature_counts(witness: Witness) -> None:
    for note in (head(HONEST, 5, KEY), b"", b"\xff"):
        with pytest.raises(InvalidCheckpoint):
            witness.cosign(note, [], LOG_PUBLIC)
    assert witness.latest(ORIGIN) is None


def test_logs_are_kept_apart(witness: Witness) -> None:
    witness.cosign(head(HONEST, 5), [], LOG_PUBLIC)
    witness.cosign(head(FORKED, 5, origin="other.example.com/log"), [], LOG_PUBLIC)
    assert witness.latest(ORIGIN) == Checkpoint(ORIGIN, 5, HONEST.root(5))


def test_of_two_calls_at_once_one_is_sent_back() -> None:
    class Overtaken(MemoryStore):
        def replace(self, origin: str, old: Checkpoint | None, new: Checkpoint) -> bool:
            super().replace(origin, old, Checkpoint(origin, 8, HONEST.root(8)))
            return super().replace(origin, old, new)

    witness = Witness(Overtaken(), KEY, NAME, MovableClock())
    with pytest.raises(CheckpointOutdated):
        witness.cosign(head(FORKED, 5), [], LOG_PUBLIC)
    assert witness.latest(ORIGIN) == Checkpoint(ORIGIN, 8, HONEST.root(8))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=12))
def test_whatever_it_is_asked_it_never_cosigns_two_histories(calls: list[tuple[bool, int]]) -> None:
    witness = Witness(MemoryStore(), KEY, NAME, MovableClock())
    cosigned: list[tuple[bool, int]] = []
    for honest, size in calls:
        log, seen = HONEST if honest else FORKED, witness.latest(ORIGIN)
        try:
            proof = log.consistency_proof(seen.size if seen else 0, size)
            witness.cosign(head(log, size), proof, LOG_PUBLIC)
        except PkiError:
            continue
        cosigned.append((honest, size))
    beyond_the_fork = {honest for honest, size in cosigned if size > 3}
    assert len(beyond_the_fork) <= 1
    assert [size for _, size in cosigned] == sorted(size for _, size in cosigned)
