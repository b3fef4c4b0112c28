"""Finding certificates, and the chains that go with them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord
from app.certificates.signer_issuer import signer_issuer
from app.problems import NotFound

if TYPE_CHECKING:
    from app.wiring import Services


def get_certificate(session: Session, x5t_s256: str) -> CertificateRecord:
    """Raises NotFound."""
    record = session.get(CertificateRecord, x5t_s256)
    if record is None:
        raise NotFound("no such certificate")
    return record


def list_certificates(
    session: Session,
    *,
    tenant_id: str | None = None,
    profile: str | None = None,
    text: str | None = None,
    limit: int = 50,
    before: datetime | None = None,
) -> list[CertificateRecord]:
    """Certificates, newest first; `text` is part of a subject, a serial number or the x5t#S256."""
    query = select(CertificateRecord).order_by(CertificateRecord.issued_at.desc(), CertificateRecord.x5t_s256)
    if tenant_id is not None:
        query = query.where(CertificateRecord.tenant_id == tenant_id)
    if profile:
        query = query.where(CertificateRecord.profile == profile)
    if before is not None:
        query = query.where(CertificateRecord.issued_at < before)
    if text:
        query = query.where(
            CertificateRecord.subject.contains(text, autoescape=True)
            | (CertificateRecord.serial == text.lower().lstrip("0"))
            | (CertificateRecord.x5t_s256 == text)
        )
    return list(session.scalars(query.limit(limit)))


def chain_of(services: Services, record: CertificateRecord) -> tuple[x509.Certificate, ...]:
    """The certificates above this one, the root last; none for the root itself."""
    hierarchy = services.hierarchy
    if record.profile == "root":
        return ()
    if record.profile == "issuing":
        return (hierarchy.root,)
    authority = hierarchy.find_authority(record.issuer)
    if authority is None:
        return signer_issuer(services).chain(x509.load_der_x509_certificate(record.der))
    return (authority.certificate, *authority.chain)


def chain_der(services: Services, record: CertificateRecord) -> list[bytes]:
    """The certificates above this one, in DER, the root last."""
    return [certificate.public_bytes(Encoding.DER) for certificate in chain_of(services, record)]


def chain_pem(services: Services, record: CertificateRecord) -> str:
    """The certificate and those above it but the root, in PEM, as clients and TLS servers take them."""
    certificates = [x509.load_der_x509_certificate(record.der), *chain_of(services, record)[:-1]]
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
