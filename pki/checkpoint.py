"""Signed heads of the log: C2SP tlog-checkpoint in a signed note, cosigned as C2SP tlog-cosignature.

A note is text, an empty line, and one line per signature: an em dash, the key's name, and base64 of the key's
hash (4 bytes) and the signature. Signatures by unknown keys are ignored; one that claims a known key must
verify.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pki.errors import InvalidCheckpoint

MAXIMUM_BYTES = 64 * 1024

_ED25519 = 0x01  # C2SP signed-note: signature types
_ED25519_COSIGNATURE = 0x04
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the log. `origin` names the log for ever; `root` is the tree hash of `size` leaves."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The signed text: origin, size and root, one per line."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey, name: str) -> bytes:
    """The signed note (UTF-8). `name` is the key's, without blanks or '+'; the log's own bears its origin."""
    text = checkpoint.text()
    if parse_checkpoint_text(text) != checkpoint:
        raise InvalidCheckpoint("origin, size or root cannot be written down")
    signature = key.sign(text.encode())
    return f"{text}\n{_signature_line(name, _ED25519, key.public_key(), signature)}".encode()


def verify_checkpoint(note: bytes, public_key: Ed25519PublicKey, name: str | None = None) -> Checkpoint:
    """The checkpoint of a note that this key signed. `name` of the key; None: it is the origin.

    Raises InvalidCheckpoint.
    """
    text, signatures = _split_note(note)
    checkpoint = parse_checkpoint_text(text)
    name = checkpoint.origin if name is None else name
    found = False
    for signature in _signatures_of(signatures, name, _ED25519, public_key):
        _verify(public_key, signature, text.encode())
        found = True
    if not found:
        raise InvalidCheckpoint(f"it carries no signature by {name}")
    return checkpoint


def cosign_checkpoint(note: bytes, key: Ed25519PrivateKey, name: str, at: datetime) -> bytes:
    """Add a witness's cosignature: it saw this head, consistent with all it saw before, at that time."""
    text, _ = _split_note(note)
    seconds = int(at.timestamp())
    signature = key.sign(_cosigned(text, seconds))
    timed = seconds.to_bytes(8, "big") + signature
    return note + _signature_line(name, _ED25519_COSIGNATURE, key.public_key(), timed).encode()


def verify_cosignature(note: bytes, public_key: Ed25519PublicKey, name: str) -> datetime:
    """When this witness cosigned the note (aware UTC). Raises InvalidCheckpoint."""
    text, signatures = _split_note(note)
    for timed in _signatures_of(signatures, name, _ED25519_COSIGNATURE, public_key):
        seconds = int.from_bytes(timed[:8], "big")
        _verify(public_key, timed[8:], _cosigned(text, seconds))
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as exc:
            raise InvalidCheckpoint("the time of the cosignature") from exc
    raise InvalidCheckpoint(f"it carries no cosignature by {name}")


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Origin, size and root; further lines, extensions, are not used here. Raises InvalidCheckpoint."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise InvalidCheckpoint("it does not begin with origin, size and root")
    return Checkpoint(lines[0], int(lines[1]), _root(lines[2]))


def _root(text: str) -> bytes:
    root = _decode_base64(text)
    if len(root) != 32:
        raise InvalidCheckpoint("the root has not 32 bytes")
    return root


def _decode_base64(text: str) -> bytes:
    """Canonical base64 only: no stray bits behind the padding, so that one note has one text."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise InvalidCheckpoint("malformed base64") from exc
    if base64.b64encode(decoded).decode() != text:
        raise InvalidCheckpoint("malformed base64")
    return decoded


def _split_note(note: bytes) -> tuple[str, list[str]]:
    """The signed text with its last newline, and the signature lines. Raises InvalidCheckpoint."""
    if len(note) > MAXIMUM_BYTES:
        raise InvalidCheckpoint(f"more than {MAXIMUM_BYTES} bytes")
    try:
        decoded = note.decode()
    except UnicodeDecodeError as exc:
        raise InvalidCheckpoint("it is not UTF-8") from exc
    text, separator, signatures = decoded.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise InvalidCheckpoint("it is not a signed note")
    if any(ord(character) < 0x20 and character != "\n" for character in decoded):
        raise InvalidCheckpoint("it holds control characters")
    return text + "\n", signatures[:-1].split("\n")


def _signatures_of(lines: list[str], name: str, kind: int, public_key: Ed25519PublicKey) -> Iterator[bytes]:
    for line in lines:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise InvalidCheckpoint("a signature line is malformed")
        decoded = _decode_base64(match[2])
        if match[1] == name and decoded[:4] == _key_hash(name, kind, public_key):
            yield decoded[4:]


def _verify(public_key: Ed25519PublicKey, signature: bytes, data: bytes) -> None:
    try:
        public_key.verify(signature, data)
    except InvalidSignature as exc:
        raise InvalidCheckpoint("a signature does not verify") from exc


def _signature_line(name: str, kind: int, public_key: Ed25519PublicKey, signature: bytes) -> str:
    encoded = base64.b64encode(_key_hash(name, kind, public_key) + signature).decode()
    line = f"— {name} {encoded}"
    if not _SIGNATURE_LINE.fullmatch(line):
        raise InvalidCheckpoint("the key's name holds blanks or '+'")
    return line + "\n"


def _key_hash(name: str, kind: int, public_key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key.public_bytes_raw()).digest()[:4]


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
