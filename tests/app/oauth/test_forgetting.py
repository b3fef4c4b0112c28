"""What is over is deleted, and what is not stays."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from app.oauth.forgetting import MARGIN, forget_expired
from app.oauth.models import Authorization, AuthorizationCode, PushedRequest, RefreshToken, RevokedToken
from app.operations.jobs import JOBS
from app.wiring import Services
from tests.app.gateway.parties import Parties
from tests.conftest import FakeClock

LIVES = {AuthorizationCode: 60, PushedRequest: 300, RevokedToken: 301, RefreshToken: 3600}  # seconds


def _add(parties: Parties, services: Services) -> None:
    now, application = services.clock(), parties.platform.application.id
    ends = {model: now + timedelta(seconds=life) for model, life in LIVES.items()}
    with services.transaction() as session:
        session.add_all(
            [
                AuthorizationCode(
                    code_sha256=b"c", application_id=application, authorization_id=parties.authorization.id,
                    redirect_uri="https://x.example", code_challenge="c", dpop_jkt=None, scope="payments",
                    expires_at=ends[AuthorizationCode], used_at=None,
                ),
                PushedRequest(
                    uri_sha256=b"u", application_id=application, parameters={}, expires_at=ends[PushedRequest],
                    used_at=None,
                ),
                RevokedToken(jti="j", expires_at=ends[RevokedToken]),
                RefreshToken(
                    token_sha256=b"t", application_id=application, authorization_id=parties.authorization.id,
                    scope="payments", issued_at=now, expires_at=ends[RefreshToken], revoked_at=None,
                ),
            ]
        )  # fmt: skip


def _left(services: Services) -> set[type]:
    with services.reading() as session:
        return {model for model in LIVES if session.scalar(select(func.count()).select_from(model))}


def test_each_goes_when_its_time_is_over_and_authorizations_stay(
    parties: Parties, services: Services, clock: FakeClock
) -> None:
    _add(parties, services)
    assert forget_expired(services) == 0
    left = set(LIVES)
    for model, life in sorted(LIVES.items(), key=lambda item: item[1]):
        clock.now = parties.authorization.granted_at + timedelta(seconds=life) + MARGIN
        forget_expired(services)
        assert _left(services) == left
        clock.advance(timedelta(seconds=1))
        assert forget_expired(services) == 1
        left.remove(model)
        assert _left(services) == left
    clock.advance(timedelta(days=400))
    forget_expired(services)
    with services.reading() as session:
        assert session.get(Authorization, parties.authorization.id) is not None


def test_the_jobs_process_does_it() -> None:
    assert {"forget tokens", "rotate token keys"} <= {job.name for job in JOBS}
