"""The parameters of a request, and the string that is signed over them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote_to_bytes

from app.gateway.problems import InvalidRequest

BEIJING = timezone(timedelta(hours=8))
MAX_FORM = 512 * 1024  # octets, URL-encoded
_MAX_PARAMETERS = 32
_PAIR = re.compile(rb"(?P<name>[A-Za-z][A-Za-z0-9_]{0,31})=(?P<value>(?:[!-$'-;>-~]|=|%[0-9A-Fa-f]{2})*)")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_MSG_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BIZ_CONTENT = "biz_content"
_SIGN_TYPES = frozenset({"RSA2", "CA"})


@dataclass(frozen=True, slots=True)
class Parameters:
    """A request of the right form; nothing in it is proven. `to_sign` are the octets under the signature."""

    app_id: str
    msg_id: str
    sign_type: str
    timestamp: datetime
    app_auth_token: str
    biz_content: str
    encrypted: bool
    ca: bytes | None
    sign: bytes
    to_sign: bytes


def parse_pairs(encoded: bytes) -> dict[str, str]:
    """An application/x-www-form-urlencoded text in UTF-8, every name once. Raises InvalidRequest."""
    if len(encoded) > MAX_FORM:
        raise InvalidRequest("the parameters are too long")
    pairs: dict[str, str] = {}
    for number, piece in enumerate(encoded.split(b"&") if encoded else ()):
        match = _PAIR.fullmatch(piece)
        if match is None or number >= _MAX_PARAMETERS:
            raise InvalidRequest("not a form of at most 32 named parameters")
        name = match["name"].decode()
        if name in pairs:
            raise InvalidRequest(f"{name} occurs twice")
        try:
            pairs[name] = unquote_to_bytes(match["value"].replace(b"+", b" ")).decode()
        except UnicodeDecodeError as exc:
            raise InvalidRequest(f"{name} is not UTF-8") from exc
    return pairs


def string_to_sign(path: str, pairs: Mapping[str, str]) -> str:
    """Path, `?`, all parameters with a value but `sign`, sorted by name, as `k=v` joined by `&`; not URL-encoded."""
    signed = sorted((name, value) for name, value in pairs.items() if value and name != "sign")
    return f"{path}?" + "&".join(f"{name}={value}" for name, value in signed)


def parse_parameters(path: str, pairs: Mapping[str, str]) -> Parameters:
    """Check the form of every parameter. Raises InvalidRequest.

    Only `biz_content` may hold `&`: else one string to sign would be that of several requests.
    """
    for name, value in pairs.items():
        if "&" in value and name != _BIZ_CONTENT:
            raise InvalidRequest(f"{name} has a character that it cannot have")
    given = {name: value for name, value in pairs.items() if value}
    if given.get("format", "json") != "json" or given.get("charset", "UTF-8").upper() != "UTF-8":
        raise InvalidRequest("format is json and charset is UTF-8")
    sign_type = _required(given, "sign_type")
    if sign_type not in _SIGN_TYPES:
        raise InvalidRequest("sign_type is RSA2 or CA; RSA, which is SHA-1, is not accepted")
    if (sign_type == "CA") != ("ca" in given):
        raise InvalidRequest("ca goes with the sign_type CA")
    if given.get("encrypt_type", "AES") != "AES":
        raise InvalidRequest("encrypt_type is AES or absent")
    msg_id = _required(given, "msg_id")
    if not _MSG_ID.fullmatch(msg_id):
        raise InvalidRequest("msg_id is 1 to 64 letters, digits, dots, hyphens or underscores")
    return Parameters(
        app_id=_required(given, "app_id"),
        msg_id=msg_id,
        sign_type=sign_type,
        timestamp=_parse_timestamp(_required(given, "timestamp")),
        app_auth_token=_required(given, "app_auth_token"),
        biz_content=_required(given, _BIZ_CONTENT),
        encrypted="encrypt_type" in given,
        ca=_octets("ca", given["ca"]) if "ca" in given else None,
        sign=_octets("sign", _required(given, "sign")),
        to_sign=string_to_sign(path, pairs).encode(),
    )


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise InvalidRequest(f"{name} is missing")
    return given[name]


def _parse_timestamp(text: str) -> datetime:
    try:
        if not _TIMESTAMP.fullmatch(text):
            raise ValueError
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest("timestamp is yyyy-MM-dd HH:mm:ss in GMT+8") from exc


def _octets(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as exc:  # binascii.Error and UnicodeEncodeError are ones
        raise InvalidRequest(f"{name} is not Base64") from exc
