"""An operator clicks on the picture of a page: the signature's field is there in the very bytes to be signed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pyhanko.pdf_utils.reader import PdfFileReader

from clients.demo.running import Running
from tests.app.signing.test_uploads import pdf_of
from tests.browser.signing_page import SigningPage
from tests.browser.test_pages_in_chromium import log_in
from tests.browser.test_signing_in_chromium import LAST6

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 595, 842  # points: the pages of `pdf_of`
ACROSS, DOWN = 0.62, 0.31  # of page 2
_FETCH = "async (address) => [...new Uint8Array(await (await fetch(address)).arrayBuffer())]"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(locale="zh-CN") as context:
        yield context.new_page()


def test_a_click_on_a_page_is_where_the_signature_goes(
    page: Page, chromium: Browser, service: Running, tmp_path: Path
) -> None:
    log_in(page, service, "operator2")
    file = tmp_path / "agreement.pdf"
    file.write_bytes(pdf_of("page one", "page two"))
    page.goto(f"{service.people}/operations/contracts/uploads")
    page.get_by_label("合同名称").fill("合作协议")
    page.get_by_label("PDF 文件").set_input_files(file)
    page.get_by_role("button", name="上传并检查").click()
    expect(page.get_by_text("未发现隐患")).to_be_visible()

    page.get_by_label("签署人").first.select_option(index=1)
    page.get_by_role("button", name="在图上点选").first.click()
    picture = page.get_by_role("img", name="第 2 页")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": box["width"] * ACROSS, "y": box["height"] * DOWN})
    expect(page.get_by_text("第 2 页 · Page 2：62%, 31%")).to_be_visible()
    page.get_by_role("button", name="生成签署链接").click()
    link = page.get_by_text(re.compile(r"^https://\S+$")).first.inner_text()

    with chromium.new_context(locale="zh-CN") as context:
        signer = SigningPage(context, lambda cue: None)
        signer.open(link)
        signer.identify(LAST6)
        shown = bytes(signer.page.evaluate(_FETCH, f"{link}/document.pdf"))
    reader = PdfFileReader(BytesIO(shown))
    (field,) = [each.get_object() for each in reader.root["/AcroForm"]["/Fields"]]
    assert field["/FT"] == "/Sig"
    left, bottom, right, top = map(float, field["/Rect"])
    assert field.raw_get("/P") == reader.root["/Pages"]["/Kids"].raw_get(1)
    assert (left + right) / 2 == pytest.approx(ACROSS * WIDTH, abs=2)
    assert (bottom + top) / 2 == pytest.approx((1 - DOWN) * HEIGHT, abs=2)
