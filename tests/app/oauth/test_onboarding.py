"""Platforms registered by program: proposed by the bank's own system, made by a person, used by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import OAuthRefused, Platform, Refused

from app.identity import service as identity
from app.identity.models import Account, Role, Tenant, TenantKind
from app.identity.problems import AlreadyDecided, TenantExists
from app.journal import JournalEntry
from app.oauth import onboarding
from app.oauth import service as oauth
from app.oauth.messages import PlatformDocument
from app.problems import InvalidInput, NotFound
from app.wiring import Services
from pki.keys import KeyType, generate
from tests.app.gateway.parties import Parties, certify, uscc
from tests.app.identity.people import make_people

PATH = "/api/v1/platforms"
PROPOSAL = {"registration_id": "CRM-2026-1", "name": "财务云科技有限公司", "uscc": uscc(61)}


@pytest.fixture
def system(app: Flask, services: Services, parties: Parties) -> Platform:
    """The bank's onboarding system as its own client."""
    client_id = _make_client(app, services)
    with services.reading() as session:
        application = oauth.get_application(session, client_id)
    return certify(services, application, generate(KeyType.EC_P256)).client(app)


def _make_client(app: Flask, services: Services) -> str:
    with services.transaction() as session:
        if session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).first() is None:
            identity.create_tenant(
                services, session, kind=TenantKind.BANK, name="云联银行", uscc=uscc(62), actor="test"
            )
    made = app.test_cli_runner().invoke(args=["oauth", "onboarding-client", "准入系统"])
    assert made.exit_code == 0, made.output
    return made.output.strip()


def _call(system: Platform, path: str, document: dict[str, Any]) -> dict[str, Any]:
    token = system.token("onboarding").access_token
    return dict(system.call(PATH + path, document, token=token).body)


def _code_of(system: Platform, path: str, document: dict[str, Any]) -> str:
    with pytest.raises(Refused) as refused:
        _call(system, path, document)
    return refused.value.code


def _operator(services: Services) -> Account:
    with services.transaction() as session:
        bank = session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).one()
        return identity.create_account(
            services, session, tenant_id=bank.id, login="reviewer", name="李复核", role=Role.OPERATOR,
            password="correct horse battery staple", actor="test",
        ).account  # fmt: skip


def _proposal_id(services: Services) -> str:
    with services.reading() as session:
        [found] = onboarding.list_registrations(session)
        return found.id


def test_a_platform_from_its_proposal_to_its_first_application(
    system: Platform, app: Flask, services: Services
) -> None:
    proposed = _call(system, "", PROPOSAL)
    assert {name: proposed[name] for name in PROPOSAL} == PROPOSAL
    assert (proposed["state"], proposed["decided_at"]) == ("proposed", None)
    name = {"registration_id": PROPOSAL["registration_id"]}
    assert _code_of(system, "/registration-code", name) == "platform-not-confirmed"

    operator = _operator(services)
    with services.transaction() as session:
        tenant = onboarding.confirm_platform(services, session, _proposal_id(services), operator)
        assert (tenant.kind, tenant.name, tenant.uscc) == ("platform", PROPOSAL["name"], PROPOSAL["uscc"])
    assert _call(system, "/status", name)["state"] == "confirmed"

    code = _call(system, "/registration-code", name)["registration_code"]
    registered = app.test_client().post(
        "/oauth/register",
        json={"client_name": "财务云", "scope": "payments", "redirect_uris": ["https://cloud.example/back"]},
        headers={"Authorization": f"Bearer {code}"},
    )
    assert registered.status_code == 201
    with services.reading() as session:
        kinds = list(session.scalars(select(JournalEntry.kind).order_by(JournalEntry.id)))
        application = oauth.get_application(session, registered.json["client_id"])  # type: ignore[index]
        assert application.tenant.uscc == PROPOSAL["uscc"]
    for kind in ("platform-proposed", "platform-confirmed", "tenant-created", "registration-code-made"):
        assert kind in kinds


def test_the_same_proposal_again_is_the_same_and_another_one_under_its_name_is_a_conflict(
    system: Platform, services: Services
) -> None:
    assert _call(system, "", PROPOSAL) == _call(system, "", PROPOSAL)
    assert _code_of(system, "", PROPOSAL | {"name": "别的公司"}) == "conflict"
    assert _proposal_id(services)


