"""Signature values in CMS: which algorithms are accepted, and the verification of one value.

SHA-256, -384 or -512 with RSA from 2048 bits (PKCS #1 v1.5 or PSS), ECDSA on P-256, P-384 or P-521, and Ed25519. What
is weaker, or unknown, is INDETERMINATE: nothing is proven by it, yet nothing is proven against it.
"""

from __future__ import annotations

from asn1crypto import algos
from cryptography import exceptions, x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, Hash, HashAlgorithm

from contracts.der import OID, Element, elements
from contracts.findings import Finding, failed
from contracts.report import SubIndication

HASHES: dict[str, type[HashAlgorithm]] = {"sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
MINIMUM_RSA_BITS = 2048

_DIGESTS = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")  # the digest is named elsewhere (RFC 3370 §3.2)
_RSA_PSS = bytes.fromhex("2a864886f70d01010a")
_ED25519 = bytes.fromhex("2b6570")
_RSA_WITH = {bytes.fromhex(f"2a864886f70d01010{digit}"): name for digit, name in zip("bcd", HASHES, strict=True)}
_ECDSA_WITH = {bytes.fromhex(f"2a8648ce3d04030{digit}"): name for digit, name in zip("234", HASHES, strict=True)}
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_NULL = b"\x05\x00"


def digest_name(algorithm: Element) -> str:
    """The name of an AlgorithmIdentifier's digest (parameters NULL or absent). Raises Finding."""
    oid, parameters = _identifier(algorithm)
    if oid not in _DIGESTS or parameters not in ([], [_NULL]):
        raise _unaccepted("the digest algorithm is not accepted")
    return _DIGESTS[oid]


def digest_of(data: bytes, name: str) -> bytes:
    """Digest by a name that was found to be accepted, or SHA-1 where an old format has no other."""
    digest = Hash(SHA1() if name == "sha1" else HASHES[name]())  # noqa: S303
    digest.update(data)
    return digest.finalize()


def check_value(certificate: x509.Certificate, algorithm: Element, digest: str, value: bytes, data: bytes) -> None:
    """Raises Finding unless `value` is this certificate's signature over `data`."""
    oid, parameters = _identifier(algorithm)
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and oid in _ECDSA_WITH:
            if key.curve.name not in _CURVES or parameters:
                raise _unaccepted("the curve, or its parameters, are not accepted")
            key.verify(value, data, ec.ECDSA(HASHES[_ECDSA_WITH[oid]]()))
        elif isinstance(key, rsa.RSAPublicKey):
            _check_rsa(key, algorithm, digest, value, data)
        elif isinstance(key, ed25519.Ed25519PublicKey) and oid == _ED25519 and not parameters:
            key.verify(value, data)
        else:
            raise _unaccepted("the signature algorithm is not accepted")
    except exceptions.InvalidSignature as exc:
        raise failed(SubIndication.SIG_CRYPTO_FAILURE, "the signature value does not verify") from exc


def _check_rsa(key: rsa.RSAPublicKey, algorithm: Element, digest: str, value: bytes, data: bytes) -> None:
    oid, parameters = _identifier(algorithm)
    if not MINIMUM_RSA_BITS <= key.key_size <= 8192:
        raise _unaccepted("the RSA key is too short, or too long to be of use")
    if oid == _RSA_PSS:
        chosen = algos.SignedDigestAlgorithm.load(algorithm.whole, strict=True)["parameters"]
        hashed, mask = chosen["hash_algorithm"], chosen["mask_gen_algorithm"]
        name = hashed["algorithm"].native
        if name not in HASHES or mask["parameters"]["algorithm"].native not in HASHES:
            raise _unaccepted("the digest of RSA-PSS is not accepted")
        mgf = padding.MGF1(HASHES[mask["parameters"]["algorithm"].native]())
        key.verify(value, data, padding.PSS(mgf, chosen["salt_length"].native), HASHES[name]())
        return
    name = digest if oid == _RSA_ENCRYPTION else _RSA_WITH.get(oid, "")
    if name not in HASHES or parameters not in ([], [_NULL]):
        raise _unaccepted("the signature algorithm is not accepted")
    key.verify(value, data, padding.PKCS1v15(), HASHES[name]())


def _identifier(algorithm: Element) -> tuple[bytes, list[bytes]]:
    """Object identifier and parameters (whole elements) of an AlgorithmIdentifier. Raises Finding."""
    oid, *parameters = elements(algorithm.content)
    if oid.tag != OID:
        raise _unaccepted("an algorithm is named by no object identifier")
    return oid.content, [parameter.whole for parameter in parameters]


def _unaccepted(explanation: str) -> Finding:
    return Finding(SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE, explanation)
