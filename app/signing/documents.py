"""Where contracts lie: a local folder, addressed by content, encrypted at rest."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.problems import NotFound, Unavailable

_NONCE = 12


class SealedDocumentStore:
    """Documents under their SHA-256, sealed with AES-256-GCM whose associated data is that digest.

    What comes out is checked against its name, so a swapped or rotten file is noticed and never shown.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._cipher = AESGCM(hashlib.sha256(b"yunlian documents" + key).digest())

    def put(self, content: bytes) -> str:
        """Store the content and return its SHA-256 in hexadecimal. Storing the same content again does nothing."""
        name = hashlib.sha256(content).hexdigest()
        path = self._path(name)
        if path.exists():
            return name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = secrets.token_bytes(_NONCE)
        temporary = path.with_suffix("." + secrets.token_hex(4))
        with open(temporary, "xb", opener=_private) as file:
            file.write(nonce + self._cipher.encrypt(nonce, content, name.encode()))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        return name

    def get(self, sha256: str) -> bytes:
        """The content of that digest. Raises NotFound, or Unavailable when the stored bytes are not intact."""
        try:
            sealed = self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFound("no such document") from None
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], sha256.encode())
        except (InvalidTag, ValueError) as exc:
            raise Unavailable("the stored document is damaged") from exc

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
