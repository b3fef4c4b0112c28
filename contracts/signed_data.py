"""One CMS SignedData (RFC 5652 §5): form, mathematics, and no byte in it that nobody vouches for.

Everything is taken from the raw DER. What the signature does not protect must have its one lawful value; the
certificates are protected by their issuers, the time stamp by its authority.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import tsp
from cryptography import exceptions, x509

from contracts import der
from contracts.der import Element, elements
from contracts.findings import Finding, failed
from contracts.report import SubIndication
from contracts.signature_values import HASHES, check_value, digest_name, digest_of

ID_DATA = bytes.fromhex("2a864886f70d010701")
ID_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")  # RFC 2634 §5.4, SHA-1
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")  # RFC 5035 §3
_ALGORITHM_PROTECTION = bytes.fromhex("2a864886f70d010934")  # RFC 6211
_TIMESTAMP_TOKEN = bytes.fromhex("2a864886f70d010910020e")  # id-aa-timeStampToken, RFC 3161 appendix A
_REVOCATION_ARCHIVAL = bytes.fromhex("2a864886f72f010108")  # adbe-revocationInfoArchival, ISO 32000-1 §12.8.3.3.2
_CONTENTS = re.compile(rb"<(?:[0-9A-F]+|[0-9a-f]+)>")
_MAX_CERTIFICATES = 20
_SIGNER_INFO = [der.INTEGER, None, der.SEQUENCE, der.CONTEXT_0, der.SEQUENCE, der.OCTET_STRING]


@dataclass(frozen=True, slots=True)
class OpenedSignedData:
    """A SignedData with one signer, in its parts as they stand."""

    version: int
    content_type: bytes
    content: bytes | None
    """What is signed where it is inside; None for a detached signature."""
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signer_version: int
    signer: Element
    """IssuerAndSerialNumber, or the key identifier under tag [0]."""
    digest_algorithm: Element
    signature_algorithm: Element
    signed_attributes: bytes
    """DER of the SET OF that was signed (RFC 5652 §5.4)."""
    attributes: dict[bytes, tuple[bytes, ...]]
    """Type -> values, whole elements."""
    signature: bytes
    token: bytes | None
    """DER of the signature time stamp's ContentInfo."""

    def find_attribute(self, oid: bytes) -> bytes | None:
        """The one value of a signed attribute, or None. Raises Finding where it has several."""
        values = self.attributes.get(oid)
        if values is not None and len(values) != 1:
            raise failed(SubIndication.FORMAT_FAILURE, "a signed attribute has several values")
        return values[0] if values else None

    def revocation_archive(self) -> tuple[list[bytes], list[bytes]]:
        """CRLs and OCSP responses among the signed attributes, as some PDF writers put them there."""
        value = self.find_attribute(_REVOCATION_ARCHIVAL)
        lists: dict[int, list[bytes]] = {}
        for member in elements(elements(value, der.SEQUENCE)[0].content) if value else ():
            lists[member.tag] = [item.whole for item in elements(elements(member.content, der.SEQUENCE)[0].content)]
        return lists.get(der.CONTEXT_0, []), lists.get(der.CONTEXT_1, [])


def open_signed_data(data: bytes) -> OpenedSignedData:
    """Read a ContentInfo with SignedData and one SignerInfo. Raises Finding."""
    try:
        return _open(data)
    except ValueError as exc:
        raise failed(SubIndication.FORMAT_FAILURE, "SignedData is not strict DER with one signer") from exc


