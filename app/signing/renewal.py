"""Archive time stamps are extended before anything that they rest on ends (ETSI EN 319 142-1 §5.5).

A contract's `renew_at` says when to look next: a margin before its newest time stamp's chain ends. What was forgotten
cannot be renewed, so a contract that fails is looked at again the next day, and the log says so.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from app.certificates.status import own_states
from app.signing import tasks
from app.signing.models import Contract
from app.signing.stored import add_revision
from contracts.archive import RENEWAL_MARGIN

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)
BATCH = 20
RETRY = timedelta(days=1)


def renew_due(services: Services) -> int:
    """Look at every archived contract whose time has come; extend those that need it. Returns how many."""
    now = services.clock()
    with services.reading() as session:
        due = session.scalars(
            select(Contract)
            .where(Contract.renew_at <= now, Contract.deleted_at.is_(None))
            .order_by(Contract.renew_at)
            .limit(BATCH)
        ).all()
    extended = 0
    for contract in due:
        try:
            extended += _renew(services, contract)
        except Exception:
            # One contract that cannot be renewed must not keep the others from it.
            log.exception("renewal failed", extra={"contract": contract.id})
            with services.transaction() as session:
                session.execute(update(Contract).where(Contract.id == contract.id).values(renew_at=now + RETRY))
    return extended


def _renew(services: Services, contract: Contract) -> bool:
    now, old = services.clock(), contract.current_sha256
    pdf = services.documents.get(old)
    ends_at = services.workshop.run(tasks.proof_ends_at, pdf)
    renewed = None
    if ends_at - RENEWAL_MARGIN <= now:
        with services.reading() as session:
            states = own_states(session)
        renewed = tasks.renew_archive(services, pdf, states, now)
        ends_at = services.workshop.run(tasks.proof_ends_at, renewed)
    # Where the authority's own certificate ends within the margin, no renewal helps until it has a new one.
    look_at = max(ends_at - RENEWAL_MARGIN, now + RETRY)
    with services.transaction() as session:
        unchanged = update(Contract).where(Contract.id == contract.id, Contract.current_sha256 == old)
        if renewed is None:
            session.execute(unchanged.values(renew_at=look_at))
            return False
        sha256 = services.documents.put(renewed)
        stored = session.execute(unchanged.values(current_sha256=sha256, renew_at=look_at))
        if stored.rowcount != 1:  # type: ignore[attr-defined]
            return False  # another worker was first
        add_revision(session, contract.id, sha256, "renewed", now)
        body = {"document_sha256": sha256, "renews_sha256": old, "ends_at": ends_at.isoformat()}
        services.journal.append(session, "contract-renewed", subject=contract.id, actor="system", body=body)
        return True
