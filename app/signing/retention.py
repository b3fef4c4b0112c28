"""How long contracts are kept, and what happens then: years per template from the day a contract ended, legal holds.

Deletion has two halves, so that a crash between them loses nothing: first the contract is marked and journaled, in one
transaction; then its documents leave the store, as often as it takes. What stays for ever is the contract's row with
its digests, and the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.proofing.models import FaceCheck
from app.signing.holds import is_held
from app.signing.models import Contract, PendingSigning, Revision, Upload
from app.signing.stored import lock_contract

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)
BATCH = 100


def kept_until(contract: Contract, years: Mapping[str, int]) -> datetime | None:
    """When a contract may be deleted; None while it has not ended."""
    if contract.ended_at is None:
        return None
    number = years.get(contract.template, years["*"])
    ended = contract.ended_at
    try:
        return ended.replace(year=ended.year + number)
    except ValueError:  # the 29th of February
        return ended.replace(year=ended.year + number, day=28) + timedelta(days=1)


def delete_expired(services: Services) -> int:
    """Delete contracts whose retention has run out and on which no hold stands; the jobs process calls it."""
    now, years = services.clock(), services.settings.retention_years
    shortest = now - timedelta(days=365 * min(years.values()))
    with services.reading() as session:
        candidates = session.scalars(
            select(Contract)
            .where(Contract.ended_at <= shortest, Contract.deleted_at.is_(None))
            .order_by(Contract.ended_at)
        ).all()
    due = [contract.id for contract in candidates if (kept_until(contract, years) or now) <= now]
    deleted = sum(_delete(services, contract_id, now) for contract_id in due[:BATCH])
    _erase_documents(services)
    return deleted


def forget_pending_signings(services: Services) -> int:
    """Signatures in the making hold whole documents: gone once their time is over."""
    with services.transaction() as session:
        over = delete(PendingSigning).where(PendingSigning.expires_at < services.clock() - timedelta(hours=1))
        return session.execute(over).rowcount  # type: ignore[attr-defined, no-any-return]


def _delete(services: Services, contract_id: str, now: datetime) -> bool:
    with services.transaction() as session:
        contract = lock_contract(session, contract_id)
        if contract.deleted_at is not None or is_held(session, contract_id):
            return False
        contract.deleted_at, contract.renew_at = now, None
        body = {
            "document_sha256": contract.current_sha256,
            "template": contract.template,
            "ended_at": contract.ended_at.isoformat() if contract.ended_at else None,
        }
        services.journal.append(session, "contract-deleted", subject=contract_id, actor="system", body=body)
        return True


def _erase_documents(services: Services) -> None:
    with services.reading() as session:
        marked = session.scalars(
            select(Contract.id).where(Contract.deleted_at.is_not(None), Contract.erased_at.is_(None)).limit(BATCH)
        ).all()
        documents = {contract_id: _documents_of(session, contract_id) for contract_id in marked}
    for contract_id, names in documents.items():
        for name in names:
            services.documents.delete(name)
        with services.transaction() as session:
            session.execute(delete(PendingSigning).where(PendingSigning.contract_id == contract_id))
            evidence = update(FaceCheck).where(FaceCheck.subject_id == contract_id)
            session.execute(evidence.values(evidence_sealed=None, pictures_sha256=None))
            session.execute(update(Contract).where(Contract.id == contract_id).values(erased_at=services.clock()))


def _documents_of(session: Session, contract_id: str) -> set[str]:
    """Everything in the store that belongs to this contract and to no other."""
    own = set(session.scalars(select(Revision.sha256).where(Revision.contract_id == contract_id)))
    uploads = session.scalars(select(Upload).where(Upload.contract_id == contract_id)).all()
    own |= {sha256 for upload in uploads for sha256 in (upload.original_sha256, upload.accepted_sha256) if sha256}
    shared = select(Revision.sha256).join(Contract, Contract.id == Revision.contract_id)
    kept = set(
        session.scalars(
            shared.where(Revision.sha256.in_(own), Revision.contract_id != contract_id, Contract.deleted_at.is_(None))
        )
    )
    others = select(Upload.original_sha256).where(
        Upload.original_sha256.in_(own), Upload.contract_id.is_distinct_from(contract_id)
    )
    kept |= set(session.scalars(others))
    pictures = select(FaceCheck.pictures_sha256).where(FaceCheck.subject_id == contract_id)
    return (own - kept) | {sha256 for sha256 in session.scalars(pictures) if sha256}
