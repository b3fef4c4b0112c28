"""Base64 with exactly one text for every octet string, so that no signature or token has a twin."""

from __future__ import annotations

import base64
import binascii


def base64url(octets: bytes) -> str:
    """RFC 7515 §2: URL-safe alphabet, no padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def parse_base64url(text: str) -> bytes:
    """The octets of unpadded base64url. Raises ValueError for other forms, also for stray trailing bits."""
    try:
        octets = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("not base64url") from exc
    if base64url(octets) != text:
        raise ValueError("not the canonical base64url")
    return octets


def parse_base64(text: str) -> bytes:
    """The octets of padded base64, as in structured fields (RFC 9651 §4.2.7). Raises ValueError otherwise."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("not base64") from exc
    if base64.b64encode(octets).decode() != text:
        raise ValueError("not the canonical base64")
    return octets
