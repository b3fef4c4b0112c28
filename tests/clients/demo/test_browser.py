"""What the demonstration reads from pages, and that its browser reports refusals as such."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clients.demo.browser import Browser, Refused, option_value, shown_codes

PAGE = """<form><input type="hidden" name="csrf_token" value="a&amp;b">
<select name="tenant_id"><option value="1">甲 &amp; 乙</option><option value="2&quot;">丙</option></select>
<select name="other"><option value="3">丁</option></select></form>
<pre class="x"><code>first &lt;1&gt;
line</code></pre><pre><code>second</code></pre>"""


@pytest.fixture
def requests() -> list[httpx.Request]:
    return []


@pytest.fixture
def browser(requests: list[httpx.Request]) -> Iterator[Browser]:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.url.path == "/page":
            return httpx.Response(200, text=PAGE)
        if request.url.path == "/refused":
            problem = {"code": "face-mismatch", "status": 422}
            return httpx.Response(422, json=problem, headers={"Content-Type": "application/problem+json"})
        return httpx.Response(500, text="a proxy's page")

    with Browser("https://localhost", transport=httpx.MockTransport(answer)) as made:
        yield made


def test_codes_and_options_are_read_as_people_see_them() -> None:
    assert shown_codes(PAGE) == ["first <1>\nline", "second"]
    assert option_value(PAGE, "tenant_id", "甲 & 乙") == "1"
    assert option_value(PAGE, "tenant_id", "丙") == '2"'
    with pytest.raises(LookupError):
        option_value(PAGE, "other", "nobody")


def test_a_call_carries_the_token_of_the_page_and_a_refusal_its_code(
    browser: Browser, requests: list[httpx.Request]
) -> None:
    browser.get("/page")
    with pytest.raises(Refused) as raised:
        browser.call("/refused", {})
    assert (raised.value.status, raised.value.code) == (422, "face-mismatch")
    assert requests[-1].headers["X-CSRF-Token"] == "a&b"
    with pytest.raises(Refused) as raised:
        browser.download("/broken")
    assert (raised.value.status, raised.value.code) == (500, "")
