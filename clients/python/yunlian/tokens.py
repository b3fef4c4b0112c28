"""JWS and JWE by joserfc, with the algorithm always pinned by the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwe, jws

from yunlian.keys import JoseKey, PrivateKey, algorithms_for, jose_key


def sign(key: PrivateKey, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A JWS in compact form."""
    algorithm = algorithms_for(key).jose_signature
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":"))
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
    opened = jwe.decrypt_compact(token, jose_key(key), algorithms=[algorithm, "A256GCM"])
    assert opened.plaintext is not None
    return opened.plaintext
