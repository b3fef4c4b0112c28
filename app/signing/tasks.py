"""What signing does that takes CPU: plain functions over plain values, so that the workshop can run them elsewhere."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pypdfium2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from app.certificates.records import x5t_s256
from app.identity.models import Tenant
from app.signing.revocation import archive_data, renewal_data
from contracts import bounded, signing, upload
from contracts.archive import archive, renew
from contracts.archive import proof_ends_at as archived_until
from contracts.cms import SigningKey
from contracts.edge_seal import paint_edge_seals
from contracts.errors import ContractError, UnsafeDocument
from contracts.evidence import EvidenceReport, verify_bundle
from contracts.evidence_report import render_report
from contracts.inspection import find_hazards, inspect
from contracts.render import get_template, render
from contracts.report import SignatureReport
from contracts.seals import company_and_person_seal, company_seal
from contracts.signing import PendingSignature
from contracts.upload import flatten_pages
from pki.binding import SignatureBinding
from pki.path import TrustPolicy
from pki.revocation import RevocationState

if TYPE_CHECKING:
    from app.wiring import Services

PAGE_PIXELS = 1240  # width of a page picture: A4 at 150 dots an inch
_PDFIUM = threading.Lock()  # PDFium is not safe for threads
BANK_ADDRESS = "北京市西城区金融大街 1 号"
SIGNER = "legal-representative"  # the kind of place where a person signs
BANK_SEAL = ("bank", "seal")
SIGNATURE_SIZE = (66 / 25.4 * 72, 40 / 25.4 * 72)  # points: company seal and name seal side by side
PAGE_MARGIN = 36.0


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A contract ready to be read and signed: the parties' signature fields and the bank's (or empty)."""

    pdf: bytes
    title: str
    template: str
    version: str
    pages: int
    signer_fields: Mapping[str, str]
    seal_field: str


@dataclass(frozen=True, slots=True)
class InspectedUpload:
    """What the inspection of a stranger's PDF found: reasons of contracts.inspection.REASONS, and how many pages."""

    reasons: tuple[str, ...]
    pages: int


@dataclass(frozen=True, slots=True)
class ChosenPlace:
    """A signature field in a foreign PDF, in points from the lower left corner of its page, counted from 0."""

    name: str
    party: str
    kind: str
    page: int
    x: float
    y: float
    width: float
    height: float


REPORT_PLACE = ChosenPlace("report-seal", *BANK_SEAL, page=0, x=400, y=60, width=114, height=114)


@dataclass(frozen=True, slots=True)
class SignatureStart:
    """What the first step of a signature needs; certificates in DER, the issuer first in `chain`."""

    pdf: bytes
    field: str
    certificate: bytes
    chain: tuple[bytes, ...]
    binding: tuple[bytes, bytes, bytes]
    seal_name: str
    seal_code: str
    person_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StartedSignature:
    """The stored form of the pending signature and what the browser's key has to sign (DER)."""

    pending: bytes
    signed_attributes: bytes


def complete_terms(
    template: str,
    terms: Mapping[str, Any],
    *,
    number: str,
    at: datetime,
    parties: Mapping[str, tuple[Tenant, str]],
    bank: Tenant | None,
) -> dict[str, Any]:
    """The caller's terms with what the service itself knows: number, dates and the parties.

    `parties` are (organization, representative's name) by party; `<party>_address` among the terms is where one is.
    """
    day = (at + timedelta(hours=8)).date()  # contracts are dated by Beijing time
    known: dict[str, Any] = {"contract_number": number, "document_date": day.isoformat()}
    asked = get_template(template).terms.model_fields
    others = []
    for party_id, (tenant, representative) in parties.items():
        address = terms.get(f"{party_id}_address") or "（以营业执照登记住所为准）"
        party = _party(tenant, representative, address)
        if party_id in asked:
            known[party_id] = party
        else:
            others.append(party)  # party-1, party-2, …, in their order
    if others:
        known["others"] = others
    if bank is not None and "bank" in asked:
        known["bank"] = _party(bank, "（授权代表）", BANK_ADDRESS)
    addresses = {f"{party_id}_address" for party_id in parties}
    return {**{name: value for name, value in terms.items() if name not in addresses}, **known}


def _party(tenant: Tenant, representative: str, address: str) -> dict[str, str]:
    return {
        "name": tenant.name,
        "uscc": tenant.uscc,
        "legal_representative": representative,
        "address": address,
    }


