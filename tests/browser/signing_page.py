"""The signing page as a person uses it: each method is one step, and ends when the page shows the next."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Response, expect

SECOND = 1000  # Playwright counts in milliseconds
JUDGEMENT = 60 * SECOND  # upload and comparison of a face, on a machine that has other things to do

# Tells the test of every instruction on the stage, of everything that the content security policy stopped,
# and of every key made: whether its private half can leave the browser, and its public half.
_REPORTER = """
document.addEventListener('securitypolicyviolation', (event) => {
  window.reportViolation(`${event.violatedDirective}: ${event.blockedURI}`);
});
new MutationObserver((changes) => {
  for (const { target } of changes) window.reportCue(target.dataset.colour ?? target.dataset.cue);
}).observe(document, { subtree: true, attributeFilter: ['data-cue', 'data-colour'] });
const generateKey = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = async (...wanted) => {
  const pair = await generateKey(...wanted);
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  window.reportKey(pair.privateKey.extractable, [...spki]);
  return pair;
};
"""


class SigningPage:
    """A phone with the signing link open.

    `faults` are console errors, exceptions and policy violations so far; `keys` are the key pairs made so far:
    whether the private key can be exported, and the SubjectPublicKeyInfo; `refusals` are code and detail of the face
    checks that did not pass.
    """

    def __init__(self, context: BrowserContext, show: Callable[[str], None]) -> None:
        """`show` hears of every instruction to the person, the name of an action or nothing, and of every colour."""
        self.faults: list[str] = []
        self.keys: list[tuple[bool, bytes]] = []
        self.refusals: list[tuple[str, str]] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20 * SECOND)
        self.page.expose_function("reportCue", show)
        self.page.expose_function("reportViolation", self._hear_violation)
        self.page.expose_function("reportKey", lambda extractable, spki: self.keys.append((extractable, bytes(spki))))
        self.page.add_init_script(_REPORTER)
        self.page.on("console", self._hear)
        self.page.on("response", self._hear_refusal)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _hear_refusal(self, answer: Response) -> None:
        if urlsplit(answer.url).path.endswith("/face") and not answer.ok:
            problem = answer.json()
            self.refusals.append((problem["code"], problem["detail"]))

    def _hear_violation(self, violation: str) -> None:
        self.faults.append(violation)

    def step(self, name: str) -> Locator:
        return self.page.locator(f'[data-step="{name}"]')

    @property
    def problem(self) -> Locator:
        """The one place where a refusal is told."""
        return self.page.locator("#problem")

    def open(self, link: str) -> None:
        self.page.goto(link)
        expect(self.step("identify")).to_be_visible()

    def identify(self, last6: str) -> None:
        self.page.get_by_label("身份证号码后 6 位").fill(last6)
        self.page.get_by_role("button", name="下一步").click()
        expect(self.step("read")).to_be_visible()

    def read_to_the_end(self) -> None:
        button = self.page.locator("#read-button")
        while button.get_attribute("data-ready") != "yes":
            button.click()  # one screenful
            self.page.wait_for_timeout(250)
        expect(button).to_contain_text("我已阅读全文")
        button.click()
        expect(self.step("consent")).to_be_visible()

    def consent(self) -> None:
        button = self.page.locator("#consent-button")
        for box in self.page.get_by_role("checkbox").all():
            expect(button).to_be_disabled()
            box.check()
        button.click()
        expect(self.step("face")).to_be_visible()

    def go_to_face_check(self, link: str, last6: str) -> None:
        """The first three steps."""
        self.open(link)
        self.identify(last6)
        self.read_to_the_end()
        self.consent()

    def show_face(self) -> None:
        """Consent and press the button; the camera's person does what the stage says."""
        self.open_camera()
        expect(self.page.locator("#face-live")).to_be_visible()
        expect(self.page.locator("#face-live")).to_be_hidden(timeout=JUDGEMENT)
        self.page.wait_for_timeout(SECOND / 2)  # what the door answered is heard a moment after the page shows it

    def open_camera(self) -> None:
        """The separate consent, and the button."""
        self.page.locator("#face-agree").check()
        self.page.locator("#face-start").click()

    def tab_to(self, selector: str) -> None:
        """Move the focus by the keyboard until it is there."""
        wanted = self.page.locator(selector)
        for _ in range(30):
            if wanted.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached by the Tab key")

    def sign(self) -> None:
        self.page.get_by_role("button", name="确认签署").click()
        expect(self.step("done")).to_be_visible(timeout=JUDGEMENT)
