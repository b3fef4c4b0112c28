"""What follows the last signature: the bank's seal and the archive time stamp, retried until done; and expiry."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.identity.models import Tenant
from app.signing import tasks
from app.signing.models import Contract
from app.signing.stored import add_revision, advance, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import CeremonyState

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)
DELIVERY_RETRY = timedelta(minutes=1)


def deliver_pending(services: Services) -> int:
    """Seal and archive every completed contract that is not yet delivered; the jobs process repeats it until done."""
    now = services.clock()
    with services.reading() as session:
        waiting = session.scalars(
            select(Contract.id)
            .where(
                Contract.state == CeremonyState.COMPLETED, Contract.delivered_at.is_(None), Contract.deliver_at <= now
            )
            .order_by(Contract.deliver_at)
            .limit(20)
        ).all()
    for contract_id in waiting:
        try:
            deliver(services, contract_id)
        except Exception:
            # One contract that cannot be delivered must not keep the others from it; it is tried again later.
            log.exception("delivery failed", extra={"contract": contract_id})
            with services.transaction() as session:
                session.execute(
                    update(Contract).where(Contract.id == contract_id).values(deliver_at=now + DELIVERY_RETRY)
                )
    return len(waiting)


def deliver(services: Services, contract_id: str) -> None:
    """The bank's seal and the archive time stamp go into a completed contract, exactly once.

    Computed outside any transaction; the condition on the revision lets one of two workers store its result.
    """
    with services.reading() as session:
        contract = session.get_one(Contract, contract_id)
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).one()
    if contract.delivered_at is not None:
        return
    now = services.clock()
    document = services.documents.get(contract.current_sha256)
    sealed = tasks.seal_and_archive(services, document, bank, contract.seal_field, now)
    with services.transaction() as session:
        sha256 = services.documents.put(sealed)
        stored = session.execute(
            update(Contract)
            .where(
                Contract.id == contract_id,
                Contract.delivered_at.is_(None),
                Contract.current_sha256 == contract.current_sha256,
            )
            .values(current_sha256=sha256, delivered_at=now, renew_at=now)
        )
        if stored.rowcount == 1:  # type: ignore[attr-defined]
            add_revision(session, contract_id, sha256, "sealed", now)
            services.journal.append(
                session,
                "contract-completed",
                subject=contract_id,
                actor="bank",
                body={"document_sha256": sha256},
            )


def expire_overdue(services: Services) -> int:
    """Close contracts whose time has run out before all had signed; the jobs process calls it."""
    now = services.clock()
    with services.transaction() as session:
        overdue = session.scalars(
            select(Contract)
            .where(Contract.state.in_((CeremonyState.DRAFT, CeremonyState.SENT)), Contract.expires_at <= now)
            .limit(100)
            .with_for_update(of=Contract, key_share=True, skip_locked=True)
        ).all()
        for contract in overdue:
            advance(contract, rules.expire(stored_ceremony(contract), now))
            services.journal.append(session, "contract-expired", subject=contract.id, actor="system", body={})
    return len(overdue)