def make_document(template: str, terms: Mapping[str, Any]) -> PreparedDocument:
    """Typeset a contract; give it the bank's seal across the edges of several pages (骑缝章) and all its signature
    fields. Raises what `contracts.render.render` raises, and SigningFailed."""
    chosen = get_template(template)
    rendered = render(chosen, terms)
    pdf, bank = rendered.pdf, terms.get("bank")
    if bank is not None and count_pages(pdf) > 1:
        pdf = paint_edge_seals(pdf, company_seal(bank["name"], bank["uscc"]))
    pdf = signing.prepare_document(pdf, rendered.places)
    return PreparedDocument(
        pdf=pdf,
        title=chosen.title_zh,
        template=rendered.template,
        version=rendered.version,
        pages=count_pages(pdf),
        signer_fields={place.party: place.name for place in rendered.places if place.kind == SIGNER},
        seal_field=next((place.name for place in rendered.places if (place.party, place.kind) == BANK_SEAL), ""),
    )


def inspect_upload(pdf: bytes) -> InspectedUpload:
    """Every reason not to sign this file as it is. Raises UnsafeDocument where it cannot be shown at all."""
    hazards = bounded.run(find_hazards, pdf)
    try:
        pages = bounded.run(count_pages, pdf)
    except ContractError as exc:
        raise UnsafeDocument(hazards[0].reason if hazards else "broken", "it cannot be shown") from exc
    return InspectedUpload(tuple(finding.reason for finding in hazards), pages)


def flatten_upload(pdf: bytes) -> bytes:
    """Pictures of the pages as a fresh PDF: what is seen stays, what could act, hide or be revealed later is gone.

    Raises UnsafeDocument where even that may not be signed, BoundsExceeded.
    """
    flat = bounded.run(flatten_pages, pdf, seconds=2 * bounded.MAX_SECONDS)
    inspect(flat)
    return flat


def page_sizes(pdf: bytes) -> tuple[tuple[float, float], ...]:
    """Width and height of every page in points."""
    with _PDFIUM, pypdfium2.PdfDocument(pdf) as document:
        return tuple(document.get_page_size(number) for number in range(len(document)))


def prepare_upload(
    pdf: bytes, title: str, original_sha256: str, places: tuple[ChosenPlace, ...], bank: tuple[str, str] | None
) -> PreparedDocument:
    """Give a foreign PDF its signature fields and, where the bank (name, USCC) seals several pages, its edge seal.

    Raises UnsafeDocument, InvalidPlace, SigningFailed, BoundsExceeded.
    """
    edge_seal = company_seal(*bank) if bank is not None and count_pages(pdf) > 1 else None
    prepared = bounded.run(upload.prepare_upload, pdf, places, edge_seal=edge_seal)
    return PreparedDocument(
        pdf=prepared.pdf,
        title=title,
        template="uploaded",
        version=original_sha256[:16],
        pages=prepared.pages,
        signer_fields={place.party: place.name for place in places if place.kind == SIGNER},
        seal_field=next((place.name for place in places if (place.party, place.kind) == BANK_SEAL), ""),
    )


def count_pages(pdf: bytes) -> int:
    """How many pages a PDF has."""
    with _PDFIUM, pypdfium2.PdfDocument(pdf) as document:
        return len(document)


def picture_of_page(pdf: bytes, page: int) -> bytes:
    """One page, counted from 0, as PNG of PAGE_PIXELS width, with seals and signatures as a reader sees them."""
    with _PDFIUM, pypdfium2.PdfDocument(pdf) as document:
        document.init_forms()
        sheet = document[page]
        picture = sheet.render(scale=PAGE_PIXELS / sheet.get_width(), may_draw_forms=True)
        return _encoded(picture, ".png")


def digests_of_pages(pdf: bytes, pages: range) -> tuple[str, ...]:
    """SHA-256 in hexadecimal of the pictures of these pages, counted from 0."""
    return tuple(hashlib.sha256(picture_of_page(pdf, page)).hexdigest() for page in pages)


def begin(start: SignatureStart) -> StartedSignature:
    """First step: everything but the signature value."""
    pending = signing.begin_signature(
        start.pdf,
        start.field,
        x509.load_der_x509_certificate(start.certificate),
        [x509.load_der_x509_certificate(der) for der in start.chain],
        SignatureBinding(*start.binding),
        company_and_person_seal(start.seal_name, start.seal_code, start.person_name),
        at=start.at,
    )
    return StartedSignature(pending.dump(), pending.signed_attributes)