def _open(data: bytes) -> OpenedSignedData:
    (content_info,) = elements(data, der.SEQUENCE)
    content_type, explicit = elements(content_info.content, der.OID, der.CONTEXT_0)
    (signed_data,) = elements(explicit.content, der.SEQUENCE)
    members = elements(signed_data.content)
    tags = [member.tag for member in members]
    head = [der.INTEGER, der.SET, der.SEQUENCE, der.CONTEXT_0]
    if content_type.content != _SIGNED_DATA or tags not in ([*head, der.SET], [*head, der.CONTEXT_1, der.SET]):
        raise ValueError("SignedData")
    certificates = tuple(element.whole for element in elements(members[3].content))
    if len(certificates) > _MAX_CERTIFICATES or any(not is_plain(c) for c in certificates):
        raise ValueError("certificates")
    kind, *inside = elements(members[2].content)
    if kind.tag != der.OID or [element.tag for element in inside] not in ([], [der.CONTEXT_0]):
        raise ValueError("EncapsulatedContentInfo")
    (signer,) = elements(members[-1].content, der.SEQUENCE)
    fields = elements(signer.content)
    shape = [expected or field.tag for expected, field in zip(_SIGNER_INFO, fields, strict=False)]
    if [field.tag for field in fields] not in (shape, [*shape, der.CONTEXT_1]) or len(shape) != len(_SIGNER_INFO):
        raise ValueError("SignerInfo")
    if elements(members[1].content, der.SEQUENCE)[0].whole != fields[2].whole:
        raise ValueError("digestAlgorithms")
    attributes = [elements(a.content, der.OID, der.SET) for a in elements(fields[3].content)]
    if len({oid.content for oid, _ in attributes}) != len(attributes):
        raise ValueError("a signed attribute stands there twice")
    return OpenedSignedData(
        version=_small(members[0]),
        content_type=kind.content,
        content=elements(inside[0].content, der.OCTET_STRING)[0].content if inside else None,
        certificates=certificates,
        crls=tuple(element.whole for element in elements(members[4].content)) if len(members) == 6 else (),
        signer_version=_small(fields[0]),
        signer=fields[1],
        digest_algorithm=fields[2],
        signature_algorithm=fields[4],
        signed_attributes=bytes([der.SET]) + fields[3].whole[1:],
        attributes={oid.content: tuple(v.whole for v in elements(values.content)) for oid, values in attributes},
        signature=fields[5].content,
        token=_token(fields[6].content) if len(fields) == 7 else None,
    )


def _token(unsigned_attributes: bytes) -> bytes:
    """Of the unsigned attributes only the signature time stamp is known, and it stands there once."""
    attribute, *others = elements(unsigned_attributes)
    if attribute.tag != der.SEQUENCE:
        raise ValueError("an attribute")
    kind, values = elements(attribute.content, der.OID, der.SET)
    if others or kind.content != _TIMESTAMP_TOKEN:
        raise Finding(SubIndication.SIG_CONSTRAINTS_FAILURE, "unsigned attributes that nobody vouches for")
    (value,) = elements(values.content, der.SEQUENCE)
    return value.whole


def is_plain(certificate: bytes) -> bool:
    """A Certificate or CertificateList whose signature has no unused bits, which no signature would protect."""
    (outer,) = elements(certificate, der.SEQUENCE)
    return elements(outer.content, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)[2].content[:1] == b"\0"


def _small(number: Element) -> int:
    if len(number.content) != 1:
        raise ValueError("version")
    return number.content[0]


def check_contents(gap: bytes) -> bytes:
    """The bytes that a ByteRange leaves out must be one hexadecimal string: the CMS, then zeros.

    Signature wrapping and universal forgery hide things there (Mladenov et al., "1 Trillion
    Dollar Refund", 2019). Answers the CMS without the zeros.
    """
    if not _CONTENTS.fullmatch(gap) or len(gap) % 2:
        raise failed(SubIndication.FORMAT_FAILURE, "the gap in the byte range is not one hexadecimal string")
    contents = bytes.fromhex(gap[1:-1].decode())
    try:
        content = der.first(contents).whole
    except ValueError as exc:
        raise failed(SubIndication.FORMAT_FAILURE, "/Contents holds no DER") from exc
    if any(contents[len(content) :]):
        raise failed(SubIndication.FORMAT_FAILURE, "something follows the signature inside /Contents")
    return content


def check_form(opened: OpenedSignedData, content_type: bytes) -> None:
    """Versions and content type have the one value that RFC 5652 §5.1 and §5.3 ask for. Raises Finding."""
    by_key = opened.signer.tag == der.PRIMITIVE_0
    version = 3 if by_key or content_type != ID_DATA else 1
    if (
        (opened.version, opened.signer_version) != (version, 3 if by_key else 1)
        or opened.signer.tag not in (der.SEQUENCE, der.PRIMITIVE_0)
        or opened.content_type != content_type
        or (opened.content is None) != (content_type == ID_DATA)
    ):
        raise failed(SubIndication.FORMAT_FAILURE, "SignedData is not of the form that RFC 5652 asks for")


def check_integrity(opened: OpenedSignedData, digest: bytes) -> x509.Certificate:
    """Digest (with the signer's algorithm) and signature value; answers the signer's certificate.

    Trust is another matter. Raises Finding.
    """
    name = digest_name(opened.digest_algorithm)
    if opened.find_attribute(_CONTENT_TYPE) != _tlv(der.OID, opened.content_type):
        raise failed(SubIndication.FORMAT_FAILURE, "the content type is not among what was signed")
    if opened.find_attribute(_MESSAGE_DIGEST) != _tlv(der.OCTET_STRING, digest):
        raise failed(SubIndication.HASH_FAILURE, "the signed content was changed")
    certified = signer_certificate(opened)
    certificate = x509.load_der_x509_certificate(certified)
    check_value(certificate, opened.signature_algorithm, name, opened.signature, opened.signed_attributes)
    protected = opened.find_attribute(_ALGORITHM_PROTECTION)
    if protected is not None and not _protects(opened, protected):
        raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "other algorithms than those that were signed")
    _check_signing_certificate(opened, certified)
    return certificate


