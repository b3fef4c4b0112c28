"""Answers of the bank: signed and bound to their request; what only the enterprise may read is sealed to it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response

from app.gateway import httpsig
from app.gateway.certificates import KnownCertificate, UnknownCertificate, get_good_certificate
from app.gateway.documents import compact
from app.gateway.jose import SealingKey, make_sealing_key
from app.gateway.requests import LABEL, IncomingRequest
from app.oauth.dpop import server_nonce

if TYPE_CHECKING:
    from app.gateway.verify import Attempt
    from app.wiring import Services

CONTENT_TYPE = "application/json"
BANK_LABEL, BANK_TAG = "bank", "yunlian-bank"
_OWN_COMPONENTS = ('"@status"', '"content-type"', '"content-digest"')
_BOUND_TO_SIGNATURE = '"signature";req;key="api"'
_BOUND_TO_TARGET = ('"@method";req', '"@target-uri";req')
SEALING_KEY_AGE = 1.0  # seconds; docs/decisions/0026-one-key-agreement-a-second.md
_MOST_SEALING_KEYS = 1024
_sealing_keys: dict[str, tuple[float, SealingKey]] = {}


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What a protected view returns: a body for the platform, and in `sealed` what only the enterprise may read."""

    status: int
    body: Mapping[str, Any]
    sealed: Mapping[str, Any] | None = None


def make_response(services: Services, answer: GatewayAnswer, product_x5t_s256: str | None) -> Response:
    """The JSON response, not signed yet. Sealing needs the product certificate of the request."""
    return Response(write_body(services, answer, product_x5t_s256), answer.status, content_type=CONTENT_TYPE)


def write_body(services: Services, answer: GatewayAnswer, product_x5t_s256: str | None) -> str:
    """The JSON of an answer, its sealed part sealed to the enterprise that asked."""
    if answer.sealed is None:
        return compact(answer.body)
    if product_x5t_s256 is None:
        raise TypeError("an answer can be sealed only where an enterprise asked")
    return compact({**answer.body, "sealed": seal_to_product(services, product_x5t_s256, answer.sealed)})


def seal_to_product(services: Services, product_x5t_s256: str, document: Mapping[str, Any]) -> str:
    """A JWE of the document to the encryption certificate that belongs to a product signing certificate.

    Raises UnknownCertificate, ExpiredCertificate, RevokedCertificate.
    """
    signing = get_good_certificate(services, product_x5t_s256, "product-sign")
    name = signing.encryption_x5t_s256
    if name is None:
        raise UnknownCertificate("the product has no encryption certificate")
    certificate = get_good_certificate(services, name, "product-encrypt")
    return _sealing_key(certificate).seal(compact(document).encode())


def _sealing_key(certificate: KnownCertificate) -> SealingKey:
    """The content key of this second: an agreement with the recipient for every answer would cost more than the rest
    of sealing. Never more than SEALING_KEY_AGE old, and every answer has its own IV."""
    name, now = certificate.x5t_s256, time.monotonic()
    made_at, key = _sealing_keys.get(name, (float("-inf"), None))
    if key is None or now - made_at > SEALING_KEY_AGE:
        key = make_sealing_key(certificate.public_key, kid=name, cty="json")
        if len(_sealing_keys) >= _MOST_SEALING_KEYS:
            _sealing_keys.clear()
        _sealing_keys[name] = now, key
    return key


def sign_response(services: Services, response: Response, incoming: IncomingRequest) -> Response:
    """Add Content-Digest, Signature-Input and Signature (RFC 9421 §2.4: bound to the request by `req`)."""
    content_type = response.headers.get("Content-Type", "")
    fields = signature_fields(services, incoming, response.status_code, content_type, response.get_data())
    response.headers.update(fields)
    return response


def signature_fields(
    services: Services, incoming: IncomingRequest, status: int, content_type: str, body: bytes
) -> dict[str, str]:
    """Content-Digest, Signature-Input and Signature of an answer, bound to its request."""
    digest = httpsig.content_digest(body)
    components, binding = _binding(incoming)
    own = (str(status), content_type, digest)
    values = dict(zip(_OWN_COMPONENTS, own, strict=True)) | binding
    held = services.hierarchy.gateway_sign
    parameters: dict[str, int | str] = {
        "created": int(services.clock().timestamp()),
        "keyid": held.x5t_s256,
        "tag": BANK_TAG,
    }
    signature = httpsig.sign(held.key, BANK_LABEL, (*_OWN_COMPONENTS, *components), values, parameters)
    return {"Content-Digest": digest, **signature}


def standing_fields(services: Services, incoming: IncomingRequest, attempt: Attempt) -> dict[str, str]:
    """Where the quota stands, where it was counted, and the nonce for the next DPoP proof, where one was shown."""
    fields = attempt.rate.fields() if attempt.rate is not None else {}
    if incoming.headers.get("authorization", "").startswith("DPoP "):
        fields["DPoP-Nonce"] = server_nonce(services)
    return fields


def _binding(incoming: IncomingRequest) -> tuple[tuple[str, ...], dict[str, str]]:
    member = incoming.headers.get("signature", "")
    try:
        httpsig.parse_signature(member, LABEL)
        return (_BOUND_TO_SIGNATURE,), {_BOUND_TO_SIGNATURE: member.removeprefix(f"{LABEL}=")}
    except httpsig.HttpSignatureError:
        method, target = _BOUND_TO_TARGET
        return _BOUND_TO_TARGET, {method: incoming.method, target: incoming.target_uri}
