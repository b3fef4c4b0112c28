"""Checks of one CMS SignedData: form, mathematics, and no byte in it that nobody vouches for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from asn1crypto import cms, core, tsp
from cryptography import exceptions, x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash, HashAlgorithm
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from contracts.report import SubIndication

_HASHES: dict[str, type[HashAlgorithm]] = {"sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
_KNOWN_UNSIGNED = {"signature_time_stamp_token"}
_CONTENTS = re.compile(rb"<(?:[0-9A-F]+|[0-9a-f]+)>")
_MAX_CERTIFICATES = 20


class Finding(Exception):  # noqa: N818 - a fact about the signature, turned into its verdict
    """What keeps a signature from being valid; `failed` means INVALID rather than INDETERMINATE."""

    def __init__(self, sub_indication: SubIndication, explanation: str, failed: bool = False) -> None:
        super().__init__(sub_indication, explanation, failed)
        self.sub_indication = sub_indication
        self.explanation = explanation
        self.failed = failed


def failed(sub_indication: SubIndication, explanation: str) -> Finding:
    return Finding(sub_indication, explanation, True)


def check_contents(gap: bytes, der: bytes) -> None:
    """The bytes that a ByteRange leaves out must be one hexadecimal string: the CMS, then zeros.

    Signature wrapping and universal forgery hide things there (Mladenov et al., "1 Trillion Dollar
    Refund", 2019).
    """
    if not _CONTENTS.fullmatch(gap):
        raise failed(SubIndication.FORMAT_FAILURE, "the gap in the byte range is not one hexadecimal string")
    length = len(cms.ContentInfo.load(der).dump())
    if bytes.fromhex(gap[1:-1].decode()) != der or any(der[length:]):
        raise failed(SubIndication.FORMAT_FAILURE, "something follows the signature inside /Contents")


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
    unsigned = signer["unsigned_attrs"]
    if isinstance(unsigned, core.Void):
        return
    kinds = [attribute["type"].native for attribute in unsigned]
    if set(kinds) - _KNOWN_UNSIGNED or len(kinds) != len(set(kinds)):
        raise Finding(SubIndication.FORMAT_FAILURE, "unsigned attributes that nobody vouches for")


def check_integrity(signed_data: cms.SignedData, content_type: str, digest: bytes) -> x509.Certificate:
    """Digest and signature value; answers the signer's certificate. Trust is another matter."""
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
    return x509.load_der_x509_certificate(info.signer_cert.dump())


def embedded_certificates(signed_data: cms.SignedData) -> list[x509.Certificate]:
    """All certificates of a SignedData. Raises Finding for other things there, or too many."""
    choices = signed_data["certificates"]
    if isinstance(choices, core.Void):
        return []
    if len(choices) > _MAX_CERTIFICATES or any(choice.name != "certificate" for choice in choices):
        raise failed(SubIndication.FORMAT_FAILURE, "too many certificates, or things that are none")
    return [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in choices]


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


def check_token(token: cms.SignedData, imprint_of: Any) -> tuple[x509.Certificate, datetime]:
    """A time-stamp token (RFC 3161 §2.4.2): answers its signer's certificate and its time.

    `imprint_of(hash name) -> bytes` gives the digest that the token must be about.
    """
    check_form(token, "tst_info")
    content = token["encap_content_info"]["content"]
    info = content.parsed
    if not isinstance(info, tsp.TSTInfo):
        raise failed(SubIndication.FORMAT_FAILURE, "no TSTInfo in the time-stamp token")
    name = token["signer_infos"][0]["digest_algorithm"]["algorithm"].native
    if name not in _HASHES:
        raise failed(SubIndication.SIG_CRYPTO_FAILURE, "the digest algorithm is not accepted")
    certificate = check_integrity(token, "tst_info", digest_of(bytes(content), name))
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


def find_timestamp_token(signed_data: cms.SignedData) -> cms.SignedData | None:
    """The signature time stamp, if there is one."""
    unsigned = signed_data["signer_infos"][0]["unsigned_attrs"]
    if isinstance(unsigned, core.Void):
        return None
    for attribute in unsigned:
        if attribute["type"].native == "signature_time_stamp_token":
            if (
                len(attribute["values"]) != 1
                or attribute["values"][0]["content_type"].native != "signed_data"
            ):
                raise failed(SubIndication.FORMAT_FAILURE, "not one time-stamp token")
            return attribute["values"][0]["content"]
    return None
