"""A platform's developer sees and switches its own applications, and nobody else's."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from yunlian import OAuthRefused

from app.gateway.icbc import keys
from app.identity.models import Role, TenantKind
from app.oauth import service as oauth
from app.oauth.models import Application
from app.wiring import Services
from tests.app.gateway.parties import Parties
from tests.app.identity.people import Browser, make_people

LIST = "/developer/applications"


@pytest.fixture
def browser(app: Flask, services: Services) -> Browser:
    people = make_people(app, services)
    with services.transaction() as session:
        oauth.register_application(
            services, session, tenant_id=people.tenants[TenantKind.PLATFORM].id, name="财务云",
            redirect_uris=[], scopes=["routing"], actor="test",
        )  # fmt: skip
    return people.log_in(Role.PLATFORM_USER)


def _application(services: Services) -> Application:
    with services.reading() as session:
        return session.query(Application).filter_by(name="财务云").one()


def test_details_icbc_keys_and_switching_off(browser: Browser, services: Services) -> None:
    client_id = _application(services).client_id
    page = f"{LIST}/{client_id}"
    assert page in browser.get(LIST).text
    assert keys.public_key_text(services)[:40] in browser.get(page).text
    made = browser.post(f"{page}/icbc-aes-key", page=page)
    assert made.status_code == 200
    assert re.search(r"<code>[A-Za-z0-9+/]{22}==</code>", made.text)
    assert keys.get_settings(services, client_id).aes_key is not None
    for switch, expected in (("on", True), ("off", False)):
        assert browser.post(f"{page}/icbc-sha1", page=page, switch=switch).status_code == 303
        assert keys.get_settings(services, client_id).sha1_answers is expected
    assert browser.post(f"{page}/disable", page=page).status_code == 303
    assert _application(services).disabled_at is not None
    assert "停用应用" not in browser.get(page).text
    assert browser.post(f"{page}/disable", page=page).status_code == 404


def test_the_code_of_the_page_registers(browser: Browser, app: Flask) -> None:
    shown = browser.post(f"{LIST}/registration-code", page=LIST).text
    code = re.search(r"<code>([A-Za-z0-9_-]{80,})</code>", shown)
    assert code is not None
    headers = {"Authorization": f"Bearer {code[1]}"}
    document = {"client_name": "新应用", "scope": "routing"}
    assert app.test_client().post("/oauth/register", json=document, headers=headers).status_code == 201
    assert "新应用" in browser.get(LIST).text


def test_another_platform_s_application_is_not_there(parties: Parties, browser: Browser, app: Flask) -> None:
    page = f"{LIST}/{parties.platform.application.client_id}"
    assert browser.get(page).status_code == 404
    for act in ("disable", "icbc-aes-key", "icbc-sha1"):
        assert browser.post(f"{page}/{act}", page=LIST).status_code == 404
    assert parties.platform.client(app).token("routing").access_token


def test_an_application_that_is_off_gets_no_tokens(parties: Parties, app: Flask, services: Services) -> None:
    with services.transaction() as session:
        oauth.disable_application(services, session, parties.platform.application.id, actor="test")
    with pytest.raises(OAuthRefused):
        parties.platform.client(app).token("routing")
