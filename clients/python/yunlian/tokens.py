"""JWS and JWE by joserfc, with the algorithm always pinned by the key."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwe, jws

from yunlian.keys import JoseKey, PrivateKey, algorithms_for, jose_key
from yunlian.pkcs11_keys import TokenEcKey, TokenRsaKey

MOST_SEALED = 4 * 1024 * 1024  # characters; statements and receipts are larger than joserfc expects of a token


def sign(key: PrivateKey, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A JWS in compact form."""
    algorithm = algorithms_for(key).jose_signature
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":"))
    if isinstance(key, TokenEcKey | TokenRsaKey):  # joserfc wants the private key itself
        protected = json.dumps({"alg": algorithm, **header}, separators=(",", ":"))
        signing_input = f"{_base64url(protected.encode())}.{_base64url(payload.encode())}"
        return f"{signing_input}.{_base64url(_sign_in_token(key, algorithm, signing_input.encode()))}"
    return jws.serialize_compact({"alg": algorithm, **header}, payload, jose_key(key), algorithms=[algorithm])


def encrypt(plaintext: bytes, key: JoseKey, algorithm: str, header: Mapping[str, str]) -> str:
    """A JWE in compact form, A256GCM."""
    protected = {"alg": algorithm, "enc": "A256GCM", **header}
    return jwe.encrypt_compact(protected, plaintext, key, algorithms=[algorithm, "A256GCM"])


def decrypt(token: str, key: PrivateKey) -> bytes:
    """The plaintext of a JWE in compact form. Raises joserfc.errors.JoseError, ValueError."""
    algorithm = algorithms_for(key).jose_encryption
    if algorithm is None:
        raise ValueError("this key only signs")
    registry = jwe.JWERegistry(algorithms=[algorithm, "A256GCM"])
    registry.max_ciphertext_length = MOST_SEALED
    opened = jwe.decrypt_compact(token, jose_key(key), registry=registry)
    assert opened.plaintext is not None
    return opened.plaintext


def _sign_in_token(key: TokenEcKey | TokenRsaKey, algorithm: str, data: bytes) -> bytes:
    digest = hashes.SHA384() if algorithm.endswith("384") else hashes.SHA256()
    if isinstance(key, TokenRsaKey):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    size = (key.key_size + 7) // 8
    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(key.sign(data, ec.ECDSA(digest))))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
