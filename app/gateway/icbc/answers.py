"""Answers in the dialect: HTTP 200, and the signature over the exact octets of the first value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.gateway.icbc.cipher import encrypt
from app.gateway.icbc.signatures import sign_answer
from pki.keys import PrivateKey

SUCCESS = 0
ILLEGAL_PARAMETER = 400011
KEY_NOT_MAINTAINED = 400016
SIGNATURE_FAILED = 400017
NOT_AUTHORIZED = 400019
NO_SUCH_API = 500018
ILLEGAL_CALL = 500020
RATE_EXCEEDED = 500031

# By the code of the problem, which stands beside it in the answer; what is not here is an illegal call.
RETURN_CODES: Mapping[str, int] = {
    "invalid-request": ILLEGAL_PARAMETER,
    "invalid-document": ILLEGAL_PARAMETER,
    "invalid-input": ILLEGAL_PARAMETER,
    "content-too-large": ILLEGAL_PARAMETER,
    "not-found": ILLEGAL_PARAMETER,
    "key-not-maintained": KEY_NOT_MAINTAINED,
    "invalid-signature": SIGNATURE_FAILED,
    "invalid-content": SIGNATURE_FAILED,
    "invalid-token": NOT_AUTHORIZED,
    "not-authorized": NOT_AUTHORIZED,
    "limit-exceeded": NOT_AUTHORIZED,
    "certificate-expired": NOT_AUTHORIZED,
    "certificate-revoked": NOT_AUTHORIZED,
    "no-such-api": NO_SUCH_API,
    "too-many-requests": RATE_EXCEEDED,
}


def success(msg_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The value of a good answer: the platform's three members, and those of the use case."""
    return {"return_code": SUCCESS, "return_msg": "success", "msg_id": msg_id, **body}


def refusal(msg_id: str, problem: Mapping[str, Any]) -> dict[str, Any]:
    """The value of a refusal, from a problem document (RFC 9457): its code, sentence, detail and faults."""
    kept = {name: problem[name] for name in ("detail", "faults") if name in problem}
    code = RETURN_CODES.get(problem["code"], ILLEGAL_CALL)
    return {"return_code": code, "return_msg": problem["zh"], "msg_id": msg_id, "problem": problem["code"], **kept}


def first_value(value: Mapping[str, Any], aes_key: bytes | None) -> str:
    """The text of the first value: JSON without white space and escapes, or a JSON string of its cipher's Base64."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if aes_key is None else f'"{encrypt(aes_key, text)}"'


def write_answer(first: str, key: PrivateKey, *, sha1: bool) -> bytes:
    """The whole answer. Without white space between its members, because SDKs cut it there as text."""
    signature = sign_answer(key, first.encode(), sha1=sha1)
    return f'{{"response_biz_content":{first},"sign":"{signature}"}}'.encode()
