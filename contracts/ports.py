"""What the package needs from outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

Clock = Callable[[], datetime]
"""Answers the present time as an aware UTC datetime."""


class TimestampSource(Protocol):
    """An RFC 3161 time-stamp authority, embedded or remote."""

    def timestamp(self, digest_sha256: bytes) -> bytes:
        """Time-stamp a SHA-256 digest (32 bytes).

        Returns DER: a TimeStampToken (CMS ContentInfo) or a whole TimeStampResp (RFC 3161 §2.4.2).
        Raises an exception of its own where none can be had.
        """


class DocumentStore(Protocol):
    """Content-addressed storage of documents."""

    def put(self, document: bytes) -> str:
        """Store bytes; answers their SHA-256 in lower-case hexadecimal. Storing twice is harmless."""

    def get(self, sha256: str) -> bytes:
        """The bytes with this digest; raises `contracts.errors.DocumentNotFound`."""
