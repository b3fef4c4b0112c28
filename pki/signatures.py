"""How the service's own keys sign certificates, CRLs, OCSP answers and time stamps, and how X.509 names that."""

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from pki import der
from pki.keys import PrivateKey

_PKCS1 = padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """`identifier`: the DER AlgorithmIdentifier (RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §6)."""

    identifier: bytes
    digest: hashes.SHA256 | hashes.SHA384 | None
    """None for Ed25519, which hashes by itself."""


_ED25519 = SignatureAlgorithm(der.sequence(der.object_identifier(SignatureAlgorithmOID.ED25519)), None)
_RSA = SignatureAlgorithm(
    der.sequence(der.object_identifier(SignatureAlgorithmOID.RSA_WITH_SHA256), der.NULL), hashes.SHA256()
)
_P256 = SignatureAlgorithm(
    der.sequence(der.object_identifier(SignatureAlgorithmOID.ECDSA_WITH_SHA256)), hashes.SHA256()
)
_P384 = SignatureAlgorithm(
    der.sequence(der.object_identifier(SignatureAlgorithmOID.ECDSA_WITH_SHA384)), hashes.SHA384()
)
_ECDSA_SHA256, _ECDSA_SHA384 = ec.ECDSA(hashes.SHA256()), ec.ECDSA(hashes.SHA384())


def algorithm_of(key: PrivateKey) -> SignatureAlgorithm:
    """The one algorithm with which a key of this kind signs: as strong as the key, and no choice to get wrong."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return _P384 if key.curve.key_size == 384 else _P256
        case rsa.RSAPrivateKey():
            return _RSA
        case ed25519.Ed25519PrivateKey():
            return _ED25519


def sign(key: PrivateKey, data: bytes) -> bytes:
    """The signature by `algorithm_of(key)`, in the form in which X.509 and CMS carry it."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, _ECDSA_SHA384 if key.curve.key_size == 384 else _ECDSA_SHA256)
        case rsa.RSAPrivateKey():
            return key.sign(data, _PKCS1, hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return key.sign(data)


def signed(to_be_signed: bytes, algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """The SIGNED{} construct of X.509 §6.1: a Certificate, a CertificateList, a BasicOCSPResponse."""
    return der.sequence(to_be_signed, algorithm.identifier, der.bit_string(signature))