def timestamp_imprint(signature: bytes) -> bytes:
    """SHA-256 of the signature value as the CMS will hold it: P1363 r||s of P-256 turned into DER (RFC 3279 §2.2.3)."""
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    return hashlib.sha256(encode_dss_signature(r, s)).digest()


def finish(pending: bytes, signature: bytes, timestamp: bytes) -> bytes:
    """Second step: the signed PDF. `timestamp` is a token over the SHA-256 of the DER signature value."""
    return signing.finish_signature(PendingSignature.load(pending), signature, _GivenTimestamp(timestamp))


def seal_and_archive(services: Services, pdf: bytes, bank: Tenant, seal_field: str, at: datetime) -> bytes:
    """The bank's own signature with its seal, where the document has a place for it; then validation data and the
    archive time stamp (PAdES B-LTA)."""
    if seal_field:
        pdf = _seal(services, pdf, bank, seal_field, at)
    return archive(pdf, services.hierarchy.timestamps, **archive_data(services))


def typeset_report(contract: bytes, parts: Mapping[str, bytes], log_entry: Mapping[str, Any]) -> bytes:
    """The readable report of an evidence bundle (出证报告) with the field for the bank's seal."""
    return signing.prepare_document(render_report(contract, parts, log_entry), [REPORT_PLACE])


def seal_report(services: Services, pdf: bytes, bank: Tenant, at: datetime) -> bytes:
    """Put the bank's seal and signature on a typeset report."""
    return _seal(services, pdf, bank, REPORT_PLACE.name, at)


def _seal(services: Services, pdf: bytes, bank: Tenant, field: str, at: datetime) -> bytes:
    held = services.hierarchy.seal
    assert isinstance(held.key, SigningKey)  # as the hierarchy makes it
    return signing.sign_with_key(
        pdf,
        field,
        held.key,
        held.certificate,
        held.chain,
        services.hierarchy.timestamps,
        at=at,
        seal=company_seal(bank.name, bank.uscc),
    )


def renew_archive(services: Services, pdf: bytes, states: Mapping[str, RevocationState], at: datetime) -> bytes:
    """Another archive time stamp over an archived document, with the newest revocation data.

    Raises DocumentNotValid: what is broken is not covered up.
    """
    hierarchy = services.hierarchy
    return renew(
        pdf,
        hierarchy.timestamps,
        hierarchy.trust,
        at,
        revocation=lambda certificate: states.get(x5t_s256(certificate)),
        **renewal_data(services, pdf),
    )


def proof_ends_at(pdf: bytes) -> datetime:
    """When the newest time stamp's chain ends. Raises SigningFailed."""
    return archived_until(pdf)


def validate_pdf(
    pdf: bytes, root: bytes, authorities: tuple[bytes, ...], states: Mapping[str, RevocationState], at: datetime
) -> SignatureReport:
    """Validate a stranger's PDF under a root with its authorities (DER), in a process with bounds of time and memory;
    `states` by x5t#S256. Never raises."""
    trust = TrustPolicy(
        (x509.load_der_x509_certificate(root),), tuple(x509.load_der_x509_certificate(der) for der in authorities)
    )
    return bounded.validate(pdf, trust, at, revocation=lambda certificate: states.get(x5t_s256(certificate)))


def check_evidence(bundle: bytes, root: bytes, at: datetime) -> EvidenceReport:
    """Verify a stranger's evidence bundle under a root (DER), within the same bounds.

    Raises InvalidEvidence, BoundsExceeded.
    """
    return bounded.run(verify_bundle, bundle, [x509.load_der_x509_certificate(root)], at)


class _GivenTimestamp:
    """A `TimestampSource` that answers with the token that the caller fetched beforehand."""

    def __init__(self, token: bytes) -> None:
        self._token = token

    def timestamp(self, digest_sha256: bytes) -> bytes:
        return self._token


def _encoded(picture: Any, kind: str) -> bytes:
    import cv2  # noqa: PLC0415 - only the workshop needs it

    good, encoded = cv2.imencode(kind, picture.to_numpy())
    if not good:
        raise ValueError("the page cannot be encoded")
    return bytes(encoded)
