"""Signatures between the bank and the clearing: RFC 9421 over every request, and over every answer bound to its request.

Signature-Input: clearing=("@method" "@target-uri" "content-type" "content-digest");created=…;nonce="…";keyid="…";tag="yunlian-clearing"
Signature-Input: clearing=("@status" "content-type" "content-digest" "signature";req;key="clearing");created=…;keyid="…";tag="yunlian-clearing"
"""  # noqa: E501 - fields as they are sent

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from app.gateway import httpsig
from app.gateway.httpsig import HttpSignatureError
from pki.keys import PrivateKey, PublicKey, check_public_key

LABEL, TAG = "clearing", "yunlian-clearing"
OLDEST = 60  # seconds that a request may be old, or ahead of our clock
_REQUEST = ('"@method"', '"@target-uri"', '"content-type"', '"content-digest"')
_BOUND = '"signature";req;key="clearing"'
_ANSWER = ('"@status"', '"content-type"', '"content-digest"', _BOUND)

FindKey = Callable[[str], PublicKey | None]


def key_id(public_key: PublicKey) -> str:
    """The name of a key without certificate: the base64url SHA-256 of its SubjectPublicKeyInfo."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(spki).digest()).rstrip(b"=").decode()


def load_public_key(path: Path) -> PublicKey:
    """A pinned key in PEM. Raises OSError, ValueError; WeakKey where it is none to trust."""
    try:
        return check_public_key(load_pem_public_key(path.read_bytes()))
    except UnsupportedAlgorithm as exc:
        raise ValueError("a kind of key that is not supported") from exc


def sign_request(
    key: PrivateKey, keyid: str, *, target: str, content_type: str, body: bytes, created: int
) -> dict[str, str]:
    """The fields of a signed POST."""
    digest = httpsig.content_digest(body)
    values = dict(zip(_REQUEST, ("POST", target, content_type, digest), strict=True))
    parameters: dict[str, int | str] = {
        "created": created,
        "nonce": secrets.token_urlsafe(18),
        "keyid": keyid,
        "tag": TAG,
    }
    fields = {"Content-Type": content_type, "Content-Digest": digest}
    return fields | httpsig.sign(key, LABEL, _REQUEST, values, parameters)


def verify_request(headers: Mapping[str, str], find_key: FindKey, *, target: str, body: bytes, now: int) -> None:
    """Raises HttpSignatureError."""
    values = {
        '"@method"': "POST",
        '"@target-uri"': target,
        '"content-type"': headers.get("Content-Type", ""),
        '"content-digest"': headers.get("Content-Digest", ""),
    }
    _verify(headers, _REQUEST, values, find_key, body, now)


def sign_answer(
    key: PrivateKey, keyid: str, *, status: int, content_type: str, body: bytes, request_signature: str, created: int
) -> dict[str, str]:
    """The fields of a signed answer, bound to the signature of its request."""
    digest = httpsig.content_digest(body)
    values = dict(zip(_ANSWER, (str(status), content_type, digest, _value(request_signature)), strict=True))
    parameters: dict[str, int | str] = {"created": created, "keyid": keyid, "tag": TAG}
    fields = {"Content-Type": content_type, "Content-Digest": digest}
    return fields | httpsig.sign(key, LABEL, _ANSWER, values, parameters)


def verify_answer(
    headers: Mapping[str, str], find_key: FindKey, *, status: int, body: bytes, request_signature: str, now: int
) -> None:
    """Raises HttpSignatureError."""
    values = {
        '"@status"': str(status),
        '"content-type"': headers.get("Content-Type", ""),
        '"content-digest"': headers.get("Content-Digest", ""),
        _BOUND: _value(request_signature),
    }
    _verify(headers, _ANSWER, values, find_key, body, now)


def _verify(
    headers: Mapping[str, str],
    components: tuple[str, ...],
    values: Mapping[str, str],
    find_key: FindKey,
    body: bytes,
    now: int,
) -> None:
    stated = httpsig.parse_signature_input(headers.get("Signature-Input", ""), LABEL)
    if stated.components != components or stated.tag != TAG or stated.created is None or stated.keyid is None:
        raise HttpSignatureError("the signature does not cover what it must")
    if abs(now - stated.created) > OLDEST:
        raise HttpSignatureError("the signature is too old, or from the future")
    key = find_key(stated.keyid)
    if key is None:
        raise HttpSignatureError("the key is not one of the other side")
    httpsig.verify_content_digest(headers.get("Content-Digest", ""), body)
    httpsig.verify(key, httpsig.parse_signature(headers.get("Signature", ""), LABEL), stated, values)


def _value(signature_field: str) -> str:
    httpsig.parse_signature(signature_field, LABEL)
    return signature_field.removeprefix(f"{LABEL}=")
