"""What the authorization server need not remember any longer; the jobs process deletes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from app.oauth.models import AuthorizationCode, PushedRequest, RefreshToken, RevokedToken
from app.oauth.token_keys import delete_forgotten, forget_retired

if TYPE_CHECKING:
    from app.wiring import Services

MARGIN = timedelta(minutes=1)  # for workers whose clocks are behind
_EXPIRING = (AuthorizationCode, PushedRequest, RefreshToken, RevokedToken)


def forget_expired(services: Services) -> int:
    """Delete codes, pushed requests, refresh and revoked tokens that would be refused for their age, and retired keys.

    A job; returns how many rows and keys it deleted. Authorizations stay: they are records.
    """
    now: datetime = services.clock()
    with services.transaction() as session:
        gone = sum(
            session.execute(delete(model).where(model.expires_at < now - MARGIN)).rowcount  # type: ignore[attr-defined]
            for model in _EXPIRING
        )
        gone += forget_retired(session, now - MARGIN)
    return gone + delete_forgotten(services)
