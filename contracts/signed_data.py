"""Checks of one CMS SignedData: form, mathematics, and no byte in it that nobody vouches for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms, core, parser, tsp
from cryptography import exceptions, x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash, HashAlgorithm
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from contracts.report import SubIndication

_HASHES: dict[str, type[HashAlgorithm]] = {"sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
_TIMESTAMP_TOKEN = bytes.fromhex("2a864886f70d010910020e")  # id-aa-timeStampToken, RFC 3161 appendix A
_INTEGER, _BIT_STRING, _OCTET_STRING, _OID = 0x02, 0x03, 0x04, 0x06
_SEQUENCE, _SET, _CONTEXT_0, _CONTEXT_1 = 0x30, 0x31, 0xA0, 0xA1
_SIGNER_INFO = [_INTEGER, _SEQUENCE, _SEQUENCE, _CONTEXT_0, _SEQUENCE, _OCTET_STRING]
_CONTENTS = re.compile(rb"<(?:[0-9A-F]+|[0-9a-f]+)>")
_MAX_CERTIFICATES = 20


class Finding(Exception):
    """What keeps a signature from being valid; `failed` means INVALID rather than INDETERMINATE."""

    def __init__(self, sub_indication: SubIndication, explanation: str, failed: bool = False) -> None:
        super().__init__(sub_indication, explanation, failed)
        self.sub_indication = sub_indication
        self.explanation = explanation
        self.failed = failed

    def __str__(self) -> str:
        return f"{self.sub_indication}: {self.explanation}"


def failed(sub_indication: SubIndication, explanation: str) -> Finding:
    return Finding(sub_indication, explanation, True)


@dataclass(frozen=True, slots=True)
class OpenedSignedData:
    """A SignedData whose outer structure is strict DER. asn1crypto reads leniently and may even write back
    something else than it read, so what is not signed is taken from the raw bytes."""

    parsed: cms.SignedData
    certificates: tuple[bytes, ...]
    """DER of all embedded certificates, as they stand."""
    signer_issuer: bytes
    """DER of the name of whoever issued the signer's certificate. Names compare without regard to case."""
    token: bytes | None
    """DER of the signature time stamp's ContentInfo."""


def open_signed_data(der: bytes) -> OpenedSignedData:
    """Read a ContentInfo with SignedData and one SignerInfo (RFC 5652 §5). Raises Finding."""
    try:
        (content_info,) = _elements(der)
        content_type, explicit = _elements(content_info.content, _OID, _CONTEXT_0)
        (signed_data,) = _elements(explicit.content, _SEQUENCE)
        members = _elements(signed_data.content, _INTEGER, _SET, _SEQUENCE, _CONTEXT_0, _SET)
        (signer,) = _elements(members[4].content, _SEQUENCE)
        fields = _elements(signer.content)
        tags = [field.tag for field in fields]
        if tags not in (_SIGNER_INFO, [*_SIGNER_INFO, _CONTEXT_1]):
            raise ValueError("SignerInfo")
        certificates = tuple(element.whole for element in _elements(members[3].content))
        if len(certificates) > _MAX_CERTIFICATES or any(not _is_plain(c) for c in certificates):
            raise ValueError("certificates")
        issuer, _ = _elements(fields[1].content, _SEQUENCE, _INTEGER)
        token = _token(fields[6].content) if len(fields) == 7 else None
        parsed = cms.ContentInfo.load(content_info.whole, strict=True)
    except ValueError as exc:
        raise failed(SubIndication.FORMAT_FAILURE, "SignedData is not strict DER") from exc
    if parsed["content_type"].native != "signed_data":
        raise failed(SubIndication.FORMAT_FAILURE, f"not SignedData: {content_type.whole.hex()}")
    return OpenedSignedData(parsed["content"], certificates, issuer.whole, token)


def _token(unsigned_attributes: bytes) -> bytes | None:
    """Of the unsigned attributes only the signature time stamp is known, and it stands there once."""
    (attribute,) = _elements(unsigned_attributes, _SEQUENCE)
    kind, values = _elements(attribute.content, _OID, _SET)
    if kind.content != _TIMESTAMP_TOKEN:
        raise ValueError("unsigned attributes that nobody vouches for")
    (value,) = _elements(values.content, _SEQUENCE)
    return value.whole


def _is_plain(certificate: bytes) -> bool:
    """A Certificate whose signature has no unused bits, which no signature would protect."""
    (outer,) = _elements(certificate, _SEQUENCE)
    return _elements(outer.content, _SEQUENCE, _SEQUENCE, _BIT_STRING)[2].content[:1] == b"\0"


def _issuer_of(certificate: bytes) -> bytes:
    (outer,) = _elements(certificate, _SEQUENCE)
    to_be_signed = _elements(_elements(outer.content)[0].content)
    return to_be_signed[3].whole  # after version, serial number and algorithm (RFC 5280 §4.1)


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    content: bytes
    whole: bytes


def _parse(data: bytes) -> tuple[int, int, int, bytes, bytes, bytes]:
    kind, method, tag, header, content, trailer = parser.parse(data)
    return kind, method, tag, header, content, trailer


def _elements(data: bytes, *tags: int) -> list[_Element]:
    """The DER elements that `data` consists of, with these identifier octets where given. Raises ValueError."""
    found, position = list[_Element](), 0
    while position < len(data):
        kind, method, tag, header, content, trailer = _parse(data[position:])
        found.append(_Element(header[0], content, header + content + trailer))
        position += len(found[-1].whole)
        if parser.emit(kind, method, tag, content) != found[-1].whole:
            raise ValueError("not DER")
    if tags and [element.tag for element in found] != list(tags):
        raise ValueError("unexpected element")
    return found