def test_a_decision_is_made_once(system: Platform, services: Services) -> None:
    _call(system, "", PROPOSAL)
    operator, proposal_id = _operator(services), _proposal_id(services)
    with services.transaction() as session:
        onboarding.reject_platform(services, session, proposal_id, operator)
    with pytest.raises(AlreadyDecided), services.transaction() as session:
        onboarding.confirm_platform(services, session, proposal_id, operator)
    name = {"registration_id": PROPOSAL["registration_id"]}
    assert _call(system, "/status", name)["state"] == "rejected"
    assert _code_of(system, "/registration-code", name) == "platform-not-confirmed"


def test_an_organization_that_is_registered_is_not_registered_again(
    system: Platform, services: Services, parties: Parties
) -> None:
    taken = {"uscc": parties.enterprise.tenant.uscc}
    assert _code_of(system, "", PROPOSAL | taken) == "conflict"
    _call(system, "", PROPOSAL)
    with services.transaction() as session:
        identity.create_tenant(
            services, session, kind=TenantKind.PLATFORM, name="先到者", uscc=PROPOSAL["uscc"], actor="test"
        )
    with pytest.raises(TenantExists), services.transaction() as session:
        onboarding.confirm_platform(services, session, _proposal_id(services), _operator(services))
    assert _call(system, "/status", {"registration_id": PROPOSAL["registration_id"]})["state"] == "proposed"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        {"uscc": "91330106MA2QH8K3X0"}, {"uscc": "1"}, {"uscc": None}, {"name": "x"}, {"name": " 两端空格 "},
        {"name": "a\nb"}, {"name": "n" * 201}, {"registration_id": ""}, {"registration_id": "a b"},
        {"registration_id": "r" * 65}, {"kind": "bank"},
    ],
)  # fmt: skip
def test_proposals_of_another_form_are_refused(system: Platform, change: dict[str, Any]) -> None:
    assert _code_of(system, "", PROPOSAL | change) == "invalid-document"


def test_platforms_cannot_have_the_scope_and_the_bank_s_system_can_have_no_other(
    app: Flask, services: Services, parties: Parties, system: Platform
) -> None:
    for tenant_id, scope in ((parties.platform.application.tenant_id, "onboarding"), (_bank_id(services), "routing")):
        with pytest.raises(InvalidInput), services.transaction() as session:
            oauth.register_application(
                services, session, tenant_id=tenant_id, name="x", redirect_uris=[], scopes=[scope], actor="test"
            )
    for client, scope in ((parties.platform.client(app), "onboarding"), (system, "routing")):
        with pytest.raises(OAuthRefused, match="invalid_scope"):
            client.token(scope)


def test_proposals_of_one_system_are_nothing_to_another(
    app: Flask, system: Platform, services: Services, parties: Parties
) -> None:
    _call(system, "", PROPOSAL)
    with services.reading() as session, pytest.raises(NotFound):
        onboarding.get_registration(session, parties.platform.application.id, PROPOSAL["registration_id"])
    assert _code_of(system, "/status", {"registration_id": "CRM-2026-2"}) == "not-found"


@pytest.mark.parametrize(("act", "tenants"), [("confirm", 1), ("reject", 0)])
def test_an_operator_decides_on_the_page(app: Flask, services: Services, act: str, tenants: int) -> None:
    people = make_people(app, services)
    client_id = _make_client(app, services)
    with services.transaction() as session:
        application = oauth.get_application(session, client_id)
        onboarding.propose_platform(services, session, application.id, PlatformDocument(**PROPOSAL))
    browser, page = people.log_in(Role.OPERATOR), "/operations/platforms"
    assert PROPOSAL["name"] in browser.get(page).text
    assert browser.post(f"{page}/{_proposal_id(services)}/{act}", page=page).status_code == 303
    assert browser.get("/operations/tenants").text.count(PROPOSAL["name"]) == tenants
    assert browser.post(f"{page}/{_proposal_id(services)}/{act}", page=page).status_code == 409


def _bank_id(services: Services) -> str:
    with services.reading() as session:
        return session.scalars(select(Tenant.id).where(Tenant.kind == TenantKind.BANK)).one()
