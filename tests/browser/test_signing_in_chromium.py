"""The legal representative signs on a phone: a real Chromium, a real service over TLS, a camera with a face in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, expect

from app.demonstration import REPRESENTATIVE
from clients.demo.running import Running
from contracts.report import SignatureEntry, Verdict
from contracts.validation import validate
from pki.path import TrustPolicy
from tests.browser.camera import Actor, FakeCamera
from tests.browser.conftest import Launch
from tests.browser.signing_page import SigningPage

pytestmark = pytest.mark.browser

LAST6 = REPRESENTATIVE[1][-6:]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "locale": "zh-CN",
}


@pytest.fixture
def phone(chromium: Browser, camera: FakeCamera, representative: Actor) -> Iterator[SigningPage]:
    camera.look(representative)
    with chromium.new_context(**PHONE) as context:
        yield SigningPage(context, camera.show)


def test_reads_consents_shows_a_face_and_signs(phone: SigningPage, link: str, service: Running, tmp_path: Path) -> None:
    phone.open(link)
    phone.identify(LAST6)
    phone.read_to_the_end()
    phone.consent()
    phone.show_face()
    assert phone.refusals == []
    expect(phone.step("sign"), "the face check passes").to_be_visible()
    phone.sign()
    pdf = tmp_path / "signed.pdf"
    # Soon after, the bank seals the contract and adds what is needed to verify it without the service.
    for _ in range(60):
        with phone.page.expect_download() as download:
            phone.page.get_by_role("link", name="下载已签署的合同").click()
        download.value.save_as(pdf)
        if pdf.read_bytes().count(b"/ByteRange") > 1:
            break
        phone.page.wait_for_timeout(500)

    signature = representatives_signature(pdf, service)
    assert signature.certificate is not None
    certified = x509.load_der_x509_certificate(signature.certificate).public_key()
    spki = certified.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert phone.keys == [(False, spki)], "one key, made in the browser, that cannot leave it"
    assert signature.binding is not None
    assert phone.faults == []


def test_another_face_is_refused_with_the_reason_and_the_person_can_try_again(
    phone: SigningPage, link: str, camera: FakeCamera, somebody_else: Actor, representative: Actor
) -> None:
    phone.go_to_face_check(link, LAST6)
    camera.look(somebody_else)
    phone.show_face()
    assert [code for code, _ in phone.refusals] == ["face-mismatch"], phone.refusals
    expect(phone.problem).to_contain_text("与银行留存的照片不符")
    expect(phone.step("face")).to_be_visible()
    again = phone.page.get_by_role("button", name="重新开始")
    expect(again).to_be_enabled()
    camera.look(representative)
    phone.show_face()
    expect(phone.step("sign")).to_be_visible()
    expect(phone.problem).to_be_hidden()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(
            ["--deny-permission-prompts", "--use-fake-device-for-media-stream"], "摄像头未获允许", id="refused"
        ),
        pytest.param(
            ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0"],
            "没有找到摄像头",
            id="missing",
        ),
    ],
)
def test_without_a_camera_the_page_says_why_and_offers_assistance(
    launch: Launch, trusted: str, link: str, arguments: list[str], reason: str
) -> None:
    with launch(trusted, *arguments) as browser, browser.new_context(**PHONE) as context:
        phone = SigningPage(context, show=lambda cue: None)
        phone.go_to_face_check(link, LAST6)
        phone.open_camera()
        expect(phone.problem).to_contain_text(reason)
        phone.step("face").get_by_role("link", name="人工协助").click()
        expect(phone.page.get_by_role("heading", name="不使用刷脸也可以签署")).to_be_visible()
        assert phone.faults == []


def test_the_keyboard_alone_reaches_the_face_check(chromium: Browser, link: str) -> None:
    with chromium.new_context(locale="zh-CN") as context:
        desk = SigningPage(context, show=lambda cue: None)
        desk.open(link)
        desk.tab_to("#identity")
        desk.page.keyboard.type(LAST6)
        desk.page.keyboard.press("Enter")
        expect(desk.step("read")).to_be_visible()
        desk.tab_to("#read-button")
        while desk.page.locator("#read-button").get_attribute("data-ready") != "yes":
            desk.page.keyboard.press("Enter")
            desk.page.wait_for_timeout(250)
        expect(desk.page.locator("#read-button")).to_be_enabled()
        desk.page.keyboard.press("Enter")
        expect(desk.step("consent")).to_be_visible()
        desk.tab_to('[name="agree"]')
        desk.page.keyboard.press("Space")
        desk.tab_to("#consent-button")
        desk.page.keyboard.press("Enter")
        expect(desk.step("face")).to_be_visible()
        expect(desk.page.locator("#face-start")).to_be_disabled()
        desk.tab_to("#face-agree")
        desk.page.keyboard.press("Space")
        desk.tab_to("#face-start")
        assert desk.faults == []


def representatives_signature(pdf: Path, service: Running) -> SignatureEntry:
    """Valid under the service's root alone, for contracts.validation and for poppler."""
    root = x509.load_pem_x509_certificate(service.root.read_bytes())
    report = validate(pdf.read_bytes(), TrustPolicy(anchors=(root,)), datetime.now(UTC))
    assert report.verdict is Verdict.VALID, report.explanation
    if shutil.which("pdfsig"):
        printed = subprocess.run(["pdfsig", pdf], capture_output=True, text=True, check=True).stdout
        # The representative's and the bank's; Debian's pdfsig does not verify document time stamps.
        assert printed.count("Signature is Valid.") == 2, printed
    return report.signatures[0]
