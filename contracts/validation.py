"""PDF -> SignatureReport as of a given time (ETSI EN 319 102-1), stricter than pyHanko's defaults.

Stricter: the last signature or document time stamp must cover the entire file; the gap in a byte
range holds nothing but the CMS; each unsigned part of the CMS has its one lawful value; every
exception of a parser becomes a verdict. Proof of existence comes from time stamps, never from a
clock in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.general import find_unique_cms_attribute
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from contracts.binding import BINDING_ATTRIBUTE, SignatureBinding, parse_attribute_value
from contracts.errors import DocumentNotValid, InvalidSignature
from contracts.report import Level, SignatureEntry, SignatureKind, SignatureReport, SubIndication, Verdict
from contracts.revisions import MAX_DOCUMENT_BYTES, MAX_REVISIONS, is_revision_of, read
from contracts.signed_data import (
    Finding,
    OpenedSignedData,
    check_contents,
    check_embedded,
    check_form,
    check_integrity,
    check_token,
    digest_of,
    failed,
    open_signed_data,
)
from pki.binding import get_signature_binding
from pki.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    InvalidBinding,
    PathInvalid,
    RevocationUnknown,
    UntrustedIssuer,
)
from pki.path import Purpose, RevocationLookup, TrustPolicy, validate_path
from pki.profiles import SIGNATURE_BINDING

MAX_SIGNATURES = 32
CLOCK_TOLERANCE = timedelta(seconds=2)
"""How much later than the time known so far a time stamp may be: two authorities' clocks differ."""

_SUBFILTERS = {"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"}
_PATH_FINDINGS: tuple[tuple[type[PathInvalid], SubIndication, bool], ...] = (
    (UntrustedIssuer, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, False),
    (CertificateExpired, SubIndication.OUT_OF_BOUNDS_NO_POE, False),
    (CertificateNotYetValid, SubIndication.NOT_YET_VALID, True),
    (CertificateRevoked, SubIndication.REVOKED, True),
    (RevocationUnknown, SubIndication.TRY_LATER, False),
    (PathInvalid, SubIndication.CHAIN_CONSTRAINTS_FAILURE, False),
)


def validate(
    pdf: bytes, trust: TrustPolicy, at: datetime, *, revocation: RevocationLookup | None = None
) -> SignatureReport:
    """Validate every signature of a PDF as of `at` (aware UTC). Never raises for anything that the
    file holds.

    Issuing certificates may come from the file; anchors come from `trust` alone. `revocation` None:
    only short-term certificates and the path itself are judged.
    """
    digest = hashlib.sha256(pdf).hexdigest()

    def verdict(
        outcome: Verdict,
        sub: SubIndication | None,
        why: str,
        covers: bool = False,
        entries: Sequence[SignatureEntry] = (),
    ) -> SignatureReport:
        return SignatureReport(outcome, sub, why, at, digest, covers, tuple(entries))

    try:
        if len(pdf) > MAX_DOCUMENT_BYTES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "the file is too large")
        reader = read(pdf)
        if reader.encrypted or reader.total_revisions > MAX_REVISIONS:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "encrypted, or too many revisions")
        embedded = reader.embedded_signatures
        filled = sum(1 for _ in enumerate_sig_fields(reader, filled_status=True))
        if not filled:
            return verdict(Verdict.INDETERMINATE, SubIndication.SIGNED_DATA_NOT_FOUND, "no signature")
        if len(embedded) != filled or filled > MAX_SIGNATURES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "unknown kinds of signature, or too many")
        entries = _Validation(pdf, reader, trust, revocation).run(embedded, at)
    except Exception as exc:  # a parser meets hostile input with errors of every kind
        why = f"the file cannot be read: {type(exc).__name__}"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why)

    covers = entries[-1].coverage == SignatureCoverageLevel.ENTIRE_FILE.name
    for outcome in (Verdict.INVALID, Verdict.INDETERMINATE):
        for entry in entries:
            if entry.verdict is outcome:
                why = f"{entry.field}: {entry.explanation}"
                return verdict(outcome, entry.sub_indication, why, covers, entries)
    if not covers:
        why = "the last signature does not cover the entire file"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why, covers, entries)
    return verdict(Verdict.VALID, None, "", covers, entries)


