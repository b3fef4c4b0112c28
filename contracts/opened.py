"""One signature of a PDF as the file itself shows it: what it covers, digests, signature value, time stamp, binding
(ETSI EN 319 102-1 §5.2.2, §5.2.7). Whose word that is comes later (`contracts.proven_times`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from contracts.binding import BINDING_ATTRIBUTE, SignatureBinding, parse_attribute_value
from contracts.errors import InvalidSignature
from contracts.findings import Finding, failed
from contracts.report import Level, SignatureEntry, SignatureKind, SubIndication, Verdict
from contracts.signature_values import digest_name, digest_of
from contracts.signed_data import (
    ID_DATA,
    OpenedSignedData,
    check_contents,
    check_form,
    check_integrity,
    check_token,
    open_signed_data,
)
from pki.binding import get_signature_binding
from pki.errors import InvalidBinding
from pki.profiles import SIGNATURE_BINDING

_SUBFILTERS = {"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"}
_BINDING_TYPE = core.ObjectIdentifier(BINDING_ATTRIBUTE).contents


@dataclass(slots=True)
class Opened:
    """A signature whose mathematics are good: who signed, and what follows from it whoever that was."""

    signature: EmbeddedPdfSignature
    entry: SignatureEntry
    data: OpenedSignedData | None = None
    certificate: x509.Certificate | None = None
    token: OpenedSignedData | None = None
    stamper: x509.Certificate | None = None

    @property
    def is_stamp(self) -> bool:
        return self.entry.kind is SignatureKind.DOCUMENT_TIMESTAMP

    def found(self, finding: Finding) -> None:
        """Only the first finding counts."""
        if self.entry.verdict is Verdict.VALID:
            self.entry = replace(
                self.entry,
                verdict=Verdict.INVALID if finding.failed else Verdict.INDETERMINATE,
                sub_indication=finding.sub_indication,
                explanation=finding.explanation,
            )

    def guard(self, check: Callable[..., None], *arguments: Any) -> None:
        """Run a check, unless there is a finding already; what it raises becomes a finding."""
        if self.entry.verdict is not Verdict.VALID:
            return
        try:
            check(self, *arguments)
        except Finding as finding:
            self.found(finding)
        except MemoryError:
            raise
        except Exception as exc:  # a parser meets hostile input with errors of every kind
            self.found(failed(SubIndication.FORMAT_FAILURE, f"{type(exc).__name__} while reading the signature"))


def open_signatures(pdf: bytes, reader: PdfFileReader, embedded: Sequence[EmbeddedPdfSignature]) -> list[Opened]:
    """All signatures and document time stamps, in the order of the file."""
    return [_open(pdf, reader, signature) for signature in embedded]


def _open(pdf: bytes, reader: PdfFileReader, signature: EmbeddedPdfSignature) -> Opened:
    is_stamp = signature.sig_object_type == "/DocTimeStamp"
    kind = SignatureKind.DOCUMENT_TIMESTAMP if is_stamp else SignatureKind.SIGNATURE
    opened = Opened(signature, SignatureEntry(str(signature.field_name), kind, Verdict.VALID))
    opened.guard(_read_coverage, pdf, reader)
    opened.guard(_read_signature)
    return opened


def _read_coverage(opened: Opened, pdf: bytes, reader: PdfFileReader) -> None:
    signature = opened.signature
    byte_range = [int(number) for number in signature.byte_range]
    coverage = signature.evaluate_signature_coverage()
    opened.entry = replace(
        opened.entry,
        coverage=coverage.name,
        covered_bytes=sum(byte_range[2:]),
        certifies=_is_certifying(reader, signature),
    )
    if len(byte_range) != 4 or byte_range[0] != 0 or coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        raise failed(SubIndication.FORMAT_FAILURE, "the signature does not cover its revision")
    _, before, after, rest = byte_range
    if not 0 < before < after <= after + rest <= len(pdf):
        raise failed(SubIndication.FORMAT_FAILURE, "the byte range is not one of this file")
    content = check_contents(pdf[before:after])
    opened.data = open_signed_data(content)


def _read_signature(opened: Opened) -> None:
    signature, data = opened.signature, opened.data
    assert data is not None
    if opened.is_stamp:
        if signature.sig_object["/SubFilter"] != "/ETSI.RFC3161":
            raise failed(SubIndication.FORMAT_FAILURE, "not a time stamp after RFC 3161")
        opened.certificate, stamped_at = check_token(data, signature.compute_digest)
        opened.entry = replace(opened.entry, stamped_at=stamped_at)
    else:
        if signature.sig_object["/SubFilter"] not in _SUBFILTERS:
            raise Finding(SubIndication.GENERIC, "a kind of signature that is not known here")
        check_form(data, ID_DATA)
        opened.certificate = check_integrity(data, signature.compute_digest(digest_name(data.digest_algorithm)))
        opened.entry = replace(
            opened.entry, level=Level.B, claimed_at=signature.self_reported_timestamp, stamped_at=None
        )
        _read_token(opened, data)
    opened.entry = replace(
        opened.entry,
        subject=opened.certificate.subject.rfc4514_string(),
        certificate=opened.certificate.public_bytes(Encoding.DER),
        binding=None if opened.is_stamp else _binding(data, opened.certificate),
    )


def _read_token(opened: Opened, data: OpenedSignedData) -> None:
    if data.token is None:
        return
    opened.token = open_signed_data(data.token)
    opened.stamper, stamped_at = check_token(opened.token, lambda name: digest_of(data.signature, name))
    opened.entry = replace(opened.entry, stamped_at=stamped_at)


def _binding(data: OpenedSignedData, certificate: x509.Certificate) -> SignatureBinding | None:
    """The binding, which certificate and signed attributes must both carry, or neither."""
    attribute = data.find_attribute(_BINDING_TYPE)
    extended = any(extension.oid == SIGNATURE_BINDING for extension in certificate.extensions)
    if attribute is None and not extended:
        return None
    try:
        certified = get_signature_binding(certificate)
        signed = parse_attribute_value(attribute or b"")
    except (InvalidBinding, InvalidSignature) as exc:
        raise failed(
            SubIndication.SIG_CONSTRAINTS_FAILURE, "certificate and signature do not both carry the binding"
        ) from exc
    if certified != signed:
        raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "certificate and signature bind to different things")
    return signed


def _is_certifying(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> bool:
    if "/Perms" not in reader.root or "/DocMDP" not in reader.root["/Perms"]:
        return False
    reference = reader.root["/Perms"].raw_get("/DocMDP")
    return bool(reference == signature.sig_field.raw_get("/V"))
