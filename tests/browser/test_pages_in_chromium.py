"""Every page of every role on a phone and on a desk: nothing overflows, nothing is without a name, nothing is refused
by the content security policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from clients.demo.browser import wait_for_next_code
from clients.demo.running import Running

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=390, height=844)
DESK = ViewportSize(width=1280, height=800)

PAGES = {
    "": ["/", "/login", "/verify", "/receipts", "/docs"],
    "operator2": [
        "/",
        "/operations/tenants",
        "/operations/tenants/new",
        "/operations/platforms",
        "/operations/accounts",
        "/operations/accounts/new",
        "/operations/persons",
        "/operations/persons/new",
        "/operations/contracts",
        "/operations/contracts/new",
        "/operations/contracts/uploads",
        "/operations/payments/outbox",
        "/operations/routing",
        "/proofing/register",
        "/operations/decisions",
        "/account",
        "/account/password",
    ],
    "compliance": ["/", "/compliance", "/proofing"],
    "certificates": ["/", "/operations/certificates", "/operations/enrolments"],
    "auditor": ["/", "/operations/journal"],
    "enterprise": [
        "/",
        "/enterprise/representatives",
        "/enterprise/contracts",
        "/enterprise/approvals",
        "/enterprise/authorizations",
        "/enterprise/certificates",
        "/enterprise/certificates/enrol",
        "/enterprise/payments",
    ],
    "platform": [
        "/",
        "/developer/applications",
        "/developer/applications/new",
        "/developer/certificates",
        "/developer/certificates/enrol",
    ],
}

# What is wrong with the page as it is shown, in words.
_INSPECT = """() => {
  const faults = [];
  const root = document.documentElement;
  if (root.lang !== 'zh-CN') faults.push('the language is not declared');
  if (document.querySelectorAll('h1').length !== 1) faults.push('there is not one main heading');
  const beyond = root.scrollWidth - root.clientWidth;
  if (beyond > 0) faults.push(`${beyond} px wider than the screen`);
  for (const control of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
    if (!control.labels?.length && !control.getAttribute('aria-label')) faults.push(`no label: ${control.name}`);
  for (const act of document.querySelectorAll('button, a[href]'))
    if (!act.textContent.trim() && !act.getAttribute('aria-label')) faults.push(`no name: ${act.outerHTML}`);
  for (const id of new Set([...document.querySelectorAll('[id]')].map((element) => element.id)))
    if (document.querySelectorAll(`[id="${id}"]`).length > 1) faults.push(`twice the same id: ${id}`);
  return faults;
}"""


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context(locale="zh-CN") as made:
        yield made


@pytest.mark.parametrize("login", PAGES, ids=lambda login: login or "stranger")
def test_pages_fit_the_screen_and_everything_has_a_name(login: str, context: BrowserContext, service: Running) -> None:
    faults: list[str] = []
    page = context.new_page()
    if login:
        log_in(page, service, login)
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in PAGES[login]:
        for screen in (PHONE, DESK):
            page.set_viewport_size(screen)
            answer = page.goto(service.people + path)
            assert answer is not None
            assert answer.status == 200, path
            faults += [f"{path} on {screen['width']} px: {fault}" for fault in page.evaluate(_INSPECT)]
    assert faults == []


def test_a_stranger_is_told_what_an_upload_is_worth(context: BrowserContext, service: Running, tmp_path: Path) -> None:
    page = context.new_page()
    for name, content, verdict in (
        ("notes.pdf", b"hello", "请上传 PDF 文件"),
        ("evidence.zip", b"PK\x03\x04 and nothing else", "证据包验证未通过"),
        ("broken.pdf", b"%PDF-1.7\nbroken", "签名无效"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        page.goto(f"{service.people}/verify")
        page.get_by_label("已签署的合同").set_input_files(path)
        page.get_by_role("button", name="验证").click()
        page.get_by_role("alert").get_by_text(verdict).wait_for()


def log_in(page: Page, service: Running, login: str) -> None:
    """Password and second factor, by the form; a code that was spent elsewhere is waited out."""
    try_log_in(page, service, login)
    if urlsplit(page.url).path == "/login":
        wait_for_next_code()
        try_log_in(page, service, login)
    assert page.url == f"{service.people}/"


def try_log_in(page: Page, service: Running, login: str) -> None:
    entry = service.log_ins[login]
    page.goto(f"{service.people}/login")
    page.get_by_label("登录名").fill(login)
    page.get_by_label("密码").fill(entry.password)
    page.get_by_label("动态码").fill(entry.code())
    with page.expect_navigation():
        page.get_by_role("button", name="登录").click()
