"""The signatures of the dialect. The key decides how it signs; what a request says about that is never followed."""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from app.gateway.problems import InvalidMessageSignature, KeyNotMaintained
from pki.keys import PrivateKey, PublicKey

_PKCS1 = padding.PKCS1v15()


def verify_rsa2(public_key: PublicKey, signature: bytes, signed: bytes) -> None:
    """SHA256withRSA, PKCS #1 v1.5. Raises KeyNotMaintained for a key of another kind, InvalidMessageSignature."""
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise KeyNotMaintained("the application's API certificate has no RSA key")
    try:
        public_key.verify(signature, signed, _PKCS1, hashes.SHA256())
    except InvalidSignature as exc:
        raise InvalidMessageSignature("sign does not verify") from exc


def verify_ca(public_key: PublicKey, signature: bytes, signed: bytes) -> None:
    """By a product certificate's key: SHA256withRSA, SHA256withECDSA or SHA384withECDSA (in DER), or Ed25519.

    The names are Java's. Raises InvalidMessageSignature.
    """
    try:
        match public_key:
            case rsa.RSAPublicKey():
                public_key.verify(signature, signed, _PKCS1, hashes.SHA256())
            case ec.EllipticCurvePublicKey():
                digest = hashes.SHA256() if public_key.curve.key_size == 256 else hashes.SHA384()
                public_key.verify(signature, signed, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey():
                public_key.verify(signature, signed)
    except InvalidSignature as exc:
        raise InvalidMessageSignature("sign does not verify") from exc


def sign_answer(key: PrivateKey, signed: bytes, *, sha1: bool = False) -> str:
    """Base64 of SHA256withRSA, or of SHA1withRSA, which is all that the oldest SDKs check."""
    assert isinstance(key, rsa.RSAPrivateKey)
    digest = hashes.SHA1() if sha1 else hashes.SHA256()  # noqa: S303 - only where an application asked for it
    return base64.b64encode(key.sign(signed, _PKCS1, digest)).decode()
