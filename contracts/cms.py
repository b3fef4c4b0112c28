"""The CMS of a PAdES signature (ETSI EN 319 142-1 §6.3, RFC 5652), built without an event loop.

pyHanko gathers signed attributes by asyncio, which has no place in a gevent worker, and writes them with a library for
which that is most of the work of a signature; the structure is small, so it is encoded here and handed to pyHanko for
embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms, core, tsp
from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from contracts.binding import SignatureBinding, attribute_value
from contracts.errors import InvalidSignature, SigningFailed, TimestampFailed
from contracts.ports import TimestampSource
from pki import der
from pki.profiles import SIGNATURE_BINDING

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


_DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
_SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
_CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
_ALGORITHM_PROTECTION = ObjectIdentifier("1.2.840.113549.1.9.52")
_SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
_TIMESTAMP_TOKEN = ObjectIdentifier("1.2.840.113549.1.9.16.2.14")
_SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_SHA384 = ObjectIdentifier("2.16.840.1.101.3.4.2.2")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How a kind of key signs CMS: one digest for the content and for the signed attributes (RFC 8933)."""

    digest: str
    digest_oid: ObjectIdentifier
    signature_oid: ObjectIdentifier
    hash: hashes.HashAlgorithm
    p1363_length: int | None
    """Length of r||s as WebCrypto gives it, for elliptic curves."""


_MECHANISMS = {
    "secp256r1": Mechanism("sha256", _SHA256, SignatureAlgorithmOID.ECDSA_WITH_SHA256, hashes.SHA256(), 64),
    "secp384r1": Mechanism("sha384", _SHA384, SignatureAlgorithmOID.ECDSA_WITH_SHA384, hashes.SHA384(), 96),
    "rsa": Mechanism("sha256", _SHA256, SignatureAlgorithmOID.RSA_WITH_SHA256, hashes.SHA256(), None),
}


def mechanism_for(certificate: x509.Certificate) -> Mechanism:
    """Raises SigningFailed for a key that PDF readers would not verify."""
    key = certificate.public_key()
    kind = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else "rsa"
    if kind not in _MECHANISMS or (kind == "rsa" and not isinstance(key, rsa.RSAPublicKey)):
        raise SigningFailed("this kind of key signs no PDF")
    return _MECHANISMS[kind]


def signed_attributes(content_digest: bytes, certificate: x509.Certificate, binding: SignatureBinding | None) -> bytes:
    """DER of the SET OF signed attributes: exactly the bytes that the key signs (RFC 5652 §5.4).

    Content type, message digest, signing-certificate-v2 (RFC 5035), algorithm protection (RFC 6211)
    and, where given, the binding. No signing-time: PAdES puts the claimed time into the signature
    dictionary.
    """
    mechanism = mechanism_for(certificate)
    protection = der.sequence(_digest_algorithm(mechanism), der.tlv(0xA1, *_signature_algorithm_parts(mechanism)))
    attributes = [
        _attribute(_CONTENT_TYPE, der.object_identifier(_DATA)),
        _attribute(_MESSAGE_DIGEST, der.octet_string(content_digest)),
        _attribute(_SIGNING_CERTIFICATE_V2, _signing_certificate_v2(certificate)),
        _attribute(_ALGORITHM_PROTECTION, protection),
    ]
    if binding is not None:
        attributes.append(_attribute(SIGNATURE_BINDING, attribute_value(binding)))
    return der.set_of(*attributes)


def sign_attributes(private_key: SigningKey, certificate: x509.Certificate, attributes: bytes) -> bytes:
    """The signature value with a loaded key, in the form CMS wants (DER for elliptic curves)."""
    mechanism = mechanism_for(certificate)
    if isinstance(private_key, rsa.RSAPrivateKey):
        return private_key.sign(attributes, padding.PKCS1v15(), mechanism.hash)
    return private_key.sign(attributes, ec.ECDSA(mechanism.hash))


def verified_signature(certificate: x509.Certificate, attributes: bytes, signature: bytes) -> bytes:
    """The signature as CMS wants it, after it verified over the attributes with the certificate's key.

    An elliptic-curve signature may come as P1363 r||s (WebCrypto) or as DER. Raises InvalidSignature.
    """
    mechanism, key = mechanism_for(certificate), certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            value = _to_der(signature, mechanism)
            key.verify(value, attributes, ec.ECDSA(mechanism.hash))
            return value
        assert isinstance(key, rsa.RSAPublicKey)  # by mechanism_for
        key.verify(signature, attributes, padding.PKCS1v15(), mechanism.hash)
    except (exceptions.InvalidSignature, ValueError) as exc:
        raise InvalidSignature("the signature does not verify over the signed attributes") from exc
    return signature


