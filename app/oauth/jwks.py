"""The bank's public keys (RFC 7517), with their certificates, so that an integrator can check them against the root."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from app.gateway.jose import public_jwk
from app.oauth.token_keys import key_ring, token_jwks
from pki.keys import PublicKey, check_public_key
from pki.suite import KeyAlgorithms, suite_for

if TYPE_CHECKING:
    from app.certificates.hierarchy import HeldKey
    from app.wiring import Services


def key_set(services: Services) -> dict[str, Any]:
    """The signing key of answers (`use: sig`), the key for content to the bank (`use: enc`), and the keys of tokens."""
    sign, encrypt = services.hierarchy.gateway_sign, services.hierarchy.gateway_encrypt
    return {"keys": [_jwk(sign, "sig"), _jwk(encrypt, "enc"), *token_jwks(key_ring(services), services.clock())]}


def _jwk(held: HeldKey, use: str) -> dict[str, Any]:
    public_key: PublicKey = check_public_key(held.certificate.public_key())
    chain = [
        base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        for certificate in (held.certificate, *held.chain)
    ]
    name = {"kid": held.x5t_s256, "x5t#S256": held.x5t_s256, "x5c": chain}
    return {**public_jwk(public_key), "use": use, "alg": _algorithm(suite_for(public_key), use), **name}


def _algorithm(algorithms: KeyAlgorithms, use: str) -> str:
    if use == "sig" or algorithms.jose_encryption is None:
        return algorithms.jose_signature
    return algorithms.jose_encryption.alg
