"""The root that a signature binds to: a Merkle tree over individually salted leaves.

Each leaf commits to one piece of a face check (report, policy, nonce, portrait, every frame) under 32 random
bytes of its own. A leaf can be forgotten - salt and digest destroyed - and what remains of it, its hash, says
nothing about the picture, while every other leaf still proves against the same root.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kyc.errors import EvidenceInvalid

FORMAT: Final = "yunlian-face-evidence/1"
_HASH_BYTES: Final = 32
_MAX_LEAVES: Final = 1024


@dataclass(frozen=True, slots=True)
class EvidenceLeaf:
    """One commitment.

    `hash` = SHA-256(0x00 || canonical JSON of {"content_sha256", "name", "salt"}), digest and salt in hex.
    Both are None once the leaf is forgotten. `text` is the content itself where it is JSON; pictures are kept
    elsewhere, sealed.
    """

    name: str
    hash: bytes
    salt: bytes | None
    content_sha256: bytes | None
    text: str | None

    @property
    def forgotten(self) -> bool:
        return self.salt is None or self.content_sha256 is None


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """The leaves of one face check in their order, and their root (RFC 9162 §2.1.1)."""

    root: bytes
    leaves: tuple[EvidenceLeaf, ...]

    def leaf(self, name: str) -> EvidenceLeaf:
        """Raises EvidenceInvalid where there is no such leaf."""
        for leaf in self.leaves:
            if leaf.name == name:
                return leaf
        raise EvidenceInvalid(f"no leaf is named {name!r}")

    def forget(self, names: frozenset[str]) -> "FaceEvidence":
        """The same evidence without salt, digest and content of the named leaves. The root stays."""
        return replace(
            self,
            leaves=tuple(
                replace(leaf, salt=None, content_sha256=None, text=None) if leaf.name in names else leaf
                for leaf in self.leaves
            ),
        )

    def hashes(self) -> "FaceEvidence":
        """The same evidence with every leaf forgotten: it proves the root and tells nothing else."""
        return self.forget(frozenset(leaf.name for leaf in self.leaves))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "root": self.root.hex(),
            "leaves": [
                {
                    "name": leaf.name,
                    "hash": leaf.hash.hex(),
                    "salt": None if leaf.salt is None else leaf.salt.hex(),
                    "content_sha256": None if leaf.content_sha256 is None else leaf.content_sha256.hex(),
                    "text": leaf.text,
                }
                for leaf in self.leaves
            ],
        }


def canonical_json(value: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces, no NaN. Leaves keep the text, so nobody must write the same floats again."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def build_evidence(documents: Mapping[str, Mapping[str, Any]], pictures: Mapping[str, bytes]) -> FaceEvidence:
    """Evidence with a fresh salt per leaf: JSON documents first, then pictures, each in the order given."""
    texts = {name: canonical_json(document) for name, document in documents.items()}
    leaves = [_new_leaf(name, text.encode(), text) for name, text in texts.items()]
    leaves += [_new_leaf(name, picture, None) for name, picture in pictures.items()]
    return FaceEvidence(root=_root([leaf.hash for leaf in leaves]), leaves=tuple(leaves))


def parse_evidence(stored: Mapping[str, Any]) -> FaceEvidence:
    """The evidence that `to_json` wrote, verified. Raises EvidenceInvalid."""
    try:
        if stored["format"] != FORMAT or len(stored["leaves"]) > _MAX_LEAVES:
            raise EvidenceInvalid("not face evidence of a known format")
        leaves = tuple(_parse_leaf(leaf) for leaf in stored["leaves"])
        evidence = FaceEvidence(root=bytes.fromhex(stored["root"]), leaves=leaves)
    except (KeyError, TypeError, ValueError) as exc:
        raise EvidenceInvalid("not face evidence") from exc
    verify_evidence(evidence)
    return evidence


def verify_evidence(evidence: FaceEvidence) -> None:
    """Leaves not forgotten fit their hashes, and the hashes lead to the root. Raises EvidenceInvalid."""
    names = [leaf.name for leaf in evidence.leaves]
    if not names or len(set(names)) != len(names):
        raise EvidenceInvalid("leaves have distinct names, and there is at least one")
    for leaf in evidence.leaves:
        _verify_hash(leaf)
    if _root([leaf.hash for leaf in evidence.leaves]) != evidence.root:
        raise EvidenceInvalid("the leaves do not lead to the root")


def verify_leaf(evidence: FaceEvidence, name: str, content: bytes) -> None:
    """`content` is what the leaf `name` committed to. Raises EvidenceInvalid, also if it is forgotten."""
    verify_evidence(evidence)
    leaf = evidence.leaf(name)
    if leaf.content_sha256 != hashlib.sha256(content).digest():
        raise EvidenceInvalid(f"this is not the content of leaf {name!r}")


def _parse_leaf(stored: Mapping[str, Any]) -> EvidenceLeaf:
    salt, digest, text = stored["salt"], stored["content_sha256"], stored["text"]
    return EvidenceLeaf(
        name=str(stored["name"]),
        hash=bytes.fromhex(stored["hash"]),
        salt=None if salt is None else bytes.fromhex(salt),
        content_sha256=None if digest is None else bytes.fromhex(digest),
        text=None if text is None else str(text),
    )


def _new_leaf(name: str, content: bytes, text: str | None) -> EvidenceLeaf:
    salt = secrets.token_bytes(_HASH_BYTES)
    digest = hashlib.sha256(content).digest()
    return EvidenceLeaf(name=name, hash=_leaf_hash(name, salt, digest), salt=salt, content_sha256=digest, text=text)


def _leaf_hash(name: str, salt: bytes, content_sha256: bytes) -> bytes:
    entry = canonical_json({"name": name, "salt": salt.hex(), "content_sha256": content_sha256.hex()})
    return hashlib.sha256(b"\x00" + entry.encode()).digest()


def _verify_hash(leaf: EvidenceLeaf) -> None:
    if len(leaf.hash) != _HASH_BYTES:
        raise EvidenceInvalid("a leaf hash has 32 bytes")
    if leaf.salt is None or leaf.content_sha256 is None:
        if leaf.salt is not None or leaf.content_sha256 is not None or leaf.text is not None:
            raise EvidenceInvalid(f"leaf {leaf.name!r} is forgotten by half")
        return
    if len(leaf.salt) != _HASH_BYTES or leaf.hash != _leaf_hash(leaf.name, leaf.salt, leaf.content_sha256):
        raise EvidenceInvalid(f"leaf {leaf.name!r} does not fit its hash")
    if leaf.text is not None and hashlib.sha256(leaf.text.encode()).digest() != leaf.content_sha256:
        raise EvidenceInvalid(f"the text of leaf {leaf.name!r} is not what it committed to")


def _root(hashes: Sequence[bytes]) -> bytes:
    """Merkle tree hash (RFC 9162 §2.1.1): split at the largest power of two below the count."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(hashes[:split]) + _root(hashes[split:])).digest()