def signer_certificate(opened: OpenedSignedData) -> bytes:
    """The certificate (DER) that the SignerInfo names, by issuer and serial number or by key. Raises Finding."""
    for certificate in opened.certificates:
        (outer,) = elements(certificate)
        # version, serial number, algorithm, issuer (RFC 5280 §4.1); version 1 has no use here
        to_be_signed = elements(elements(outer.content)[0].content)
        if opened.signer.tag == der.SEQUENCE:
            if opened.signer.content == to_be_signed[3].whole + to_be_signed[1].whole:
                return certificate
        elif _key_identifier(certificate) == opened.signer.content:
            return certificate
    raise failed(SubIndication.NO_SIGNING_CERTIFICATE_FOUND, "the signer's certificate is not there")


def _key_identifier(certificate: bytes) -> bytes | None:
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        return extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None


def _check_signing_certificate(opened: OpenedSignedData, certificate: bytes) -> None:
    """The signature names its own certificate by digest (ETSI EN 319 122-1 §5.2.2)."""
    value = opened.find_attribute(_SIGNING_CERTIFICATE_V2)
    name = "sha256"
    if value is not None:
        members = _first_identifier(value)
        if members[0].tag == der.SEQUENCE:
            name = digest_name(members.pop(0))
    else:
        value, name = opened.find_attribute(_SIGNING_CERTIFICATE), "sha1"
        if value is None:
            raise Finding(SubIndication.SIG_CONSTRAINTS_FAILURE, "the certificate is not among what was signed")
        members = _first_identifier(value)
    if members[0].content != digest_of(certificate, name):
        raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "the signature names another certificate")


def _first_identifier(signing_certificate: bytes) -> list[Element]:
    """The members of the first ESSCertID: whose digest is that of the signer's certificate."""
    certs = elements(elements(signing_certificate)[0].content)[0]
    return elements(elements(certs.content)[0].content)


def _protects(opened: OpenedSignedData, protection: bytes) -> bool:
    """Whether CMSAlgorithmProtection names the algorithms in use; NULL parameters may be left out."""
    digest, signature = elements(elements(protection)[0].content, der.SEQUENCE, der.CONTEXT_1)
    used = (opened.digest_algorithm, opened.signature_algorithm)
    return [elements(a.content)[0].content for a in used] == [
        elements(a.content)[0].content for a in (digest, signature)
    ]


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    octets = bytes([length]) if length < 0x80 else length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (octets if length < 0x80 else bytes([0x80 | len(octets)]) + octets) + content


def check_embedded(certificates: Iterable[x509.Certificate], known: Iterable[x509.Certificate]) -> None:
    """Each embedded certificate must verify under another one at hand, or it was tampered with."""
    embedded, trusted = list(certificates), set(known)
    pool = {*embedded, *trusted}
    for certificate in embedded:
        if certificate not in trusted and not any(is_issued_by(certificate, issuer) for issuer in pool):
            raise Finding(
                SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
                f"no issuer at hand for the embedded certificate {certificate.subject.rfc4514_string()}",
            )


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By name and signature; what the issuer may issue is another matter."""
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm):
        return False
    return True


def check_token(opened: OpenedSignedData, imprint_of: Callable[[str], bytes]) -> tuple[x509.Certificate, datetime]:
    """A time-stamp token (RFC 3161 §2.4.2): answers its signer's certificate and its time.

    `imprint_of(hash name) -> bytes` gives the digest that the token must be about. Raises Finding.
    """
    if opened.token is not None:
        raise failed(SubIndication.FORMAT_FAILURE, "unsigned attributes in a time-stamp token")
    check_form(opened, ID_TST_INFO)
    assert opened.content is not None  # by check_form
    certificate = check_integrity(opened, digest_of(opened.content, digest_name(opened.digest_algorithm)))
    info = tsp.TSTInfo.load(opened.content, strict=True)
    imprint = info["message_imprint"]
    name = imprint["hash_algorithm"]["algorithm"].native
    if name not in HASHES or imprint["hashed_message"].native != imprint_of(name):
        raise failed(SubIndication.HASH_FAILURE, "the time stamp is about something else")
    return certificate, info["gen_time"].native


def timestamp_of(opened: OpenedSignedData) -> datetime:
    """The time that a token states, unverified. Raises ValueError where it holds none."""
    return tsp.TSTInfo.load(opened.content or b"", strict=True)["gen_time"].native  # type: ignore[no-any-return]
