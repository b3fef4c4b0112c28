"""PDF -> SignatureReport as of a given time (ETSI EN 319 102-1), stricter than pyHanko's defaults.

Stricter: the last signature or document time stamp must cover the entire file; the gap in a byte range holds nothing
but the CMS; each unsigned part of the CMS has its one lawful value; between what a signer was shown and the end of the
file came nothing but signatures; every exception of a parser becomes a verdict. Proof of existence comes from time
stamps, never from a clock in the file. Levels are what the evaluation found, not what the file contains:

    B-B    signature and chain are good now
    B-T    a good time stamp proves when the signature existed; everything is judged as of then
    B-LT   and every certificate's revocation state as of then follows from data inside the file
    B-LTA  and a good document time stamp proves that data and signature existed together

Newest first, as §5.6.3 asks for: a document time stamp that is good as of the time known so far proves that everything
before it existed at its own time, for which then the next older one is judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from contracts.binding import BINDING_ATTRIBUTE, SignatureBinding, parse_attribute_value
from contracts.chains import ChainContext
from contracts.changes import Changes
from contracts.errors import DocumentNotValid, InvalidSignature
from contracts.findings import Finding, failed
from contracts.report import (
    ChainLink,
    Level,
    RevocationSource,
    SignatureEntry,
    SignatureKind,
    SignatureReport,
    SubIndication,
    Verdict,
)
from contracts.revisions import MAX_DOCUMENT_BYTES, MAX_REVISIONS, find_revision, read
from contracts.revocation import RevocationData
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
from pki.path import Purpose, RevocationLookup, TrustPolicy
from pki.profiles import SIGNATURE_BINDING

MAX_SIGNATURES = 32
CLOCK_TOLERANCE = timedelta(seconds=2)
"""How much later than the time known so far a time stamp may be: two authorities' clocks differ."""

_SUBFILTERS = {"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"}
_BINDING_TYPE = core.ObjectIdentifier(BINDING_ATTRIBUTE).contents


def validate(
    pdf: bytes,
    trust: TrustPolicy,
    at: datetime,
    *,
    revocation: RevocationLookup | None = None,
    crls: Iterable[bytes] = (),
    ocsp_responses: Iterable[bytes] = (),
    existed_at: datetime | None = None,
) -> SignatureReport:
    """Validate every signature of a PDF as of `at` (aware UTC). Never raises for anything that the file holds.

    Issuing certificates may come from the file; anchors come from `trust` alone. Revocation comes from the file, from
    `crls` and `ocsp_responses` (DER) and from `revocation`, an authority's own records; without any for a certificate
    that needs it, the verdict is INDETERMINATE. `existed_at`: the file is proven otherwise, as by a witnessed log, to
    have existed then.
    """
    digest = hashlib.sha256(pdf).hexdigest()

    def verdict(
        outcome: Verdict,
        sub: SubIndication | None,
        why: str,
        covers: bool = False,
        entries: Sequence[SignatureEntry] = (),
        unsigned: Sequence[str] = (),
    ) -> SignatureReport:
        return SignatureReport(outcome, sub, why, at, digest, covers, tuple(entries), tuple(unsigned))

    try:
        if len(pdf) > MAX_DOCUMENT_BYTES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "the file is too large")
        reader = read(pdf)
        if reader.encrypted or reader.total_revisions > MAX_REVISIONS:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "encrypted, or too many revisions")
        fields = [(name, value is not None) for name, value, _ in enumerate_sig_fields(reader)]
        filled = sum(is_filled for _, is_filled in fields)
        unsigned = [str(name) for name, is_filled in fields if not is_filled]
        if not filled:
            return verdict(
                Verdict.INDETERMINATE, SubIndication.SIGNED_DATA_NOT_FOUND, "no signature", unsigned=unsigned
            )
        embedded = reader.embedded_signatures
        if len(embedded) != filled or filled > MAX_SIGNATURES:
            return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "unknown kinds of signature, or too many")
        known_at = at if existed_at is None else min(at, existed_at)
        data = RevocationData()
        data.add(crls, ocsp_responses, at, embedded=False)
        validation = _Validation(pdf, reader, ChainContext(trust, revocation, data), Changes(reader), embedded)
        entries = validation.run(known_at)
    except MemoryError:
        return verdict(Verdict.INDETERMINATE, SubIndication.GENERIC, "the file needs more memory than there is")
    except Exception as exc:  # a parser meets hostile input with errors of every kind
        why = f"the file cannot be read: {type(exc).__name__}"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why)

    covers = entries[-1].coverage == SignatureCoverageLevel.ENTIRE_FILE.name
    # What is certain comes first; of what is not, the newest, because its want of proof leaves the older without.
    for outcome, order in ((Verdict.INVALID, entries), (Verdict.INDETERMINATE, entries[::-1])):
        for entry in order:
            if entry.verdict is outcome:
                why = f"{entry.field}: {entry.explanation}"
                return verdict(outcome, entry.sub_indication, why, covers, entries, unsigned)
    if not covers:
        why = "the last signature does not cover the entire file"
        return verdict(Verdict.INVALID, SubIndication.FORMAT_FAILURE, why, covers, entries, unsigned)
    return verdict(Verdict.VALID, None, "", covers, entries, unsigned)


