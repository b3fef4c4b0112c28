"""The CMS of a PAdES signature (ETSI EN 319 142-1 §6.3, RFC 5652), built without an event loop.

pyHanko gathers signed attributes by asyncio, which has no place in a gevent worker; the structure itself is
small, so it is put together here and handed to pyHanko for embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.general import as_signing_certificate_v2

from contracts.binding import BINDING_ATTRIBUTE, SignatureBinding, attribute_value
from contracts.errors import InvalidSignature, SigningFailed, TimestampFailed
from contracts.ports import TimestampSource

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How a kind of key signs CMS: one digest for the content and for the signed attributes (RFC 8933)."""

    digest: str
    signature: str
    hash: hashes.HashAlgorithm
    p1363_length: int | None
    """Length of r||s as WebCrypto gives it, for elliptic curves."""


_MECHANISMS = {
    "secp256r1": Mechanism("sha256", "sha256_ecdsa", hashes.SHA256(), 64),
    "secp384r1": Mechanism("sha384", "sha384_ecdsa", hashes.SHA384(), 96),
    "rsa": Mechanism("sha256", "sha256_rsa", hashes.SHA256(), None),
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
    attributes = [
        _attribute("content_type", "data"),
        _attribute("message_digest", content_digest),
        _attribute("signing_certificate_v2", as_signing_certificate_v2(_asn1(certificate))),
        _attribute(
            "cms_algorithm_protection",
            cms.CMSAlgorithmProtection(
                {
                    "digest_algorithm": algos.DigestAlgorithm({"algorithm": mechanism.digest}),
                    "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": mechanism.signature}),
                }
            ),
        ),
    ]
    if binding is not None:
        attributes.append(_attribute(BINDING_ATTRIBUTE, core.Any(core.Sequence.load(attribute_value(binding)))))
    return bytes(cms.CMSAttributes(attributes).dump())


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
    timestamp_token: cms.ContentInfo | None,
) -> bytes:
    """DER of the ContentInfo with SignedData that goes into /Contents. Self-signed certificates stay out."""
    mechanism = mechanism_for(certificate)
    subject = _asn1(certificate)
    digest_algorithm = algos.DigestAlgorithm({"algorithm": mechanism.digest})
    signer_info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": subject.issuer, "serial_number": subject.serial_number}
                    )
                }
            ),
            "digest_algorithm": digest_algorithm,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": mechanism.signature}),
            "signed_attrs": cms.CMSAttributes.load(attributes),
            "signature": signature,
        }
    )
    if timestamp_token is not None:
        signer_info["unsigned_attrs"] = cms.CMSAttributes([_attribute("signature_time_stamp_token", timestamp_token)])
    issuers = [_asn1(issuer) for issuer in chain if issuer.subject != issuer.issuer]
    return bytes(
        cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": cms.SignedData(
                    {
                        "version": "v1",
                        "digest_algorithms": [digest_algorithm],
                        "encap_content_info": {"content_type": "data"},
                        "certificates": [
                            cms.CertificateChoices(name="certificate", value=c) for c in (subject, *issuers)
                        ],
                        "signer_infos": [signer_info],
                    }
                ),
            }
        ).dump()
    )


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


def _attribute(kind: str, value: object) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": cms.CMSAttributeType(kind), "values": (value,)})


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _to_der(signature: bytes, mechanism: Mechanism) -> bytes:
    if mechanism.p1363_length is None or len(signature) != mechanism.p1363_length:
        decode_dss_signature(signature)  # DER already, or ValueError
        return signature
    half = mechanism.p1363_length // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
