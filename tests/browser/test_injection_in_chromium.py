"""Whoever owns the browser owns the camera: what a canvas in its place can and cannot pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from clients.demo.puppet import Puppet, astronaut, jpeg
from kyc.flash import Colour
from tests.attacks.camera import tinted
from tests.browser.camera import POSES, Actor, FakeCamera
from tests.browser.injection import RECORDER, injection, take_reel
from tests.browser.signing_page import SigningPage
from tests.browser.test_signing_in_chromium import LAST6, PHONE

pytestmark = pytest.mark.browser
OF_A_BUSY_MACHINE = {"largest-gap-ms", "repeated-frames"}


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context(**PHONE) as made:
        yield made


def attack(context: BrowserContext, link: str, script: str) -> tuple[str, str]:
    """Code and detail with which the server answers a session from the injected stream."""
    phone = SigningPage(context, show=lambda cue: None)
    phone.page.add_init_script(script)
    phone.go_to_face_check(link, LAST6)
    for _ in range(3):
        phone.show_face()
        expect(phone.step("face")).to_be_visible()
        if phone.refusals[-1][1] not in OF_A_BUSY_MACHINE:
            break
    return phone.refusals[-1]


def test_an_earlier_session_cut_to_the_new_challenge_is_refused(
    context: BrowserContext, link: str, camera: FakeCamera, representative: Actor
) -> None:
    phone = SigningPage(context, camera.show)
    phone.page.add_init_script(RECORDER)
    phone.go_to_face_check(link, LAST6)
    camera.look(representative)
    phone.show_face()
    assert phone.refusals == [], "the recorded session was a genuine one"
    reel = take_reel(phone.page)
    for cue in POSES:
        reel.setdefault(cue, reel["look-straight"])

    context.clear_cookies()  # on the device of somebody who has the link
    code, check = attack(context, link, injection(reel))
    assert code == "liveness-failed"
    assert check in {"repeated-capture", *POSES}


def test_one_portrait_animated_and_tinted_is_refused(context: BrowserContext, link: str) -> None:
    puppet = Puppet(astronaut())
    reel = {cue: [jpeg(puppet.frame(**pose))] for cue, pose in POSES.items()}
    reel |= {str(colour): [jpeg(tinted(puppet.frame(), colour, 0.3))] for colour in Colour}
    code, check = attack(context, link, injection(reel))
    assert (code, check.split("-")[0]) == ("liveness-failed", "flash")
