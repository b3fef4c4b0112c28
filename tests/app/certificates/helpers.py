"""Requests for certificates, and a look at rows and journal."""

from __future__ import annotations

import json
from collections import Counter

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from app.certificates import service
from app.certificates.models import CertificateRecord
from app.journal import JournalEntry
from app.wiring import Services
from pki.keys import PrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def csr(key: PrivateKey | None = None) -> bytes:
    """A request in PEM that claims nothing, for this key or a new one."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = key or new_key()
    assert isinstance(made, ec.EllipticCurvePrivateKey)
    return builder.sign(made, hashes.SHA256()).public_bytes(Encoding.PEM)


def api_code(services: Services, tenant_id: str, application_id: str) -> str:
    with services.transaction() as session:
        _, code = service.create_enrolment(
            services, session, profile="api", tenant_id=tenant_id, application_id=application_id, actor="test"
        )
    return code


def product_code(services: Services, tenant_id: str, product: str = "payments", custody: str = "agent") -> str:
    with services.transaction() as session:
        _, code = service.create_enrolment(
            services, session, profile="product", tenant_id=tenant_id, product=product, custody=custody, actor="test"
        )
    return code


def state(services: Services, x5t_s256: str) -> tuple[str, str | None]:
    with services.reading() as session:
        record = session.get_one(CertificateRecord, x5t_s256)
        return str(record.state), record.revocation_reason


def kinds(services: Services) -> Counter[str]:
    """How many journal entries of each kind there are."""
    with services.reading() as session:
        return Counter(session.scalars(select(JournalEntry.kind)))


def assert_rows_and_journal_agree(services: Services) -> int:
    """Every certificate has its one line, every line its certificate, and no serial or key stands twice."""
    with services.reading() as session:
        rows = session.execute(
            select(CertificateRecord.x5t_s256, CertificateRecord.issuer, CertificateRecord.serial)
        ).all()
        lines = session.scalars(select(JournalEntry.leaf).where(JournalEntry.kind == "certificate-issued")).all()
    told = Counter(json.loads(leaf)["subject"] for leaf in lines)
    assert told == Counter(row.x5t_s256 for row in rows)
    assert len({(row.issuer, row.serial) for row in rows}) == len(rows)
    return len(rows)
