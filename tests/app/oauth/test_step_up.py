"""Consent is confirmed by the legal representative's face: real frames, this request, this browser, two minutes."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse
from yunlian import AuthorizationRequest

from app.identity import persons
from app.identity.models import Role
from app.journal import JournalEntry
from app.oauth.consent_policy import get_consent_policy
from app.oauth.models import Authorization
from app.proofing.facechecks import GOOD_FOR
from app.proofing.wording import face_wording
from app.wiring import Services
from clients.demo import face
from clients.demo.puppet import Puppet, astronaut, jpeg
from kyc.errors import PolicyNotAllowed
from tests.app.identity.people import BROWSER, Browser
from tests.app.oauth.test_consent import Scene, _path
from tests.conftest import FakeClock
from tests.flows.ceremony import give_portrait

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def scene(app: Flask, services: Services) -> Scene:
    object.__setattr__(services, "settings", replace(services.settings, consent_policy="standard"))
    return Scene(app, services)


def _add_representative(scene: Scene) -> None:
    with scene.services.transaction() as session:
        person = persons.add_person(scene.services, session, scene.tenant.id, "柯琳", "110101195611190027", "test")
    give_portrait(scene.services, person.id, jpeg(astronaut()))


def _query(request: AuthorizationRequest) -> str:
    return urlsplit(request.url).query


def _send(browser: Browser, path: str, page: str, **content: Any) -> TestResponse:
    """A call of the page's script: its CSRF token in a field of the head."""
    token = re.search('name="csrf-token" content="([^"]+)"', browser.get(page).text)
    assert token is not None
    headers = BROWSER | {"X-CSRF-Token": token[1], "Accept": "application/json", "Referer": "https://localhost/"}
    return browser.client.post(path, headers=headers, base_url="https://localhost", **content)


def _show_face(browser: Browser, request: AuthorizationRequest, puppet: Puppet) -> TestResponse:
    page, wording = _path(request), face_wording().sha256.hex()
    body = {"face_wording_sha256": wording, "decision": "agree"}
    asked = _send(browser, f"/oauth/authorize/face/challenge?{_query(request)}", page, json=body)
    assert asked.status_code == 200, asked.text
    challenge = asked.json
    assert challenge is not None
    sent = face.answer(challenge, puppet)
    form = sent["data"] | {"frame": [(io.BytesIO(picture), name) for _, (name, picture, _) in sent["files"]]}
    return _send(browser, f"/oauth/authorize/face?{_query(request)}", page, data=form)


def _approve(browser: Browser, request: AuthorizationRequest) -> TestResponse:
    named = {name: found[0] for name, found in parse_qs(_query(request)).items()}
    return browser.post("/oauth/authorize", page=_path(request), decision="approve", **named)


@on_sqlite
def test_a_face_confirms_this_request_in_this_browser_for_two_minutes(
    scene: Scene, services: Services, clock: FakeClock
) -> None:
    _add_representative(scene)
    request, another = scene.ask(), scene.ask(term_days=91)
    page = scene.browser.get(_path(request)).text
    assert "本人作为企业的法定代表人" in page
    assert 'id="face-start"' in page
    assert 'id="approve" hidden' in page
    assert _approve(scene.browser, request).status_code == 409
    passed = _show_face(scene.browser, request, Puppet(astronaut()))
    assert passed.status_code == 200, passed.text
    assert _approve(scene.browser, another).status_code == 409
    elsewhere = scene.people.log_in(Role.ENTERPRISE_USER)
    assert _approve(elsewhere, request).status_code == 409
    started = clock.now
    clock.now = started + GOOD_FOR
    assert _approve(scene.browser, request).status_code == 409
    clock.now = started
    answer = _approve(scene.browser, request)
    assert answer.status_code == 303
    assert "code=" in answer.location
    assert _approve(scene.browser, request).status_code == 410
    with services.reading() as session:
        [kept] = session.scalars(select(Authorization)).all()
        [entry] = session.scalars(select(JournalEntry).where(JournalEntry.kind == "authorization-granted")).all()
    assert passed.json is not None
    assert kept.face_check_id == passed.json["face_check"]
    assert kept.consent_sha256 is not None
    assert kept.consent_sha256 in entry.leaf
    assert kept.face_check_id in entry.leaf
    assert scene.platform.exchange(request, answer.location).authorization_details


@on_sqlite
def test_what_the_page_would_show_differently_is_not_what_was_confirmed(scene: Scene, services: Services) -> None:
    _add_representative(scene)
    request = scene.ask()
    assert _show_face(scene.browser, request, Puppet(astronaut())).status_code == 200
    with services.transaction() as session:
        scene.party.application = session.merge(scene.party.application)
        scene.party.application.name = "另一个应用"
    assert _approve(scene.browser, request).status_code == 409


def test_without_a_portrait_nothing_is_approved_and_denial_is_still_possible(scene: Scene) -> None:
    request = scene.ask()
    assert "法定代表人的留存照片" in scene.browser.get(_path(request)).text
    refused = _approve(scene.browser, request)
    assert refused.status_code == 409
    assert scene.answer(request, "deny").status_code == 303


def test_the_demonstration_policy_is_refused_in_production() -> None:
    assert get_consent_policy("standard", production=True).face_required
    assert not get_consent_policy("demo", production=False).face_required
    for name, production in (("demo", True), ("none", False)):
        with pytest.raises(PolicyNotAllowed):
            get_consent_policy(name, production=production)


def test_a_challenge_needs_the_wording_and_a_request(scene: Scene) -> None:
    _add_representative(scene)
    request = scene.ask()
    for path, body in (
        (f"/oauth/authorize/face/challenge?{_query(request)}", {"face_wording_sha256": "0" * 64, "decision": "agree"}),
        (f"/oauth/authorize/face/challenge?{_query(request)}", {"decision": "agree"}),
        ("/oauth/authorize/face/challenge", {"face_wording_sha256": "0" * 64, "decision": "agree"}),
    ):
        answer = _send(scene.browser, path, _path(request), json=body)
        assert answer.status_code in {409, 410, 422}, answer.text