def verify_document(
    pdf: bytes, trust: TrustPolicy, at: datetime, *, revocation: RevocationLookup | None = None
) -> SignatureReport:
    """As `validate`, but raises DocumentNotValid unless the verdict is VALID."""
    report = validate(pdf, trust, at, revocation=revocation)
    if report.verdict is not Verdict.VALID:
        raise DocumentNotValid(f"{report.verdict} {report.sub_indication}: {report.explanation}")
    return report


@dataclass(slots=True)
class _Validation:
    pdf: bytes
    reader: PdfFileReader
    trust: TrustPolicy
    revocation: RevocationLookup | None
    archived: bool = False
    """A later document time stamp was found good."""

    def run(self, embedded: Sequence[EmbeddedPdfSignature], at: datetime) -> list[SignatureEntry]:
        """Newest first: a document time stamp proves that everything before it existed at its time."""
        known_at, entries = at, list[SignatureEntry]()
        for signature in reversed(embedded):
            is_stamp = signature.sig_object_type == "/DocTimeStamp"
            judge = self._document_timestamp if is_stamp else self._signature
            entry = self._judged(signature, is_stamp, judge, known_at)
            if is_stamp and entry.verdict is Verdict.VALID and entry.stamped_at is not None:
                known_at, self.archived = min(known_at, entry.stamped_at), True
            entries.insert(0, entry)
        return entries

    def _judged(
        self,
        signature: EmbeddedPdfSignature,
        is_stamp: bool,
        judge: Callable[[EmbeddedPdfSignature, OpenedSignedData, SignatureEntry, datetime], SignatureEntry],
        known_at: datetime,
    ) -> SignatureEntry:
        kind = SignatureKind.DOCUMENT_TIMESTAMP if is_stamp else SignatureKind.SIGNATURE
        entry = SignatureEntry(str(signature.field_name), kind, Verdict.VALID)
        try:
            entry = self._facts(signature, entry)
            content = check_contents(self._gap(signature), signature.pkcs7_content)
            _check_modifications(signature)
            return judge(signature, open_signed_data(content), entry, known_at)
        except Finding as finding:
            outcome = Verdict.INVALID if finding.failed else Verdict.INDETERMINATE
            return replace(
                entry,
                verdict=outcome,
                sub_indication=finding.sub_indication,
                explanation=finding.explanation,
            )
        except Exception as exc:  # a parser meets hostile input with errors of every kind
            return replace(
                entry,
                verdict=Verdict.INVALID,
                sub_indication=SubIndication.FORMAT_FAILURE,
                explanation=f"{type(exc).__name__} while reading the signature",
            )

    def _facts(self, signature: EmbeddedPdfSignature, entry: SignatureEntry) -> SignatureEntry:
        signature.compute_integrity_info()  # type: ignore[no-untyped-call]
        result = signature.diff_result
        modifications = result.modification_level.name if isinstance(result, DiffResult) else "OTHER"
        certificate = x509.load_der_x509_certificate(signature.signer_cert.dump())
        coverage = signature.coverage or SignatureCoverageLevel.UNCLEAR
        return replace(
            entry,
            subject=certificate.subject.rfc4514_string(),
            certificate=bytes(signature.signer_cert.dump()),
            claimed_at=signature.self_reported_timestamp,
            coverage=coverage.name,
            covered_bytes=int(signature.byte_range[2]) + int(signature.byte_range[3]),
            modifications=modifications,
            certifies=_is_certifying(self.reader, signature),
        )

    def _gap(self, signature: EmbeddedPdfSignature) -> bytes:
        _, before, after, _ = (int(number) for number in signature.byte_range)
        return self.pdf[before:after]

    def _document_timestamp(
        self,
        signature: EmbeddedPdfSignature,
        opened: OpenedSignedData,
        entry: SignatureEntry,
        known_at: datetime,
    ) -> SignatureEntry:
        if signature.sig_object["/SubFilter"] != "/ETSI.RFC3161":
            raise Finding(SubIndication.FORMAT_FAILURE, "not a time stamp after RFC 3161")
        certificate, stamped_at = check_token(opened, signature.compute_digest)
        self._check_stamp_time(stamped_at, known_at)
        self._check_chain(opened, certificate, Purpose.TSA, known_at)
        return replace(entry, stamped_at=stamped_at)

    def _signature(
        self,
        signature: EmbeddedPdfSignature,
        opened: OpenedSignedData,
        entry: SignatureEntry,
        known_at: datetime,
    ) -> SignatureEntry:
        if signature.sig_object["/SubFilter"] not in _SUBFILTERS:
            raise Finding(SubIndication.FORMAT_FAILURE, "unknown kind of signature")
        check_form(opened.parsed, "data")
        certificate = check_integrity(opened, "data", signature.compute_digest())
        binding = self._binding(signature, certificate)
        entry = replace(entry, binding=binding, level=Level.B)

        existed_at = known_at
        if opened.token is not None:
            token = open_signed_data(opened.token)
            value = signature.signer_info["signature"].native
            stamper, stamped_at = check_token(token, lambda name: digest_of(value, name))
            self._check_stamp_time(stamped_at, known_at)
            self._check_chain(token, stamper, Purpose.TSA, known_at)
            existed_at = stamped_at
            entry = replace(entry, stamped_at=stamped_at, level=self._level())
        purpose = Purpose.SEAL if binding is None else Purpose.SIGNER
        self._check_chain(opened, certificate, purpose, existed_at)
        return entry

    def _binding(self, signature: EmbeddedPdfSignature, certificate: x509.Certificate) -> SignatureBinding | None:
        """The binding, which certificate and signed attributes must both carry, or neither."""
        attributes = {a["type"].dotted: a for a in signature.signer_info["signed_attrs"]}
        attribute = attributes.get(BINDING_ATTRIBUTE)
        extended = any(extension.oid == SIGNATURE_BINDING for extension in certificate.extensions)
        if attribute is None and not extended:
            return None
        try:
            certified = get_signature_binding(certificate)
            found = find_unique_cms_attribute(signature.signer_info["signed_attrs"], BINDING_ATTRIBUTE)
            signed = parse_attribute_value(found.dump())
        except (InvalidBinding, InvalidSignature, KeyError, ValueError) as exc:
            raise failed(
                SubIndication.SIG_CONSTRAINTS_FAILURE,
                "certificate and signature do not both carry the binding",
            ) from exc
        if certified != signed:
            raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "certificate and signature bind to different things")
        if not is_revision_of(signed.document_sha256, self.pdf, int(signature.byte_range[1])):
            raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "what the signer read is no revision of this file")
        return signed

    def _check_chain(
        self, opened: OpenedSignedData, certificate: x509.Certificate, purpose: Purpose, at: datetime
    ) -> None:
        embedded = [x509.load_der_x509_certificate(der) for der in opened.certificates]
        check_embedded(embedded, (*self.trust.anchors, *self.trust.intermediates))
        issuers = tuple(c for c in embedded if c != certificate and c not in self.trust.anchors)
        trust = TrustPolicy(self.trust.anchors, (*self.trust.intermediates, *issuers))
        try:
            validate_path(certificate, trust, at, purpose=purpose, revocation=self.revocation)
        except PathInvalid as exc:
            for kind, sub_indication, is_failure in _PATH_FINDINGS:
                if isinstance(exc, kind):
                    raise Finding(sub_indication, str(exc), is_failure) from exc

    def _check_stamp_time(self, stamped_at: datetime, known_at: datetime) -> None:
        if stamped_at > known_at + CLOCK_TOLERANCE:
            raise Finding(SubIndication.TIMESTAMP_ORDER_FAILURE, "the time stamp is from the future")

    def _level(self) -> Level:
        store = self.reader.root["/DSS"] if "/DSS" in self.reader.root else {}  # noqa: SIM401 - follows references
        if not ("/OCSPs" in store or "/CRLs" in store):
            return Level.T
        return Level.LTA if self.archived else Level.LT


def _check_modifications(signature: EmbeddedPdfSignature) -> None:
    if signature.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        raise failed(SubIndication.FORMAT_FAILURE, "the signature does not cover its revision")
    summary = signature.summarise_integrity_info()
    result = summary["diff_result"]
    allowed = isinstance(result, DiffResult) and result.modification_level <= ModificationLevel.FORM_FILLING
    if not summary["docmdp_ok"] or not allowed:
        raise failed(SubIndication.HASH_FAILURE, "the document was changed after this signature")


def _is_certifying(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> bool:
    if "/Perms" not in reader.root or "/DocMDP" not in reader.root["/Perms"]:
        return False
    reference = reader.root["/Perms"].raw_get("/DocMDP")
    return bool(reference == signature.sig_field.raw_get("/V"))
