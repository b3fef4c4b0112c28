"""Keys and certificates: PEM, PKCS #12 and PKCS #11, names of certificates, the algorithm that goes with each key."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from http_message_signatures import HTTPSignatureAlgorithm, algorithms
from joserfc.jwk import ECKey, OKPKey, RSAKey

from yunlian.pkcs11_keys import SCHEME, load_token_key

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
JoseKey = ECKey | OKPKey | RSAKey


@dataclass(frozen=True)
class Algorithms:
    """The row of the protocol's table: one algorithm per use and kind of key."""

    jose_signature: str
    http_signature: type[HTTPSignatureAlgorithm]
    jose_encryption: str | None


def algorithms_for(key: object) -> Algorithms:
    """The row of a private or public key. Raises ValueError for keys outside the table."""
    match key:
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            if key.curve.name == "secp256r1":
                return Algorithms("ES256", algorithms.ECDSA_P256_SHA256, "ECDH-ES")
            if key.curve.name == "secp384r1":
                return Algorithms("ES384", algorithms.ECDSA_P384_SHA384, "ECDH-ES")
        case ed25519.Ed25519PrivateKey() | ed25519.Ed25519PublicKey():
            return Algorithms("EdDSA", algorithms.ED25519, None)
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey() if key.key_size >= 2048:
            return Algorithms("PS256", algorithms.RSA_PSS_SHA512, "RSA-OAEP-256")
    raise ValueError("the key is not EC P-256, EC P-384, Ed25519 or RSA of at least 2048 bits")


def load_private_key(source: Path | str | bytes | PrivateKey, password: bytes | None = None) -> PrivateKey:
    """A private key from a file (PEM; PKCS #12 if it ends in `.p12` or `.pfx`), a PKCS #11 URI, PEM bytes, or as it is.

    Raises ValueError, OSError.
    """
    if isinstance(source, PrivateKey):
        return source
    if isinstance(source, str) and source.startswith(SCHEME):
        key: object = load_token_key(source)
    elif not isinstance(source, bytes) and Path(source).suffix in {".p12", ".pfx"}:
        key = pkcs12.load_key_and_certificates(_read(source), password)[0]
    else:
        key = load_pem_private_key(_read(source), password)
    algorithms_for(key)
    assert isinstance(key, PrivateKey)
    return key


def load_certificate(source: Path | str | bytes | x509.Certificate) -> x509.Certificate:
    """The first certificate of a PEM file or PEM bytes, or the certificate as it is. Raises ValueError, OSError."""
    if isinstance(source, x509.Certificate):
        return source
    return x509.load_pem_x509_certificate(_read(source))


def x5t_s256(certificate: x509.Certificate) -> str:
    """base64url SHA-256 of the DER certificate (RFC 7515 §4.1.8)."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def subject_uri(certificate: x509.Certificate) -> str:
    """The first URI among the subject alternative names."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def jose_key(key: Any) -> JoseKey:
    """The same key for joserfc."""
    kinds: dict[type, type[JoseKey]] = {
        ec.EllipticCurvePrivateKey: ECKey,
        ec.EllipticCurvePublicKey: ECKey,
        rsa.RSAPrivateKey: RSAKey,
        rsa.RSAPublicKey: RSAKey,
    }
    family = next((made for kind, made in kinds.items() if isinstance(key, kind)), OKPKey)
    if isinstance(key, PrivateKey):
        return family.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return family.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _read(source: Path | str | bytes) -> bytes:
    return source if isinstance(source, bytes) else Path(source).read_bytes()
