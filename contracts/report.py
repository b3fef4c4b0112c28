"""What validation found, as frozen values and as JSON. Words as in ETSI EN 319 102-1 §5.1.3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.binding import SignatureBinding

REPORT_FORMAT = "yunlian-signature-report/1"


class Verdict(StrEnum):
    """TOTAL-PASSED, TOTAL-FAILED and INDETERMINATE under the names that people read."""

    VALID = "VALID"
    INVALID = "INVALID"
    INDETERMINATE = "INDETERMINATE"


class SubIndication(StrEnum):
    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    NOT_YET_VALID = "NOT_YET_VALID"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE_NO_POE = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    REVOCATION_OUT_OF_BOUNDS_NO_POE = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
    TRY_LATER = "TRY_LATER"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    GENERIC = "GENERIC"


class Level(StrEnum):
    """Baseline level reached (ETSI EN 319 142-1)."""

    B = "B-B"
    T = "B-T"
    LT = "B-LT"
    LTA = "B-LTA"


class SignatureKind(StrEnum):
    SIGNATURE = "signature"
    DOCUMENT_TIMESTAMP = "document-timestamp"


class RevocationSource(StrEnum):
    """Where it is known from that a certificate was not revoked."""

    CRL = "crl"
    OCSP = "ocsp"
    SERVICE = "service"
    """The authority's own records, asked when the validation was made."""
    NOT_NEEDED = "not-needed"
    """Short-term certificates and OCSP responders are never looked up."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of a signer's chain below the trust anchor."""

    subject: str
    serial_number: int
    source: RevocationSource
    this_update: datetime | None = None
    next_update: datetime | None = None
    embedded: bool = False
    """The answer is in the file itself (or in its evidence), so that it outlives whoever gave it."""


@dataclass(frozen=True, slots=True)
class SignatureEntry:
    """One signature or document time stamp. What could not be established is None."""

    field: str
    kind: SignatureKind
    verdict: Verdict
    sub_indication: SubIndication | None = None
    explanation: str = ""
    subject: str | None = None
    """The signer's name, RFC 4514."""
    certificate: bytes | None = None
    """DER."""
    claimed_at: datetime | None = None
    """What the signer's clock said."""
    stamped_at: datetime | None = None
    """Proof of existence: the time stamp over the signature, or the document time stamp's own time."""
    proven_at: datetime | None = None
    """Best signature time: the earliest time at which the signature is proven to have existed, and for which its
    certificate was judged. Without any time stamp, the time of validation."""
    binding: SignatureBinding | None = None
    chain: tuple[ChainLink, ...] = ()
    """The signer's certificate first; the trust anchor is left out."""
    coverage: str = "UNCLEAR"
    """ENTIRE_FILE, ENTIRE_REVISION, CONTIGUOUS_BLOCK_FROM_START or UNCLEAR."""
    covered_bytes: int = 0
    modifications: str | None = None
    """What came after: NONE, LTA_UPDATES, FORM_FILLING, ANNOTATIONS or OTHER."""
    certifies: bool = False
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """The document as a whole. `at` is the time for which validation was asked."""

    verdict: Verdict
    sub_indication: SubIndication | None
    explanation: str
    at: datetime
    document_sha256: str
    covers_entire_file: bool
    signatures: tuple[SignatureEntry, ...]
    unsigned_fields: tuple[str, ...] = ()
    """Signature fields that wait for a signature."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: digests in hexadecimal, times in ISO 8601."""
        return {
            "format": REPORT_FORMAT,
            "verdict": self.verdict.value,
            "sub_indication": self.sub_indication and self.sub_indication.value,
            "explanation": self.explanation,
            "at": self.at.isoformat(),
            "document_sha256": self.document_sha256,
            "covers_entire_file": self.covers_entire_file,
            "signatures": [_entry_dict(entry) for entry in self.signatures],
            "unsigned_fields": list(self.unsigned_fields),
        }


def _entry_dict(entry: SignatureEntry) -> dict[str, Any]:
    binding = entry.binding
    return {
        "field": entry.field,
        "kind": entry.kind.value,
        "verdict": entry.verdict.value,
        "sub_indication": entry.sub_indication and entry.sub_indication.value,
        "explanation": entry.explanation,
        "subject": entry.subject,
        "claimed_at": entry.claimed_at and entry.claimed_at.isoformat(),
        "stamped_at": entry.stamped_at and entry.stamped_at.isoformat(),
        "proven_at": entry.proven_at and entry.proven_at.isoformat(),
        "chain": [_link_dict(link) for link in entry.chain],
        "binding": binding
        and {
            "face_evidence_root": binding.face_evidence_root.hex(),
            "consent_sha256": binding.consent_sha256.hex(),
            "document_sha256": binding.document_sha256.hex(),
        },
        "coverage": entry.coverage,
        "covered_bytes": entry.covered_bytes,
        "modifications": entry.modifications,
        "certifies": entry.certifies,
        "level": entry.level and entry.level.value,
    }


def _link_dict(link: ChainLink) -> dict[str, Any]:
    return {
        "subject": link.subject,
        "serial_number": f"{link.serial_number:x}",
        "revocation": link.source.value,
        "this_update": link.this_update and link.this_update.isoformat(),
        "next_update": link.next_update and link.next_update.isoformat(),
        "embedded": link.embedded,
    }
