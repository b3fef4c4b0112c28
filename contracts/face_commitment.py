"""A second, independent reading of face evidence: from its leaves to the root that a signature binds to.

Format "yunlian-face-evidence/1": {"format", "root", "leaves": [{"name", "hash", "salt",
"content_sha256", "text"}]}, digests and salts in hexadecimal. A leaf's hash is SHA-256(0x00 ||
canonical JSON of content_sha256, name and salt); the root is the Merkle tree hash of RFC 9162
§2.1.1. Of a leaf that was forgotten only name and hash remain, and nothing in them binds the one to the other;
therefore the format itself fixes the name of each place: report, policy, nonce, where it was agreed to the consent,
then either the notes of an assisted check or the portrait and the frames, numbered in their order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import InvalidEvidence
from pki.translog import leaf_hash, node_hash

FORMAT = "yunlian-face-evidence/1"
STEP = "face-evidence"
_MEMBERS = {"name", "hash", "salt", "content_sha256", "text"}
_MAX_LEAVES = 1024


def face_root(evidence: Mapping[str, Any]) -> bytes:
    """The root (32 bytes), recomputed from the leaves. Raises InvalidEvidence."""
    try:
        if set(evidence) != {"format", "root", "leaves"} or evidence["format"] != FORMAT:
            raise InvalidEvidence(STEP, "not face evidence of a known format")
        leaves = evidence["leaves"]
        names = [leaf["name"] for leaf in leaves]
        if len(leaves) > _MAX_LEAVES or names != _names(len(leaves), agreed="consent" in names):
            raise InvalidEvidence(STEP, "these are not the leaves of a face check")
        root = _tree_hash([_checked_hash(leaf) for leaf in leaves])
        if root.hex() != evidence["root"]:
            raise InvalidEvidence(STEP, "the leaves do not lead to the root")
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InvalidEvidence(STEP, "not face evidence") from exc
    return root


def _names(count: int, *, agreed: bool) -> list[str]:
    """What the leaves of a face check are called."""
    documents = ["report", "policy", "nonce", *(["consent"] if agreed else [])]
    frames = [f"frame-{number:03d}" for number in range(count - len(documents) - 1)]
    return [*documents, *(["portrait", *frames] if frames else ["notes"])]


def _checked_hash(leaf: Mapping[str, Any]) -> bytes:
    if set(leaf) != _MEMBERS:
        raise InvalidEvidence(STEP, "a leaf has unknown members")
    digest, text = bytes.fromhex(leaf["hash"]), leaf["text"]
    if len(digest) != 32 or digest.hex() != leaf["hash"]:
        raise InvalidEvidence(STEP, "a leaf hash has 32 bytes in lower case")
    if leaf["salt"] is None and leaf["content_sha256"] is None and text is None:
        return digest
    entry = {name: leaf[name] for name in ("content_sha256", "name", "salt")}
    if leaf_hash(json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()) != digest:
        raise InvalidEvidence(STEP, f"leaf {leaf['name']!r} does not fit its hash")
    if text is not None and hashlib.sha256(text.encode()).hexdigest() != leaf["content_sha256"]:
        raise InvalidEvidence(STEP, f"the text of leaf {leaf['name']!r} is not what it committed to")
    return digest


def _tree_hash(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(_tree_hash(hashes[:split]), _tree_hash(hashes[split:]))
