"""Where contracts lie: a port, and its default: a local folder, addressed by content, encrypted at rest."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.problems import NotFound, Unavailable

_NONCE = 12
_DIGEST = re.compile("[0-9a-f]{64}")


class DocumentStore(Protocol):
    """Content-addressed storage; names are SHA-256 in lower-case hexadecimal."""

    def put(self, content: bytes) -> str:
        """Store bytes, durably once it returns, and answer their name. Storing the same again is harmless."""

    def get(self, sha256: str) -> bytes:
        """The bytes of that name. Raises NotFound, or Unavailable when they are not intact."""

    def delete(self, sha256: str) -> None:
        """Forget a document; harmless when it is gone already."""

    def names(self) -> Iterator[str]:
        """The names of everything stored, in no order."""


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
        if not self._path(name).exists():
            self._write(name, content)
        return name

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = secrets.token_bytes(_NONCE)
        temporary = path.with_suffix("." + secrets.token_hex(4))
        with open(temporary, "xb", opener=_private) as file:
            file.write(nonce + self._cipher.encrypt(nonce, content, name.encode()))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)

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

    def delete(self, sha256: str) -> None:
        """Remove the file. Whoever wants the bytes gone from the medium as well encrypts the medium."""
        self._path(sha256).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """What is stored; temporary files of a writer that was killed are not."""
        for path in self._folder.glob("??/*"):
            if _DIGEST.fullmatch(path.name):
                yield path.name

    def seal_plain_files(self) -> int:
        """Seal what lies here as plain bytes under its own digest, as an earlier store or a copy may have left it.

        Returns how many; harmless to repeat, and to interrupt: a file is replaced in one step.
        """
        sealed = 0
        for name in list(self.names()):
            content = self._path(name).read_bytes()
            if hashlib.sha256(content).hexdigest() == name:
                self._write(name, content)
                sealed += 1
        return sealed

    def sweep(self, older_than: float) -> int:
        """Remove temporary files that writers left when they were killed before that time (seconds since 1970)."""
        left = [p for p in self._folder.glob("??/*.*") if p.stat().st_mtime < older_than]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
