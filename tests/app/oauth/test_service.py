"""Registration of applications, and authorizations as records."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import OAuthRefused, Refused

from app.certificates import service as certificates
from app.oauth import service as oauth
from app.oauth.authorizations import get_standing_cached
from app.oauth.models import RefreshToken
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
