"""An enterprise authorizes a platform in a real Chromium: the page's script shows the face, the page's form goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from app.demonstration import ENTERPRISE
from clients.demo import story
from clients.demo.story import REDIRECT_URI
from tests.browser.camera import Actor, FakeCamera
from tests.browser.signing_page import JUDGEMENT, SigningPage
from tests.browser.test_pages_in_chromium import log_in

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python"))

from yunlian import AuthorizationRequest, Platform

pytestmark = pytest.mark.browser

LIMITS = {"single_minor": 50_000_00, "daily_minor": 500_000_00}


@pytest.fixture(scope="module")
def platform(told: story.Story) -> Iterator[Platform]:
    """A platform's client; the enterprise has its product certificates."""
    story.platform_enrols(told)
    with Platform(
        told.service.platforms, told.client_id, told.keys["api"], told.chains["api"].encode(), told.service.root
    ) as made:
        yield made


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context(locale="zh-CN", viewport={"width": 390, "height": 844}) as made:
        yield made


class ConsentPage(SigningPage):
    """The consent page of a logged-in enterprise."""

    def __init__(self, context: BrowserContext, camera: FakeCamera, told: story.Story) -> None:
        super().__init__(context, camera.show)
        log_in(self.page, told.service, "enterprise")
        self.faults.clear()  # a log-in may be tried twice, when its code was spent elsewhere

    def ask(self, platform: Platform) -> AuthorizationRequest:
        details: dict[str, Any] = {"uscc": ENTERPRISE[1], "product": "payments", "limits": LIMITS}
        request = platform.push_authorization(details, REDIRECT_URI)
        self.page.goto(request.url)
        return request

    def leave_by(self, act: Callable[[], None]) -> str:
        """The address of the platform to which `act` leads; nobody answers there, for there is no such platform."""
        with self.page.expect_request(lambda sent: sent.url.startswith(REDIRECT_URI), timeout=JUDGEMENT) as left:
            act()
        return left.value.url


@pytest.fixture
def consent(context: BrowserContext, camera: FakeCamera, told: story.Story, representative: Actor) -> ConsentPage:
    camera.look(representative)
    return ConsentPage(context, camera, told)


def test_the_representative_s_face_authorizes_the_platform(consent: ConsentPage, platform: Platform) -> None:
    request = consent.ask(platform)
    for shown in ("云帆财务", "50,000.00", "500,000.00", "本人作为企业的法定代表人"):
        expect(consent.page.locator("main")).to_contain_text(shown)
    expect(consent.page.locator("#approve")).to_be_hidden()
    issued = platform.exchange(request, consent.leave_by(consent.open_camera))
    assert issued.refresh_token
    assert consent.refusals == []
    assert consent.faults == []


def test_another_face_authorizes_nothing_and_the_person_can_try_again(
    consent: ConsentPage, platform: Platform, camera: FakeCamera, somebody_else: Actor, representative: Actor
) -> None:
    request = consent.ask(platform)
    camera.look(somebody_else)
    consent.show_face()
    assert [code for code, _ in consent.refusals] == ["face-mismatch"], consent.refusals
    expect(consent.problem).to_contain_text("与银行留存的照片不符")
    camera.look(representative)
    callback = consent.leave_by(consent.page.locator("#face-start").click)
    assert platform.exchange(request, callback).access_token


def test_denial_needs_no_face(consent: ConsentPage, platform: Platform) -> None:
    consent.ask(platform)
    callback = consent.leave_by(consent.page.get_by_role("button", name="拒绝").click)
    query = parse_qs(urlsplit(callback).query)
    assert query["error"] == ["access_denied"]
    assert query["iss"] == [platform.issuer]
