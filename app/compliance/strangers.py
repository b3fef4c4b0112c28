"""Whoever holds a contract may have it verified, without an account: the file is judged and forgotten, and a number
together with a digest says whether that very file is one of ours. Nothing is told to who has only one of the two."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import once
from app.certificates.status import own_states
from app.compliance.problems import UploadNotPdf
from app.problems import NotFound, TooManyRequests
from app.signing import tasks
from app.signing.models import Contract, Revision
from contracts.report import SignatureReport

if TYPE_CHECKING:
    from app.wiring import Services

MAXIMUM_UPLOAD = 10 * 1024 * 1024
MOST_A_MINUTE = 10


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """What a number and a digest tell: which step of the contract's life the file is."""

    number: str
    title: str
    state: str
    kind: str
    """"prepared", "signed", "sealed" or "renewed"."""
    is_latest: bool
    stored_at: datetime
    deleted: bool


def admit(services: Services, session: Session, address: str) -> None:
    """Count one request of a network address, of which only a keyed digest is kept, for a minute.

    Raises TooManyRequests after MOST_A_MINUTE.
    """
    now = services.clock()
    minute = int(now.timestamp()) // 60
    network = ":".join(address.split(":")[:4]) if ":" in address else address  # IPv6 is handed out by networks
    key = hmac.digest(services.settings.secret_key.encode(), b"strangers " + network.encode(), "sha256").hex()
    ends = now + timedelta(minutes=2)
    if not any(once.spend(session, "verification", key, f"{minute}:{n}", ends) for n in range(MOST_A_MINUTE)):
        raise TooManyRequests("too many verifications from this address", retry_after=60)


def verify_upload(services: Services, pdf: bytes, *, at: datetime | None = None) -> SignatureReport:
    """What a stranger's PDF is worth under our root; stores nothing. Raises UploadNotPdf."""
    if not pdf.startswith(b"%PDF-"):
        raise UploadNotPdf("not a PDF")
    return validate_document(services, pdf, at or services.clock())


def validate_document(services: Services, pdf: bytes, at: datetime) -> SignatureReport:
    """In the workshop, within bounds: what a file makes its reader do is in its sender's hands."""
    hierarchy = services.hierarchy
    authorities = tuple(authority.certificate.public_bytes(Encoding.DER) for authority in hierarchy.authorities)
    with services.reading() as session:
        states = own_states(session)
    return services.workshop.run(tasks.validate_pdf, pdf, hierarchy.root_der, authorities, states, at)


def look_up(session: Session, number: str, sha256: str) -> KnownDocument:
    """Which document of ours has this number and this SHA-256 (hexadecimal). Raises NotFound for half of it."""
    found = session.execute(
        select(Contract, Revision)
        .join(Revision, Revision.contract_id == Contract.id)
        .where(Contract.number == number.strip().upper(), Revision.sha256 == sha256.strip().lower())
    ).first()
    if found is None:
        raise NotFound("no contract of this number has a document with this digest")
    contract, revision = found
    return KnownDocument(
        number=contract.number,
        title=contract.title,
        state=contract.state,
        kind=revision.kind,
        is_latest=revision.sha256 == contract.current_sha256,
        stored_at=revision.stored_at,
        deleted=contract.deleted_at is not None,
    )


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal, by which a file is looked up."""
    return hashlib.sha256(content).hexdigest()