def verify_document(pdf: bytes, trust: TrustPolicy, at: datetime, **evidence: Any) -> SignatureReport:
    """As `validate`, with the same arguments, but raises DocumentNotValid unless the verdict is VALID."""
    report = validate(pdf, trust, at, **evidence)
    if report.verdict is not Verdict.VALID:
        raise DocumentNotValid(f"{report.verdict} {report.sub_indication}: {report.explanation}")
    return report


@dataclass(slots=True)
class _Opened:
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


@dataclass(slots=True)
class _Validation:
    pdf: bytes
    reader: PdfFileReader
    chains: ChainContext
    changes: Changes
    embedded: Sequence[EmbeddedPdfSignature]
    _opened: list[_Opened] = field(default_factory=list)

    def run(self, known_at: datetime) -> list[SignatureEntry]:
        # 1. What the file itself can tell: form, coverage, digests, signature values, time stamps' contents.
        self._opened = [self._open(signature) for signature in self.embedded]
        # 2. Nothing but signatures came after what each signer saw. Asked only of what may still be good.
        for opened in self._opened:
            self._guarded(opened, self._check_changes)
        # 3. Chains and revocation, newest first.
        self._judge(known_at)
        return [opened.entry for opened in self._opened]

    def _guarded(self, opened: _Opened, check: Any, *arguments: Any) -> None:
        if opened.entry.verdict is not Verdict.VALID:
            return
        try:
            check(opened, *arguments)
        except Finding as finding:
            opened.found(finding)
        except MemoryError:
            raise
        except Exception as exc:  # a parser meets hostile input with errors of every kind
            opened.found(failed(SubIndication.FORMAT_FAILURE, f"{type(exc).__name__} while reading the signature"))

    # --- what the file itself can tell ---------------------------------------------------------------------

    def _open(self, signature: EmbeddedPdfSignature) -> _Opened:
        is_stamp = signature.sig_object_type == "/DocTimeStamp"
        kind = SignatureKind.DOCUMENT_TIMESTAMP if is_stamp else SignatureKind.SIGNATURE
        opened = _Opened(signature, SignatureEntry(str(signature.field_name), kind, Verdict.VALID))
        self._guarded(opened, self._read_coverage)
        self._guarded(opened, self._read_signature)
        return opened

    def _read_coverage(self, opened: _Opened) -> None:
        signature = opened.signature
        byte_range = [int(number) for number in signature.byte_range]
        coverage = signature.evaluate_signature_coverage()
        opened.entry = replace(
            opened.entry,
            coverage=coverage.name,
            covered_bytes=sum(byte_range[2:]),
            certifies=_is_certifying(self.reader, signature),
        )
        if len(byte_range) != 4 or byte_range[0] != 0 or coverage < SignatureCoverageLevel.ENTIRE_REVISION:
            raise failed(SubIndication.FORMAT_FAILURE, "the signature does not cover its revision")
        _, before, after, rest = byte_range
        if not 0 < before < after <= after + rest <= len(self.pdf):
            raise failed(SubIndication.FORMAT_FAILURE, "the byte range is not one of this file")
        content = check_contents(self.pdf[before:after])
        opened.data = open_signed_data(content)

    def _read_signature(self, opened: _Opened) -> None:
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
            self._read_token(opened, data)
        opened.entry = replace(
            opened.entry,
            subject=opened.certificate.subject.rfc4514_string(),
            certificate=opened.certificate.public_bytes(Encoding.DER),
            binding=None if opened.is_stamp else _binding(data, opened.certificate),
        )

    def _read_token(self, opened: _Opened, data: OpenedSignedData) -> None:
        if data.token is None:
            return
        opened.token = open_signed_data(data.token)
        opened.stamper, stamped_at = check_token(opened.token, lambda name: digest_of(data.signature, name))
        opened.entry = replace(opened.entry, stamped_at=stamped_at)

    # --- changes -------------------------------------------------------------------------------------------

    def _check_changes(self, opened: _Opened) -> None:
        signature, binding = opened.signature, opened.entry.binding
        certified = binding is not None or any(other.entry.certifies for other in self._opened)
        permitted = signature.docmdp_level or ModificationLevel.FORM_FILLING
        lock = [signature.fieldmdp] if signature.fieldmdp is not None else []
        after, why = self.changes.since(signature.signed_revision, certified=certified, locks=lock)
        opened.entry = replace(opened.entry, modifications=after.name)
        if after.value > min(permitted.value, ModificationLevel.FORM_FILLING.value):
            raise failed(SubIndication.HASH_FAILURE, f"the document was changed after this signature. {why}".strip())
        if binding is None:
            return
        shown = find_revision(binding.document_sha256, self.pdf, self.reader, int(signature.byte_range[1]))
        if shown is None:
            raise failed(SubIndication.SIG_CONSTRAINTS_FAILURE, "what the signer read is no revision of this file")
        since_shown, why = self.changes.since(shown, certified=True)
        if since_shown > ModificationLevel.FORM_FILLING:
            raise failed(
                SubIndication.SIG_CONSTRAINTS_FAILURE, f"more than signatures came after what the signer read. {why}"
            )

    # --- chains, as of proven times ------------------------------------------------------------------------

    def _judge(self, known_at: datetime) -> None:
        archived = False
        earlier = self._earlier_stamps()
        self._add_revocation_data(known_at)
        for index in range(len(self._opened) - 1, -1, -1):
            opened = self._opened[index]
            not_before = earlier[index]
            if opened.is_stamp:
                self._guarded(opened, self._judge_document_stamp, known_at, not_before)
                stamped_at = opened.entry.stamped_at
                if opened.entry.verdict is Verdict.VALID and stamped_at is not None:
                    known_at, archived = min(known_at, stamped_at), True
                    self._prove_revocation_data(opened.signature.signed_revision, known_at)
            else:
                self._guarded(opened, self._judge_signature, known_at, not_before, archived)

    def _judge_document_stamp(self, opened: _Opened, known_at: datetime, not_before: datetime | None) -> None:
        assert opened.data is not None
        assert opened.certificate is not None
        self._check_stamp_time(opened.entry.stamped_at, known_at)
        chain = self._chain(opened.data, opened.certificate, Purpose.TSA, known_at, not_before)
        opened.entry = replace(opened.entry, chain=chain, proven_at=known_at)

    def _judge_signature(
        self, opened: _Opened, known_at: datetime, not_before: datetime | None, archived: bool
    ) -> None:
        assert opened.data is not None
        assert opened.certificate is not None
        proven_at, stamp_chain = known_at, tuple[ChainLink, ...]()
        if opened.token is not None:
            assert opened.stamper is not None
            self._check_stamp_time(opened.entry.stamped_at, known_at)
            stamp_chain = self._chain(opened.token, opened.stamper, Purpose.TSA, known_at, not_before)
            proven_at = min(known_at, opened.entry.stamped_at or known_at)
            opened.entry = replace(opened.entry, level=Level.T)
        purpose = Purpose.SEAL if opened.entry.binding is None else Purpose.SIGNER
        opened.entry = replace(opened.entry, proven_at=proven_at)
        chain = self._chain(opened.data, opened.certificate, purpose, proven_at, not_before)
        opened.entry = replace(opened.entry, chain=chain)
        if opened.token is not None and all(map(_outlives_its_source, (*chain, *stamp_chain))):
            opened.entry = replace(opened.entry, level=Level.LTA if archived else Level.LT)

    def _chain(
        self,
        data: OpenedSignedData,
        certificate: x509.Certificate,
        purpose: Purpose,
        at: datetime,
        not_before: datetime | None,
    ) -> tuple[ChainLink, ...]:
        crls, responses = data.revocation_archive()
        if crls or responses or data.crls:
            self.chains.data.add((*crls, *data.crls), responses, at, embedded=True)
        return self.chains.judge(certificate, data.certificates, purpose, at, not_before)

    def _check_stamp_time(self, stamped_at: datetime | None, known_at: datetime) -> None:
        if stamped_at is None or stamped_at > known_at + CLOCK_TOLERANCE:
            raise Finding(SubIndication.TIMESTAMP_ORDER_FAILURE, "the time stamp is from the future")

    def _earlier_stamps(self) -> list[datetime | None]:
        """For each signature the latest time stamp among what it covers: it was made after that."""
        latest, found = None, list[datetime | None]()
        for opened in self._opened:
            found.append(latest)
            stamped_at = opened.entry.stamped_at
            if opened.entry.verdict is Verdict.VALID and stamped_at is not None:
                latest = stamped_at if latest is None else max(latest, stamped_at)
        return found

    # --- revocation data in the file -----------------------------------------------------------------------

    def _add_revocation_data(self, known_at: datetime) -> None:
        crls, responses = stored_revocation(self.changes.revision(self.changes.last))
        self.chains.data.add(crls, responses, known_at, embedded=True)

    def _prove_revocation_data(self, revision: int, known_at: datetime) -> None:
        """A document time stamp proves that the data in the revision before it existed at its time."""
        crls, responses = stored_revocation(self.changes.revision(revision))
        self.chains.data.prove({*crls, *responses}, known_at)


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


def _outlives_its_source(link: ChainLink) -> bool:
    return link.source is RevocationSource.NOT_NEEDED or link.embedded


def stored_revocation(revision: HistoricalResolver) -> tuple[list[bytes], list[bytes]]:
    """CRLs and OCSP responses (DER) of a revision's document security store (ISO 32000-2 §12.8.4.3)."""
    store = revision.root["/DSS"] if "/DSS" in revision.root else {}  # noqa: SIM401 - follows references
    found: dict[str, list[bytes]] = {"/CRLs": [], "/OCSPs": []}
    for key, streams in found.items():
        for item in store[key] if key in store else ():  # noqa: SIM401
            stream = item.get_object()
            if isinstance(stream, generic.StreamObject):
                streams.append(bytes(stream.data))
    return found["/CRLs"], found["/OCSPs"]


def _is_certifying(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> bool:
    if "/Perms" not in reader.root or "/DocMDP" not in reader.root["/Perms"]:
        return False
    reference = reader.root["/Perms"].raw_get("/DocMDP")
    return bool(reference == signature.sig_field.raw_get("/V"))