def signed_data(
    attributes: bytes,
    signature: bytes,
    certificate: x509.Certificate,
    chain: Iterable[x509.Certificate],
    timestamp_token: bytes | None,
) -> bytes:
    """DER of the ContentInfo with SignedData that goes into /Contents. Self-signed certificates stay out."""
    mechanism = mechanism_for(certificate)
    digest_algorithm = _digest_algorithm(mechanism)
    certificates = [_certificate_der(c) for c in (certificate, *(c for c in chain if c.subject != c.issuer))]
    token = _attribute(_TIMESTAMP_TOKEN, timestamp_token) if timestamp_token is not None else b""
    signer_info = der.sequence(
        der.integer(1),
        der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number)),
        digest_algorithm,
        b"\xa0" + attributes[1:],
        der.sequence(*_signature_algorithm_parts(mechanism)),
        der.octet_string(signature),
        der.tlv(0xA1, token) if token else b"",
    )
    content = der.sequence(
        der.integer(1),
        der.set_of(digest_algorithm),
        der.sequence(der.object_identifier(_DATA)),
        der.tlv(0xA0, *sorted(certificates)),
        der.set_of(signer_info),
    )
    return der.sequence(der.object_identifier(_SIGNED_DATA), der.tlv(0xA0, content))


def request_timestamp(timestamps: TimestampSource, digest: bytes) -> tuple[cms.ContentInfo, datetime]:
    """A TimeStampToken over a SHA-256 digest, and its time (RFC 3161).

    Checks that the answer is a token over that very digest; whether its signer is trusted is
    validation's affair. Raises TimestampFailed.
    """
    try:
        answer = timestamps.timestamp(digest)
    except Exception as exc:  # the source is a port: whatever it raises means that there is no token
        raise TimestampFailed("the time-stamp authority did not answer") from exc
    try:
        token = _token(answer)
        if token["content_type"].native != "signed_data":
            raise TimestampFailed("the answer is not a time-stamp token")
        content = token["content"]["encap_content_info"]
        info = content["content"].parsed
        if content["content_type"].native != "tst_info" or not isinstance(info, tsp.TSTInfo):
            raise TimestampFailed("the answer is not a time-stamp token")
        imprint = info["message_imprint"]
        if imprint["hash_algorithm"]["algorithm"].native != "sha256" or imprint["hashed_message"].native != digest:
            raise TimestampFailed("the token covers another digest")
        return token, info["gen_time"].native
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise TimestampFailed("the answer is not a time-stamp token") from exc


def _token(answer: bytes) -> cms.ContentInfo:
    first = core.Sequence.load(answer)[0]
    if isinstance(first, core.ObjectIdentifier):
        return cms.ContentInfo.load(answer, strict=True)
    response = tsp.TimeStampResp.load(answer, strict=True)
    if response["status"]["status"].native not in {"granted", "granted_with_mods"}:
        raise TimestampFailed("the time-stamp authority refused the request")
    return response["time_stamp_token"]


def _attribute(kind: ObjectIdentifier, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(kind), der.set_of(value))


def _signing_certificate_v2(certificate: x509.Certificate) -> bytes:
    """SigningCertificateV2 with its default digest, SHA-256 (RFC 5035 §3)."""
    names = der.sequence(der.tlv(0xA4, certificate.issuer.public_bytes()))
    issuer_serial = der.sequence(names, der.integer(certificate.serial_number))
    identifier = der.sequence(der.octet_string(certificate.fingerprint(hashes.SHA256())), issuer_serial)
    return der.sequence(der.sequence(identifier))


def _digest_algorithm(mechanism: Mechanism) -> bytes:
    return der.sequence(der.object_identifier(mechanism.digest_oid))


def _signature_algorithm_parts(mechanism: Mechanism) -> tuple[bytes, ...]:
    """RSA has NULL parameters, ECDSA none (RFC 4055 §5, RFC 5758 §3.2)."""
    oid = der.object_identifier(mechanism.signature_oid)
    return (oid,) if mechanism.p1363_length is not None else (oid, der.NULL)


def _certificate_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _to_der(signature: bytes, mechanism: Mechanism) -> bytes:
    if mechanism.p1363_length is None or len(signature) != mechanism.p1363_length:
        decode_dss_signature(signature)  # DER already, or ValueError
        return signature
    half = mechanism.p1363_length // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
