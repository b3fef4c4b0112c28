"""The consent page as the enterprise's representative sees it, between PAR and the token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import AnswerNotTrusted, AuthorizationRequest, OAuthRefused, Platform

from app.identity.models import Role, TenantKind
from app.journal import JournalEntry
from app.oauth import service as oauth
from app.oauth.models import Authorization
from app.wiring import Services
from tests.app.gateway.parties import REDIRECT_URI, ApplicationParty, add_echo, make_enterprise, make_platform, uscc
from tests.app.identity.people import Browser, People, make_people

LIMITS = {"single_minor": 100_000_00, "daily_minor": 1_000_000_00}


class Scene:
    """A platform that asks, an enterprise with a certificate, and its representative in a browser."""

    def __init__(self, app: Flask, services: Services, custody: str = "agent") -> None:
        add_echo(app, [])
        self.services = services
        self.people: People = make_people(app, services)
        self.tenant = self.people.tenants[TenantKind.ENTERPRISE]
        self.party: ApplicationParty = make_platform(services, 7)
        self.platform: Platform = self.party.client(app)
        self.enterprise = make_enterprise(services, 0, custody, self.tenant.id)
        self.browser: Browser = self.people.log_in(Role.ENTERPRISE_USER)

    def ask(self, **changes: Any) -> AuthorizationRequest:
        details = {"uscc": self.tenant.uscc, "product": "payments", "limits": LIMITS, "term_days": 90}
        return self.platform.push_authorization(details | changes, REDIRECT_URI)

    def answer(self, request: AuthorizationRequest, decision: str) -> Any:
        query = {name: found[0] for name, found in parse_qs(urlsplit(request.url).query).items()}
        return self.browser.post("/oauth/authorize", page=_path(request), decision=decision, **query)


def _path(request: AuthorizationRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


@pytest.fixture
def scene(app: Flask, services: Services) -> Scene:
    return Scene(app, services)


def test_consent_leads_to_a_token_that_opens_the_gate(app: Flask, services: Services, scene: Scene) -> None:
    request = scene.ask()
    page = scene.browser.get(_path(request))
    assert page.status_code == 200
    for shown in (scene.tenant.name, "应用 7", "100,000.00", "1,000,000.00"):
        assert shown in page.text
    assert "form-action 'self' https://platform.example;" in page.headers["Content-Security-Policy"] + ";"
    answer = scene.answer(request, "approve")
    assert answer.status_code == 303
    assert answer.location.startswith(REDIRECT_URI + "?")
    token = scene.platform.exchange(request, answer.location)
    assert token.authorization_details[0]["limits"] == LIMITS
    with services.reading() as session:
        kept = session.scalars(select(Authorization)).one()
    assert kept.granted_by == scene.people.accounts[Role.ENTERPRISE_USER].id
    assert kept.expires_at == services.clock() + timedelta(days=90)
    enterprise = scene.enterprise.client()
    called = scene.platform.call("/api/v1/echo", {"a": 1}, token=token.access_token, enterprise=enterprise)
    assert called.sealed == {"document": '{"a":1}'}


def test_denial_goes_back_with_its_reason(services: Services, scene: Scene) -> None:
    request = scene.ask()
    answer = scene.answer(request, "deny")
    with pytest.raises(OAuthRefused, match="access_denied"):
        scene.platform.exchange(request, answer.location)
    with services.reading() as session:
        assert session.scalars(select(Authorization)).first() is None
        assert session.scalars(select(JournalEntry).where(JournalEntry.kind == "authorization-denied")).one()


def test_a_request_is_decided_once_and_in_time(services: Services, scene: Scene) -> None:
    request = scene.ask()
    assert scene.answer(request, "approve").status_code == 303
    assert scene.answer(request, "approve").status_code == 410
    late = scene.ask()
    services.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
    assert scene.browser.get(_path(late)).status_code == 410
    assert scene.browser.get("/oauth/authorize").status_code == 410


def test_a_callback_of_another_issuer_or_state_is_not_trusted(scene: Scene) -> None:
    request = scene.ask()
    location = scene.answer(request, "approve").location
    for forged in (location.replace("iss=https", "iss=http"), location.replace("state=", "state=x")):
        with pytest.raises(AnswerNotTrusted):
            scene.platform.exchange(request, forged)


def test_only_the_enterprise_itself_decides(scene: Scene) -> None:
    other = scene.ask(uscc=uscc(99))
    assert scene.browser.get(_path(other)).status_code == 403
    assert scene.answer(other, "approve").status_code == 403
    operator = scene.people.log_in(Role.OPERATOR)
    assert operator.get(_path(scene.ask())).status_code == 403
    stranger = Browser(scene.people.app.test_client())
    assert stranger.get(_path(scene.ask())).location.startswith("/login?")


def test_without_a_product_certificate_nothing_is_used_up(services: Services, scene: Scene) -> None:
    from app.certificates import service as certificates

    request = scene.ask()
    with services.transaction() as session:
        certificates.hold(services, session, scene.enterprise.client().x5t_s256, "test", "test")
    assert scene.browser.get(_path(request)).status_code == 409
    with services.transaction() as session:
        certificates.release(services, session, scene.enterprise.client().x5t_s256, "test", "test")
    assert scene.answer(request, "approve").status_code == 303


def test_platform_custody_has_low_limits(app: Flask, services: Services) -> None:
    scene = Scene(app, services, "platform")
    request = scene.ask()
    assert "5,000.00" in scene.browser.get(_path(request)).text
    token = scene.platform.exchange(request, scene.answer(request, "approve").location)
    assert token.authorization_details[0]["limits"] == oauth.PLATFORM_CUSTODY_LIMITS.model_dump()
