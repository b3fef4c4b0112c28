"""Base64 with exactly one text for every octet string, so that no signature or token has a twin."""

from __future__ import annotations

import base64
import binascii

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is not of the URL-safe alphabet becomes what no alphabet has
_PADDING = (b"", None, b"==", b"=")  # by the length modulo 4
_LAST = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))  # those whose trailing bits are zero


def base64url(octets: bytes) -> str:
    """RFC 7515 §2: URL-safe alphabet, no padding."""
    return binascii.b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def parse_base64url(text: str) -> bytes:
    """The octets of unpadded base64url. Raises ValueError for other forms, also for stray trailing bits."""
    over = len(text) % 4
    padding, last = _PADDING[over], _LAST[over]
    try:
        encoded = text.encode("ascii")
        if padding is None or (last is not None and encoded[-1] not in last):
            raise ValueError("not the canonical base64url")
        return binascii.a2b_base64(encoded.translate(_FROM_URL) + padding, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("not base64url") from exc


def parse_base64(text: str) -> bytes:
    """The octets of padded base64, as in structured fields (RFC 9651 §4.2.7). Raises ValueError otherwise."""
    try:
        octets = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as exc:
        raise ValueError("not base64") from exc
    if base64.b64encode(octets).decode() != text:
        raise ValueError("not the canonical base64")
    return octets
