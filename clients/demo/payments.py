"""Act 5: token, dual-signed payment, verified answer; then everything that must be refused, each for its own reason."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from app.demonstration import ENTERPRISE, PAYER_ACCOUNT
from clients.demo import face
from clients.demo.browser import Browser
from clients.demo.browser import Refused as BrowserRefused
from clients.demo.puppet import Puppet, astronaut
from clients.demo.story import REDIRECT_URI, DoesNotVerify, Story, between, require

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from yunlian import Enterprise, Platform, Refused

PATH = "/api/v1/payments"
LIMITS = {"single_minor": 50_000_00, "daily_minor": 500_000_00}


def pay(story: Story) -> None:
    """The whole act."""
    api_chain = story.chains["api"].encode()
    product_chain = story.chains["product-sign"].encode()
    enterprise = Enterprise(story.keys["product-sign"], product_chain, story.keys["product-encrypt"])
    with _platform(story, story.keys["api"], api_chain) as platform:
        token = _authorize(story, platform)
        payee = _find_payee(story, platform)
        document = _document("PAY-0001", payee)
        _pay_and_replay(story, platform, enterprise, token, document)
        _flip_a_bit(story, platform, enterprise, token, _document("PAY-0002", payee))
        with _platform(story, ec.generate_private_key(ec.SECP256R1()), api_chain) as forger:
            _expect("invalid-signature", lambda: forger.call(PATH, document, token=token, enterprise=enterprise))
        forged = Enterprise(ec.generate_private_key(ec.SECP256R1()), product_chain, None)
        _expect("invalid-content", lambda: platform.call(PATH, document, token=token, enterprise=forged))
        story.tell("错误的 API 密钥、错误的产品密钥各被拒 / a wrong API key and a wrong product key, each refused")
        _revoke(story, lambda: platform.call(PATH, document, token=token, enterprise=enterprise))


def _platform(story: Story, key: ec.EllipticCurvePrivateKey, chain: bytes) -> Platform:
    return Platform(story.service.platforms, story.client_id, key, chain, story.service.root)


def _authorize(story: Story, platform: Platform) -> str:
    """PAR, the representative's consent, confirmed by face, the code for a token. Returns the access token."""
    details = {"uscc": ENTERPRISE[1], "product": "payments", "limits": LIMITS}
    request = platform.push_authorization(details, REDIRECT_URI)
    page = request.url.removeprefix(story.service.people)
    fields = {"client_id": story.client_id, "request_uri": _request_uri(page), "decision": "approve"}
    enterprise = story.browser("enterprise")
    try:
        enterprise.submit_raw("/oauth/authorize", fields, page=page)
    except BrowserRefused as refusal:
        require(refusal.status == HTTPStatus.CONFLICT, f"no consent without a face, not {refusal}")
    else:
        raise DoesNotVerify("the consent was taken without the representative's face")
    _show_face(enterprise, page)
    answer = enterprise.submit_raw("/oauth/authorize", fields, page=page)
    issued = platform.exchange(request, answer.headers["Location"])
    require(issued.refresh_token is not None, "an authorization comes with a refresh token")
    story.tell("法定代表人刷脸授权，以 private_key_jwt 换得令牌 / authorized by face, token by private_key_jwt")
    return issued.access_token


def _show_face(enterprise: Browser, page: str) -> None:
    """The face check of the consent page, whose challenge is bound to what that page shows."""
    shown = enterprise.get(page)
    wording = json.loads(between(shown, 'id="face-wording">', "</script>"))
    agreed = {"face_wording_sha256": wording["sha256"], "decision": "agree"}
    query = page.partition("?")[2]
    challenge = enterprise.call(f"/oauth/authorize/face/challenge?{query}", agreed)
    # Nobody stands twice in the very same place, and a capture that was seen before is refused.
    puppet = Puppet(astronaut(), face_width=205)
    enterprise.call(f"/oauth/authorize/face?{query}", **face.answer(challenge, puppet))


def _request_uri(page: str) -> str:
    query = dict(part.split("=", 1) for part in page.partition("?")[2].split("&"))
    return query["request_uri"].replace("%3A", ":")


def _find_payee(story: Story, platform: Platform) -> dict[str, Any]:
    """The payee's bank from what a person types, by the routing API with the platform's own token."""
    text = "建行杭州分行营业部"
    answer = platform.call("/api/v1/routing/resolve", {"text": text}, token=platform.token("routing").access_token)
    _keep(story, "routing-answer.json", answer.body)
    code = _clearing_code(answer.body)
    story.tell(f"“{text}” 识别为联行号 {code} / recognised as clearing code {code}")
    return {"name": "宁波海蓝贸易有限公司", "account": "1202020209900012345", "clearing_code": code}


def _clearing_code(resolution: Mapping[str, Any]) -> str:
    text = json.dumps(resolution)
    return between(text, '"clearing_code": "', '"')


def _document(instruction_id: str, payee: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "instruction_id": instruction_id,
        "amount_minor": 12_345_67,
        "currency": "CNY",
        "payer_account": PAYER_ACCOUNT,
        "payee": dict(payee),
        "purpose": "货款",
    }


