"""A witness of the log: cosigns a head only where it continues all heads it cosigned before (C2SP tlog-witness).

Whoever holds a cosigned head knows that the witness, too, saw the log that way; a log that shows one history to the
bank's auditor and another to a platform needs the witness's help, and does not get it.
"""

from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pki.checkpoint import Checkpoint, cosign_checkpoint, verify_checkpoint
from pki.errors import CheckpointForked, CheckpointOutdated
from pki.ports import Clock
from pki.translog import EMPTY_ROOT, verify_consistency


class WitnessStore(Protocol):
    """The last head seen of each log, by origin. It must outlive the witness's process."""

    def latest(self, origin: str) -> Checkpoint | None:
        """None for a log never seen before."""

    def replace(self, origin: str, old: Checkpoint | None, new: Checkpoint) -> bool:
        """Keep `new` durably if `latest` is still `old`: atomically, and False where it is not."""


class Witness:
    """`name` is the witness's key name in notes: no blanks, no '+'."""

    def __init__(self, store: WitnessStore, key: Ed25519PrivateKey, name: str, clock: Clock) -> None:
        self._store, self._key, self._name, self._clock = store, key, name, clock

    def latest(self, origin: str) -> Checkpoint | None:
        """The head from which the next proof has to lead on; None: from the empty log."""
        return self._store.latest(origin)

    def cosign(
        self, note: bytes, proof: Sequence[bytes], log_key: Ed25519PublicKey, *, log_key_name: str | None = None
    ) -> bytes:
        """The note with this witness's cosignature added; `proof` leads from `latest` to it (RFC 9162 §2.1.4).

        The same head may be cosigned again, with an empty proof. `log_key_name` None: it is the origin.
        Raises InvalidCheckpoint where the log did not sign it, CheckpointOutdated where the witness saw a larger
        log or another call came first: ask for `latest` and prove from there; CheckpointForked where the log signed
        two roots for one size, which both notes together prove to anybody; InvalidProof where the proof does not
        lead from one head to the other, as a fork at different sizes cannot help but do.
        """
        # 1. It is a head of this log.
        head = verify_checkpoint(note, log_key, log_key_name)
        # 2. It continues what was seen.
        seen = self._store.latest(head.origin)
        self._verify_continues(seen, head, proof)
        # 3. It is remembered before it is cosigned: a crash in between costs a cosignature, never a promise.
        if head != seen and not self._store.replace(head.origin, seen, head):
            raise CheckpointOutdated(head.origin, head.size)
        # 4. It is cosigned.
        return cosign_checkpoint(note, self._key, self._name, self._clock())

    @staticmethod
    def _verify_continues(seen: Checkpoint | None, head: Checkpoint, proof: Sequence[bytes]) -> None:
        old_size, old_root = (seen.size, seen.root) if seen else (0, EMPTY_ROOT)
        if head.size < old_size:
            raise CheckpointOutdated(head.origin, old_size)
        if head.size == old_size and head.root != old_root:
            raise CheckpointForked(head.origin, head.size)
        verify_consistency(old_size, old_root, head.size, head.root, proof)
