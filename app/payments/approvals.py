"""Held payments that wait for a second approver of the enterprise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.payments.channel_models import PaymentApproval

if TYPE_CHECKING:
    from app.wiring import Services

LONGEST = timedelta(hours=24)


def hold(
    services: Services,
    session: Session,
    *,
    payment_id: str,
    tenant_id: str,
    reasons: list[str],
    authorization_id: str,
    at: datetime,
) -> None:
    """Put a held payment before the enterprise's approvers, in the transaction that holds it."""
    session.add(
        PaymentApproval(
            payment_id=payment_id,
            tenant_id=tenant_id,
            authorization_id=authorization_id,
            reasons=reasons,
            held_at=at,
            expires_at=at + LONGEST,
        )
    )
