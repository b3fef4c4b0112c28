"""The one table from keys to algorithms, and signing and verifying by the names in it.

Nothing outside the table is accepted, and a name is accepted only with the key of its row: what a message
claims about its algorithm never chooses how it is verified (RFC 8725 §3.1, RFC 9421 §3.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography import exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pki.errors import InvalidSignature, UnsupportedAlgorithm
from pki.keys import PrivateKey, PublicKey


@dataclass(frozen=True, slots=True)
class JoseEncryption:
    """The `alg` (RFC 7518 §4) and `enc` (§5) header of a JWE."""

    alg: str
    enc: str


@dataclass(frozen=True, slots=True)
class KeyAlgorithms:
    """One row: how a key signs in JOSE and in RFC 9421, how content is encrypted to it (None: signs only)."""

    jose_signature: str
    http_signature: str
    jose_encryption: JoseEncryption | None


@dataclass(frozen=True, slots=True)
class AlgorithmSuite:
    """A named table, so that another (SM2/SM3/SM4) can stand beside it. Keyed by `key_kind`."""

    name: str
    rows: Mapping[str, KeyAlgorithms]


_ECDH = JoseEncryption("ECDH-ES", "A256GCM")

DEFAULT_SUITE = AlgorithmSuite(
    "yunlian-1",
    MappingProxyType(
        {
            "P-256": KeyAlgorithms("ES256", "ecdsa-p256-sha256", _ECDH),
            "P-384": KeyAlgorithms("ES384", "ecdsa-p384-sha384", _ECDH),
            "Ed25519": KeyAlgorithms("EdDSA", "ed25519", None),
            "RSA": KeyAlgorithms("PS256", "rsa-pss-sha512", JoseEncryption("RSA-OAEP-256", "A256GCM")),
        }
    ),
)

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}


def key_kind(key: PublicKey | PrivateKey) -> str:
    """The row name of a key: P-256, P-384, Ed25519 or RSA. Raises UnsupportedAlgorithm."""
    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519"
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey() if key.key_size >= 2048:
            return "RSA"
    raise UnsupportedAlgorithm(f"a {type(key).__name__} outside the suite")


def suite_for(key: PublicKey | PrivateKey, suite: AlgorithmSuite = DEFAULT_SUITE) -> KeyAlgorithms:
    """The algorithms of this key. Raises UnsupportedAlgorithm."""
    return suite.rows[key_kind(key)]


def sign(private_key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Sign `data` by a JOSE or RFC 9421 algorithm name; ECDSA gives r || s (RFC 7518 §3.4, RFC 9421 §3.3.4).

    Raises UnsupportedAlgorithm where the name is not of the key's row.
    """
    scheme = _scheme(key_kind(private_key), algorithm)
    return scheme.sign(private_key, data)


def verify(public_key: PublicKey, algorithm: str, signature: bytes, data: bytes) -> None:
    """Raises InvalidSignature, or UnsupportedAlgorithm where the name is not of the key's row."""
    scheme = _scheme(key_kind(public_key), algorithm)
    try:
        scheme.verify(public_key, signature, data)
    except exceptions.InvalidSignature as exc:
        raise InvalidSignature from exc


@dataclass(frozen=True, slots=True)
class _Scheme:
    key_kind: str
    sign: Callable[[PrivateKey, bytes], bytes]
    verify: Callable[[PublicKey, bytes, bytes], None]


def _scheme(kind: str, algorithm: str) -> _Scheme:
    scheme = _SCHEMES.get(algorithm)
    if scheme is None or scheme.key_kind != kind:
        raise UnsupportedAlgorithm(f"{algorithm!r} with a key of kind {kind}")
    return scheme


def _ecdsa(kind: str, digest: hashes.HashAlgorithm, scalar_bytes: int) -> _Scheme:
    algorithm = ec.ECDSA(digest)

    def sign(key: PrivateKey, data: bytes) -> bytes:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(key.sign(data, algorithm))
        return r.to_bytes(scalar_bytes, "big") + s.to_bytes(scalar_bytes, "big")

    def verify(key: PublicKey, signature: bytes, data: bytes) -> None:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        if len(signature) != 2 * scalar_bytes:  # else leading zeros would make signatures malleable
            raise InvalidSignature
        r = int.from_bytes(signature[:scalar_bytes], "big")
        s = int.from_bytes(signature[scalar_bytes:], "big")
        key.verify(encode_dss_signature(r, s), data, algorithm)

    return _Scheme(kind, sign, verify)


def _rsa_pss(digest: hashes.HashAlgorithm) -> _Scheme:
    pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)

    def sign(key: PrivateKey, data: bytes) -> bytes:
        assert isinstance(key, rsa.RSAPrivateKey)
        return key.sign(data, pss, digest)

    def verify(key: PublicKey, signature: bytes, data: bytes) -> None:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(signature, data, pss, digest)

    return _Scheme("RSA", sign, verify)


def _ed25519() -> _Scheme:
    def sign(key: PrivateKey, data: bytes) -> bytes:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return key.sign(data)

    def verify(key: PublicKey, signature: bytes, data: bytes) -> None:
        assert isinstance(key, ed25519.Ed25519PublicKey)
        key.verify(signature, data)

    return _Scheme("Ed25519", sign, verify)


_SCHEMES: dict[str, _Scheme] = {
    "ES256": _ecdsa("P-256", hashes.SHA256(), 32),
    "ecdsa-p256-sha256": _ecdsa("P-256", hashes.SHA256(), 32),
    "ES384": _ecdsa("P-384", hashes.SHA384(), 48),
    "ecdsa-p384-sha384": _ecdsa("P-384", hashes.SHA384(), 48),
    "PS256": _rsa_pss(hashes.SHA256()),
    "rsa-pss-sha512": _rsa_pss(hashes.SHA512()),
    "EdDSA": _ed25519(),
    "ed25519": _ed25519(),
}
