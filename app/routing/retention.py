"""How long decisions are kept. One says why a payment went where it went, so it is kept as long as records of
transactions: ten years after Article 34 of the Anti-Money Laundering Law of 2024, unless the settings say otherwise.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from app.routing.models import RoutingDecision

if TYPE_CHECKING:
    from app.wiring import Services

_YEAR = timedelta(days=365.25)
_SLICE = 1000  # deleted in one transaction, so that whoever decides need not wait for it
_MOST = 100  # slices at a time; the jobs process has other things to do


def delete_past(services: Services) -> int:
    """Delete decisions whose time is over; the jobs process calls it. Returns how many went."""
    before = services.clock() - services.settings.routing_retention_years * _YEAR
    oldest = select(RoutingDecision.id).where(RoutingDecision.asked_at < before).order_by(RoutingDecision.asked_at)
    deleted = 0
    for _ in range(_MOST):
        with services.transaction() as session:
            past = session.scalars(oldest.limit(_SLICE)).all()
            if not past:
                break
            session.execute(delete(RoutingDecision).where(RoutingDecision.id.in_(past)))
            body = {"decisions": len(past), "before": before.isoformat()}
            services.journal.append(session, "routing-decisions-deleted", subject=past[-1], actor="system", body=body)
        deleted += len(past)
    return deleted