def check_contents(gap: bytes, der: bytes) -> bytes:
    """The bytes that a ByteRange leaves out must be one hexadecimal string: the CMS, then zeros.

    Signature wrapping and universal forgery hide things there (Mladenov et al., "1 Trillion
    Dollar Refund", 2019). Answers the CMS without the zeros.
    """
    if not _CONTENTS.fullmatch(gap):
        raise failed(SubIndication.FORMAT_FAILURE, "the gap in the byte range is not one hexadecimal string")
    length = len(cms.ContentInfo.load(der).dump())
    if bytes.fromhex(gap[1:-1].decode()) != der or any(der[length:]):
        raise failed(SubIndication.FORMAT_FAILURE, "something follows the signature inside /Contents")
    return der[:length]


def check_form(signed_data: cms.SignedData, content_type: str) -> None:
    """What the signature does not protect must have its one lawful value (RFC 5652 §5.1, §5.3)."""
    signer = signed_data["signer_infos"][0]
    versions = ("v1", "v1") if content_type == "data" else ("v3", "v1")
    digests = [algorithm.dump() for algorithm in signed_data["digest_algorithms"]]
    if (
        len(signed_data["signer_infos"]) != 1
        or (signed_data["version"].native, signer["version"].native) != versions
        or digests != [signer["digest_algorithm"].dump()]
        or not isinstance(signed_data["crls"], core.Void)
        or signed_data["encap_content_info"]["content_type"].native != content_type
    ):
        raise failed(SubIndication.FORMAT_FAILURE, "SignedData is not of the form that RFC 5652 asks for")


def check_integrity(opened: OpenedSignedData, content_type: str, digest: bytes) -> x509.Certificate:
    """Digest and signature value; answers the signer's certificate. Trust is another matter."""
    signed_data = opened.parsed
    signer = signed_data["signer_infos"][0]
    if signer["digest_algorithm"]["algorithm"].native not in _HASHES:
        raise failed(SubIndication.SIG_CRYPTO_FAILURE, "the digest algorithm is not accepted")
    if isinstance(signer["signed_attrs"], core.Void):
        raise failed(SubIndication.FORMAT_FAILURE, "no signed attributes")
    info = extract_certificate_info(signed_data)
    intact, valid = validate_sig_integrity(signer, info.signer_cert, content_type, digest)
    if not intact:
        raise failed(SubIndication.HASH_FAILURE, "the signed content was changed")
    if not valid:
        raise failed(SubIndication.SIG_CRYPTO_FAILURE, "the signature value does not verify")
    attributes = {attribute["type"].native for attribute in signer["signed_attrs"]}
    if not attributes & {"signing_certificate", "signing_certificate_v2"}:
        raise Finding(SubIndication.SIG_CONSTRAINTS_FAILURE, "the certificate is not among what was signed")
    certificate = info.signer_cert.dump()  # whose digest is among the signed attributes
    if certificate not in opened.certificates or opened.signer_issuer != _issuer_of(certificate):
        raise failed(SubIndication.FORMAT_FAILURE, "the signer's certificate is named in another form")
    return x509.load_der_x509_certificate(certificate)


def check_embedded(certificates: Iterable[x509.Certificate], known: Iterable[x509.Certificate]) -> None:
    """Each embedded certificate must verify under another one at hand, or it was tampered with."""
    embedded, trusted = list(certificates), set(known)
    pool = {*embedded, *trusted}
    for certificate in embedded:
        if certificate not in trusted and not any(_is_issued_by(certificate, issuer) for issuer in pool):
            raise Finding(
                SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
                f"no issuer at hand for the embedded certificate {certificate.subject.rfc4514_string()}",
            )


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm):
        return False
    return True


def check_token(opened: OpenedSignedData, imprint_of: Callable[[str], bytes]) -> tuple[x509.Certificate, datetime]:
    """A time-stamp token (RFC 3161 §2.4.2): answers its signer's certificate and its time.

    `imprint_of(hash name) -> bytes` gives the digest that the token must be about.
    """
    token = opened.parsed
    if opened.token is not None:
        raise failed(SubIndication.FORMAT_FAILURE, "unsigned attributes in a time-stamp token")
    check_form(token, "tst_info")
    content = token["encap_content_info"]["content"]
    info = content.parsed
    if not isinstance(info, tsp.TSTInfo):
        raise failed(SubIndication.FORMAT_FAILURE, "no TSTInfo in the time-stamp token")
    name = token["signer_infos"][0]["digest_algorithm"]["algorithm"].native
    if name not in _HASHES:
        raise failed(SubIndication.SIG_CRYPTO_FAILURE, "the digest algorithm is not accepted")
    certificate = check_integrity(opened, "tst_info", digest_of(bytes(content), name))
    imprint = info["message_imprint"]
    imprint_hash = imprint["hash_algorithm"]["algorithm"].native
    if imprint_hash not in _HASHES or imprint["hashed_message"].native != imprint_of(imprint_hash):
        raise failed(SubIndication.HASH_FAILURE, "the time stamp is about something else")
    return certificate, info["gen_time"].native


def digest_of(data: bytes, name: str) -> bytes:
    """Digest by a name that was found to be accepted."""
    digest = Hash(_HASHES[name]())
    digest.update(data)
    return digest.finalize()
