"""Registration of applications, and authorizations as records."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from yunlian import OAuthRefused, Refused

from app.certificates import service as certificates
from app.oauth import service as oauth
from app.oauth.authorizations import get_standing_cached
from app.oauth.details import Limits
from app.oauth.models import Authorization, RefreshToken
from app.oauth.problems import NoProductCertificate
from app.problems import InvalidInput, NotFound
from app.wiring import Services
from tests.app.gateway.parties import REDIRECT_URI, Parties

BAD_REGISTRATIONS: list[tuple[dict, str]] = [
    ({"name": " "}, "/name"),
    ({"name": "a\nb"}, "/name"),
    ({"scopes": []}, "/scopes"),
    ({"scopes": ["payments", "admin"]}, "/scopes"),
    ({"redirect_uris": [REDIRECT_URI] * 11}, "/redirect_uris"),
    ({"redirect_uris": [REDIRECT_URI, "http://platform.example/"]}, "/redirect_uris/1"),
    ({"redirect_uris": ["https://platform.example/#x"]}, "/redirect_uris/0"),
    ({"redirect_uris": ["https://user@platform.example/"]}, "/redirect_uris/0"),
    ({"redirect_uris": ["https:///x"]}, "/redirect_uris/0"),
    ({"redirect_uris": ["https://[x/"]}, "/redirect_uris/0"),
    ({"redirect_uris": ['https://platform.example/"']}, "/redirect_uris/0"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "/redirect_uris/0"),
    ({"redirect_uris": ["/callback"]}, "/redirect_uris/0"),
]


def test_registration_is_strict(services: Services, parties: Parties) -> None:
    good = {"name": "应用", "redirect_uris": [REDIRECT_URI], "scopes": ["routing"]}
    tenant_id = parties.platform.application.tenant_id
    for changes, pointer in BAD_REGISTRATIONS:
        with services.transaction() as session, pytest.raises(InvalidInput) as refusal:
            oauth.register_application(
                services,
                session,
                tenant_id=tenant_id,
                actor="test",
                **good | changes,  # type: ignore[arg-type]
            )
        assert [fault.pointer for fault in refusal.value.faults] == [pointer], changes


def test_only_platforms_have_applications(services: Services, parties: Parties) -> None:
    with services.transaction() as session, pytest.raises(NotFound):
        oauth.register_application(
            services,
            session,
            tenant_id=parties.enterprise.tenant.id,
            name="x",
            redirect_uris=[],
            scopes=["routing"],
            actor="test",
        )


def test_a_new_authorization_replaces_the_standing_one(services: Services, parties: Parties) -> None:
    second = parties.grant(parties.platform, parties.enterprise)
    with services.reading() as session:
        found = oauth.list_authorizations(session, tenant_id=parties.enterprise.tenant.id)
    assert [(row.id, row.revoked_at is None) for row in found] == [
        (second.id, True),
        (parties.authorization.id, False),
    ]


def test_revocation_moves_the_epoch_and_ends_refresh_tokens(services: Services, parties: Parties) -> None:
    standing = get_standing_cached(services, parties.authorization.id)
    assert standing.limits["daily_minor"] == 9_000_000
    before = services.epoch.current()
    now = services.clock()
    with services.transaction() as session:
        session.add(
            RefreshToken(
                token_sha256=b"x",
                application_id=parties.platform.application.id,
                authorization_id=parties.authorization.id,
                scope="payments",
                issued_at=now,
                expires_at=parties.authorization.expires_at,
                revoked_at=None,
            )
        )
    with services.transaction() as session:
        oauth.revoke_authorization(services, session, parties.authorization.id, actor="test")
    assert services.epoch.current() > before
    with services.reading() as session:
        assert session.scalars(select(RefreshToken.revoked_at)).one() == now
    with pytest.raises(NotFound):
        get_standing_cached(services, parties.authorization.id)
    with services.transaction() as session, pytest.raises(NotFound):
        oauth.revoke_authorization(services, session, parties.authorization.id, actor="test")


def test_disabling_an_application_closes_every_door_at_once(app: Flask, services: Services, parties: Parties) -> None:
    client, enterprise = parties.platform.client(app), parties.enterprise.client()
    token, own = parties.token(), client.token()
    assert client.call("/api/v1/echo", {}, token=token, enterprise=enterprise).status == 200
    with services.transaction() as session:
        oauth.disable_application(services, session, parties.platform.application.id, actor="test")
    for path, used, signer in (("/api/v1/echo", token, enterprise), ("/api/v1/look-up", own.access_token, None)):
        with pytest.raises(Refused, match="invalid-token"):
            client.call(path, {}, token=used, enterprise=signer)
    with pytest.raises(OAuthRefused, match="invalid_client"):
        client.token()
    with services.transaction() as session, pytest.raises(NotFound):
        oauth.disable_application(services, session, parties.platform.application.id, actor="test")


def test_an_enterprise_without_certificate_cannot_grant(services: Services, parties: Parties) -> None:
    certificate = parties.other_enterprise.client().x5t_s256
    with services.transaction() as session:
        certificates.hold(services, session, certificate, "test", "test")
    with pytest.raises(NoProductCertificate):
        parties.grant(parties.platform, parties.other_enterprise)


def test_of_two_grants_at_once_one_waits_and_replaces_the_other(services: Services, parties: Parties) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one write after the other")
    application_id, tenant_id = parties.platform.application.id, parties.enterprise.tenant.id

    def grant(session: Session) -> Authorization:
        return oauth.grant_authorization(
            services, session, application_id=application_id, tenant_id=tenant_id, product="payments",
            limits=Limits(single_minor=1, daily_minor=1), term_days=1, granted_by="test",
        )  # fmt: skip

    def grant_impatiently() -> None:
        with services.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = '100ms'"))
            grant(session)

    with services.transaction() as session:
        oauth.revoke_authorization(services, session, parties.authorization.id, actor="test")
    with services.transaction() as session:
        grant(session)
        with pytest.raises(OperationalError, match="lock timeout"):
            grant_impatiently()
    with services.transaction() as session:
        last = grant(session)
    with services.reading() as session:
        standing = select(Authorization.id).where(
            Authorization.application_id == application_id, Authorization.revoked_at.is_(None)
        )
        assert session.scalars(standing).all() == [last.id]