def _pay_and_replay(
    story: Story, platform: Platform, enterprise: Enterprise, token: str, document: dict[str, Any]
) -> None:
    request, body = platform.prepare(PATH, document, token=token, enterprise=enterprise)
    (story.out / "payment-request.http").write_bytes(_wire(request.headers, body or b""))
    answer = platform.send(request, body, enterprise)
    require(answer.sealed is not None, "the enterprise's part of the answer is sealed and opens with its key")
    _keep(story, "payment-answer.json", {"status": answer.status, "body": answer.body, "sealed": answer.sealed})
    story.tell(f"双证书付款已受理并验签：{answer.body['state']} / paid, routed, booked, answer verified")
    _expect("replayed", lambda: platform.send(request, body, enterprise))
    again = platform.call(PATH, document, token=token, enterprise=enterprise)
    require(again.body["bank_reference"] == answer.body["bank_reference"], "the same document, the saved answer")
    changed = {**document, "amount_minor": 1}
    _expect("conflict", lambda: platform.call(PATH, changed, token=token, enterprise=enterprise))
    status = _await_settled(platform, enterprise, token, document["instruction_id"])
    story.tell(
        "原样重放被拒，重新签名得到原结果，同号异文冲突 / replayed refused, retried answered, conflict refused; "
        f"state {status}"
    )
    _fetch_receipt(story, platform, enterprise, token, document["instruction_id"])


def _fetch_receipt(story: Story, platform: Platform, enterprise: Enterprise, token: str, instruction_id: str) -> None:
    """The sealed electronic receipt, checked by poppler, and by its code on the page that anybody may open."""
    asked = {"instruction_id": instruction_id}
    answer = platform.call(f"{PATH}/receipt", asked, token=token, enterprise=enterprise)
    require(answer.sealed is not None, "the receipt is sealed to the enterprise")
    path = story.out / "receipt.pdf"
    path.write_bytes(base64.b64decode(answer.sealed["receipt_pdf"]))
    printed = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout
    require("Signature Validation: Signature is Valid." in printed, "pdfsig finds the bank's seal valid")
    code = str(answer.sealed["verify_code"])
    with Browser(story.service.people, story.service.root) as anybody:
        require("12,345.67" in anybody.get(f"/receipts?code={code}"), "the verify code leads to the payment")
    story.tell(f"电子回单已加盖银行印章，验证码 {code} 可公开核验 / receipt sealed by the bank, checked by its code")


def _await_settled(platform: Platform, enterprise: Enterprise, token: str, instruction_id: str) -> str:
    deadline = time.monotonic() + 10
    while True:
        asked = {"instruction_id": instruction_id}
        answer = platform.call(f"{PATH}/status", asked, token=token, enterprise=enterprise)
        state = str(answer.body["state"])
        if state == "settled":
            return state
        if time.monotonic() > deadline:
            raise DoesNotVerify(f"the payment is still {state}")
        time.sleep(0.3)


def _flip_a_bit(story: Story, platform: Platform, enterprise: Enterprise, token: str, document: dict[str, Any]) -> None:
    request, body = platform.prepare(PATH, document, token=token, enterprise=enterprise)
    flipped = bytearray(body or b"")
    # A bit whose change leaves Base64url characters, so that the form stays good and the signature must notice.
    middle = next(i for i in range(len(flipped) // 2, len(flipped)) if chr(flipped[i] ^ 1).isalnum())
    flipped[middle] ^= 1
    _expect("invalid-signature", lambda: platform.send(request, bytes(flipped), enterprise))
    story.tell("报文改动一位被拒 / one flipped bit refused")


def _revoke(story: Story, attempt: Callable[[], object]) -> None:
    """The representative ends the authorization; then two officers revoke the product certificate."""
    enterprise = story.browser("enterprise")
    page = enterprise.get("/enterprise/authorizations")
    path = "/enterprise/authorizations/" + between(page, 'action="/enterprise/authorizations/', '"')
    enterprise.submit(path, {}, page="/enterprise/authorizations")
    time.sleep(1)  # the promise: closed within a second on all workers
    _expect("not-authorized", attempt)
    first, second = story.browser("certificates"), story.browser("certificates2")
    certificate = between(
        first.get("/operations/certificates?profile=product-sign"), 'href="/operations/certificates/', '"'
    )
    fields = {"code": "cessation_of_operation", "reason": "演示：企业停用该产品"}
    path = f"/operations/certificates/{certificate}"
    first.submit(f"{path}/revoke", fields, page=path)
    inbox = second.get("/operations/decisions")
    decision = between(inbox, 'action="/operations/decisions/', '/confirm"')
    second.submit(f"/operations/decisions/{decision}/confirm", {}, page="/operations/decisions")
    time.sleep(1)
    _expect("certificate-revoked", attempt)
    story.tell(
        "撤销授权、双人吊销证书后均被拒 / refused after the authorization ended, and after revocation by two officers"
    )


def _expect(code: str, attempt: Callable[[], object]) -> None:
    """The attempt must be refused for this reason. Raises DoesNotVerify."""
    try:
        attempt()
    except Refused as refusal:
        require(refusal.code == code, f"refused as {refusal.code}, not as {code}")
    else:
        raise DoesNotVerify(f"accepted, not refused as {code}")


def _wire(headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _keep(story: Story, name: str, content: Any) -> None:
    (story.out / name).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
