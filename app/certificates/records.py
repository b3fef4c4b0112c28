"""From a certificate to its row."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.certificates.models import CertificateRecord, CertificateState
from pki.keys import PublicKey, check_public_key, spki_sha256


def x5t_s256(certificate: x509.Certificate) -> str:
    """The name of a certificate everywhere in the service: base64url SHA-256 of its DER (RFC 7515 §4.1.8)."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def record_values(
    certificate: x509.Certificate,
    profile: str,
    issuer: str,
    issued_at: datetime,
    *,
    public_key: PublicKey | None = None,
    **links: Any,
) -> dict[str, Any]:
    """The columns for an issued certificate; `links` say whose it is (tenant_id, application_id, product, …).

    `public_key` is the certificate's own, where the caller has it parsed already.
    """
    return {
        "x5t_s256": x5t_s256(certificate),
        "issuer": issuer,
        "serial": f"{certificate.serial_number:x}",
        "profile": profile,
        "der": certificate.public_bytes(Encoding.DER),
        "spki_sha256": spki_sha256(public_key or check_public_key(certificate.public_key())),
        "subject": certificate.subject.rfc4514_string()[:300],
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "state": CertificateState.GOOD,
        "issued_at": issued_at,
        **links,
    }


def make_record(
    certificate: x509.Certificate, profile: str, issuer: str, issued_at: datetime, **links: Any
) -> CertificateRecord:
    """The row for an issued certificate."""
    return CertificateRecord(**record_values(certificate, profile, issuer, issued_at, **links))
