"""Answers of the bank: signed and bound to their request; what only the enterprise may read is sealed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response

from app.gateway import httpsig
from app.gateway.certificates import UnknownCertificate, get_good_certificate
from app.gateway.documents import compact
from app.gateway.jose import encrypt
from app.gateway.requests import LABEL, IncomingRequest

if TYPE_CHECKING:
    from app.wiring import Services

BANK_LABEL, BANK_TAG = "bank", "yunlian-bank"
_OWN_COMPONENTS = ('"@status"', '"content-type"', '"content-digest"')
_BOUND_TO_SIGNATURE = '"signature";req;key="api"'
_BOUND_TO_TARGET = ('"@method";req', '"@target-uri";req')


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What a protected view returns: a body for the platform, and in `sealed` what only the enterprise may read."""

    status: int
    body: Mapping[str, Any]
    sealed: Mapping[str, Any] | None = None


def make_response(services: Services, answer: GatewayAnswer, product_x5t_s256: str | None) -> Response:
    """The JSON response, not signed yet. Sealing needs the product certificate of the request."""
    body = dict(answer.body)
    if answer.sealed is not None:
        if product_x5t_s256 is None:
            raise TypeError("an answer can be sealed only where an enterprise asked")
        body["sealed"] = seal_to_product(services, product_x5t_s256, answer.sealed)
    return Response(compact(body), answer.status, content_type="application/json")


def seal_to_product(services: Services, product_x5t_s256: str, document: Mapping[str, Any]) -> str:
    """A JWE of the document to the encryption certificate that belongs to a product signing certificate.

    Raises UnknownCertificate, ExpiredCertificate, RevokedCertificate.
    """
    signing = get_good_certificate(services, product_x5t_s256, "product-sign")
    name = signing.encryption_x5t_s256
    if name is None:
        raise UnknownCertificate("the product has no encryption certificate")
    certificate = get_good_certificate(services, name, "product-encrypt")
    return encrypt(compact(document).encode(), certificate.public_key, kid=name, cty="json")


def sign_response(services: Services, response: Response, incoming: IncomingRequest) -> Response:
    """Add Content-Digest, Signature-Input and Signature (RFC 9421 §2.4: bound to the request by `req`)."""
    digest = httpsig.content_digest(response.get_data())
    response.headers["Content-Digest"] = digest
    components, binding = _binding(incoming)
    own = (str(response.status_code), response.headers.get("Content-Type", ""), digest)
    values = dict(zip(_OWN_COMPONENTS, own, strict=True)) | binding
    held = services.hierarchy.gateway_sign
    parameters: dict[str, int | str] = {
        "created": int(services.clock().timestamp()),
        "keyid": held.x5t_s256,
        "tag": BANK_TAG,
    }
    response.headers.update(httpsig.sign(held.key, BANK_LABEL, (*_OWN_COMPONENTS, *components), values, parameters))
    return response


def _binding(incoming: IncomingRequest) -> tuple[tuple[str, ...], dict[str, str]]:
    member = incoming.headers.get("signature", "")
    try:
        httpsig.parse_signature(member, LABEL)
        return (_BOUND_TO_SIGNATURE,), {_BOUND_TO_SIGNATURE: member.removeprefix(f"{LABEL}=")}
    except httpsig.HttpSignatureError:
        method, target = _BOUND_TO_TARGET
        return _BOUND_TO_TARGET, {method: incoming.method, target: incoming.target_uri}
