"""The readable report of an evidence bundle (出证报告), and what it and the bundle take out of a signed PDF."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from contracts import der
from contracts.proven_times import stored_revocation
from contracts.revisions import read
from contracts.signed_data import OpenedSignedData, open_signed_data, timestamp_of
from contracts.signing import pyhanko_errors
from contracts.typesetting import typesetter
from pki.binding import SignatureBinding, get_signature_binding
from pki.errors import InvalidBinding

_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What one signature says of itself; whether it is good is validation's affair."""

    field: str
    certificate: x509.Certificate | None
    """None for a document time stamp."""
    stamped_at: datetime | None
    binding: SignatureBinding | None


@dataclass(frozen=True, slots=True)
class ArchiveContents:
    signatures: tuple[SignatureFacts, ...]
    timestamps: dict[str, bytes]
    """Field name -> DER of the time-stamp token."""
    crls: tuple[bytes, ...]


def open_archive(pdf: bytes) -> ArchiveContents:
    """Signatures, time stamps and CRLs of a signed PDF. Raises SigningFailed where it cannot be read."""
    facts, tokens = list[SignatureFacts](), dict[str, bytes]()
    with pyhanko_errors():
        reader = read(pdf)
        for embedded in reader.embedded_signatures:
            found, token = _facts(embedded)
            facts.append(found)
            if token is not None:
                tokens[found.field] = token
        crls, _ = stored_revocation(reader.get_historical_resolver(int(reader.xrefs.total_revisions) - 1))
    return ArchiveContents(tuple(facts), tokens, tuple(crls))


def _facts(embedded: EmbeddedPdfSignature) -> tuple[SignatureFacts, bytes | None]:
    name = str(embedded.field_name)
    content = der.first(embedded.pkcs7_content).whole
    opened = open_signed_data(content)
    if embedded.sig_object_type == "/DocTimeStamp":
        return SignatureFacts(name, None, timestamp_of(opened), None), content
    token = opened.token
    stamped_at = timestamp_of(open_signed_data(token)) if token is not None else None
    certificate = _signer(opened, embedded)
    try:
        binding = get_signature_binding(certificate)
    except InvalidBinding:
        binding = None
    return SignatureFacts(name, certificate, stamped_at, binding), token


def _signer(opened: OpenedSignedData, embedded: EmbeddedPdfSignature) -> x509.Certificate:
    return x509.load_der_x509_certificate(embedded.signer_cert.dump())


def render_report(contract: bytes, parts: Mapping[str, bytes], log_entry: Mapping[str, Any]) -> bytes:
    """The report as PDF/A-2b, from the contract and the parts of its bundle. The same evidence gives the same bytes.

    Raises SigningFailed for an unreadable contract, RenderingFailed, FontMissing.
    """
    contents = open_archive(contract)
    times = [facts.stamped_at for facts in contents.signatures if facts.stamped_at is not None]
    made_at = max(times, default=datetime(2000, 1, 1, tzinfo=UTC))
    origin, size = str(log_entry["checkpoint"]).split("\n")[:2]
    report = {
        "contract_sha256": hashlib.sha256(contract).hexdigest(),
        "contract_bytes": len(contract),
        "date": [made_at.year, made_at.month, made_at.day],
        "signatures": [_signature(facts, parts) for facts in contents.signatures if facts.certificate is not None],
        "archive": [_beijing(f.stamped_at) for f in contents.signatures if f.certificate is None],
        "log": {"origin": origin, "size": size, "index": str(log_entry["index"])},
        "pages_sha256": hashlib.sha256(parts["pages.json"]).hexdigest() if "pages.json" in parts else None,
        "crls": sum(path.startswith("revocation/") for path in parts),
    }
    return typesetter("reports/evidence.typ").typeset({"report": report, "terms": {}}, created_at=made_at)[0]


def _signature(facts: SignatureFacts, parts: Mapping[str, bytes]) -> dict[str, Any]:
    assert facts.certificate is not None
    certificate, binding = facts.certificate, facts.binding
    return {
        "field": facts.field,
        "signer": certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value,
        "serial": f"{certificate.serial_number:x}",
        "valid_from": _beijing(certificate.not_valid_before_utc),
        "valid_to": _beijing(certificate.not_valid_after_utc),
        "stamped_at": _beijing(facts.stamped_at),
        "binding": binding
        and {
            "face": binding.face_evidence_root.hex(),
            "consent": binding.consent_sha256.hex(),
            "document": binding.document_sha256.hex(),
            "wording": _wording(parts, binding.consent_sha256),
        },
    }


def _wording(parts: Mapping[str, bytes], sha256: bytes) -> str:
    wording = parts.get(f"consent/{sha256.hex()}.json")
    return str(json.loads(wording)["version"]) if wording is not None else "（未收录）"


def _beijing(at: datetime | None) -> str:
    return "—" if at is None else f"{at.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}（北京时间）"
