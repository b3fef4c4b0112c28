"""The whole way of a request: token, message signature, sealed content, answer; and every refusal by its own reason."""

from __future__ import annotations

import json
import random
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import select
from yunlian import AnswerNotTrusted, Platform, Refused
from yunlian.messages import Request, sign_request

from app.certificates import service as certificates
from app.gateway.certificates import caches_of
from app.gateway.refusals import REFUSALS
from app.journal import JournalEntry
from app.oauth import service as oauth
from app.oauth.tokens import issue_access_token
from pki.keys import KeyType, generate
from tests.app.gateway.parties import Parties

DOCUMENT = {"b": 1, "a": {"名": "值"}}
PATH = "/api/v1/echo"


@pytest.fixture
def platform(app: Flask, parties: Parties) -> Platform:
    return parties.platform.client(app)


def _call(platform: Platform, parties: Parties, **changes: Any) -> Any:
    arguments = {"token": parties.token(), "enterprise": parties.enterprise.client()}
    return platform.call(PATH, DOCUMENT, **arguments | changes)


def _refusal(platform: Platform, parties: Parties, **changes: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        _call(platform, parties, **changes)
    return refused.value


def _resend(platform: Platform, request: Request, body: bytes | None) -> Refused:
    with pytest.raises(Refused) as refused:
        platform.send(request, body)
    return refused.value


def test_a_request_with_both_identities_is_verified_and_answered(platform: Platform, parties: Parties) -> None:
    answer = _call(platform, parties)
    assert answer.sealed == {"document": '{"a":{"名":"值"},"b":1}'}
    verified = parties.seen[0]
    assert verified.client_id == parties.platform.application.client_id
    assert verified.api_x5t_s256 == parties.platform.x5t_s256
    assert verified.authorization.uscc == parties.enterprise.tenant.uscc
    assert verified.authorization.custody == "agent"
    assert dict(verified.authorization.limits) == {"single_minor": 1_000_000, "daily_minor": 9_000_000}
    assert answer.body["sha256"] == verified.document_sha256


def test_the_platform_alone_may_look_up(platform: Platform, parties: Parties) -> None:
    token = parties.token("routing")
    assert platform.call("/api/v1/look-up?q=1", None, token=token).body == {"document": ""}
    assert platform.call("/api/v1/look-up", {"b": 1, "a": 2}, token=token).body == {"document": '{"a":2,"b":1}'}
    assert parties.seen[0].authorization is None


def test_a_byte_identical_copy_is_replayed(platform: Platform, parties: Parties) -> None:
    enterprise = parties.enterprise.client()
    request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=enterprise)
    platform.send(request, body, enterprise)
    assert (_resend(platform, request, body).code, _resend(platform, request, body).status) == ("replayed", 409)


def test_the_same_content_under_a_fresh_signature_is_replayed(platform: Platform, parties: Parties) -> None:
    enterprise, token = parties.enterprise.client(), parties.token()
    request, body = platform.prepare(PATH, DOCUMENT, token=token, enterprise=enterprise)
    platform.send(request, body, enterprise)
    again = Request("POST", request.url, {"Authorization": f"Bearer {token}", "Content-Type": "application/jose"})
    sign_request(again, body, parties.platform.key, parties.platform.x5t_s256, parties.services.clock())
    assert _resend(platform, again, body).code == "replayed"


CHANGED_PARTS = [
    ("body", "invalid-signature"),
    ("token", "invalid-token"),
    ("signature", "invalid-signature"),
    ("nonce", "invalid-signature"),
    ("target", "invalid-signature"),
    ("digest", "invalid-signature"),
]


def test_one_changed_character_is_refused(platform: Platform, parties: Parties) -> None:
    for part, code in CHANGED_PARTS:
        request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=parties.enterprise.client())
        assert body is not None
        assert _resend(platform, *_change(request, body, part)).code == code, part


def _change(request: Request, body: bytes, part: str) -> tuple[Request, bytes]:
    headers = request.headers
    if part == "body":
        body = body[:-20] + (b"A" if body[-20:-19] != b"A" else b"B") + body[-19:]
    elif part == "target":
        request.url += "?x=1"
    else:
        name, marker = {
            "token": ("Authorization", "."),
            "signature": ("Signature", ":"),
            "nonce": ("Signature-Input", 'nonce="'),
            "digest": ("Content-Digest", ":"),
        }[part]
        place = headers[name].index(marker) + len(marker) + 3
        other = "A" if headers[name][place] != "A" else "B"
        headers[name] = headers[name][:place] + other + headers[name][place + 1 :]
    return request, body


def test_a_token_of_another_platform_is_refused(app: Flask, parties: Parties) -> None:
    thief = parties.other_platform.client(app)
    assert _refusal(thief, parties).code == "invalid-token"


def test_a_key_that_is_not_the_certificates_is_refused(platform: Platform, parties: Parties) -> None:
    platform._key = generate(KeyType.EC_P256)
    assert _refusal(platform, parties).code == "invalid-signature"


def test_content_of_another_enterprise_is_refused(platform: Platform, parties: Parties) -> None:
    refusal = _refusal(platform, parties, enterprise=parties.other_enterprise.client())
    assert (refusal.code, refusal.status) == ("invalid-content", 422)
    assert "detail" not in refusal.problem


BAD_CLAIMS = [
    {"aud": "https://sandbox.example"},
    {"client_id": "another"},
    {"htm": "PUT"},
    {"htu": "https://localhost:9443/api/v1/other"},
    {"iss": "urn:yunlian:enterprise:91330106MA0000004X:product:payments"},
    {"exp": 1},
    {"exp": 9_999_999_999},
    {"exp": "soon"},
    {"iat": True},
    {"iat": 9_999_999_000, "exp": 9_999_999_100},
    {"jti": "short"},
    {"jti": None},
    {"document": []},
]


def test_content_claims_must_fit(platform: Platform, parties: Parties) -> None:
    enterprise = parties.enterprise.client()
    honest = enterprise.claims
    for changes in BAD_CLAIMS:
        changed = lambda *args, changes=changes, **kwargs: honest(*args, **kwargs) | changes  # noqa: E731
        enterprise.claims = changed  # type: ignore[method-assign]
        assert _refusal(platform, parties, enterprise=enterprise).code == "invalid-content", changes


@pytest.mark.parametrize(
    ("document", "pointer"), [({"amount": 1.5}, "/amount"), ({"a": [0, 2**60]}, "/a/1"), ({"a": "\ud800"}, "/a")]
)
def test_a_document_with_two_readings_is_refused_with_its_place(
    platform: Platform, parties: Parties, document: dict, pointer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from yunlian import tokens

    ascii_only = json.dumps
    monkeypatch.setattr(tokens.json, "dumps", lambda value, **_: ascii_only(value))
    with pytest.raises(Refused) as refused:
        platform.call(PATH, document, token=parties.token(), enterprise=parties.enterprise.client())
    assert refused.value.code == "invalid-document"
    assert refused.value.problem["faults"][0]["pointer"] == pointer


def test_tokens_end(platform: Platform, parties: Parties) -> None:
    token = parties.token()
    _call(platform, parties, token=token)
    parties.services.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
    assert _refusal(platform, parties, token=token).code == "invalid-token"


def test_a_message_is_good_for_a_minute(platform: Platform, parties: Parties) -> None:
    for step in (timedelta(seconds=61), timedelta(seconds=-61)):
        request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=parties.enterprise.client())
        parties.services.clock.advance(step)  # type: ignore[attr-defined]
        assert _resend(platform, request, body).code in {"invalid-signature", "invalid-token"}


def test_a_token_without_the_scope_is_not_authorized(platform: Platform, parties: Parties) -> None:
    refusal = _refusal(platform, parties, token=parties.token("routing"))
    assert (refusal.code, refusal.status) == ("not-authorized", 403)


def test_a_token_for_no_enterprise_is_not_authorized(platform: Platform, parties: Parties) -> None:
    assert _refusal(platform, parties, token=parties.token(authorization=None)).code == "not-authorized"


def test_revoking_the_authorization_closes_the_gate(platform: Platform, parties: Parties) -> None:
    token = parties.token()
    _call(platform, parties, token=token)
    with parties.services.transaction() as session:
        oauth.revoke_authorization(parties.services, session, parties.authorization.id, actor="test")
    assert _refusal(platform, parties, token=token).code == "not-authorized"


@pytest.mark.parametrize("side", ["api", "product"])
@pytest.mark.parametrize("act", ["revoke", "hold"])
def test_revoking_either_certificate_closes_the_gate(platform: Platform, parties: Parties, side: str, act: str) -> None:
    token = parties.token()
    _call(platform, parties, token=token)
    name = parties.platform.x5t_s256 if side == "api" else parties.enterprise.client().x5t_s256
    with parties.services.transaction() as session:
        if act == "revoke":
            certificates.revoke(parties.services, session, name, "key_compromise", "test")
        else:
            certificates.hold(parties.services, session, name, "test", "test")
    assert _refusal(platform, parties, token=token).code == "certificate-revoked"


@pytest.mark.parametrize("days", [366, 731])
def test_expired_certificates_close_the_gate(platform: Platform, parties: Parties, days: int) -> None:
    parties.services.clock.advance(timedelta(days=days))  # type: ignore[attr-defined]
    assert _refusal(platform, parties).code == "certificate-expired"


def test_an_authorization_ends_with_its_term(platform: Platform, parties: Parties) -> None:
    parties.services.clock.advance(timedelta(days=31))  # type: ignore[attr-defined]
    assert _refusal(platform, parties).code == "not-authorized"


WRONG_FORMS = [
    ({"Authorization": None}, "invalid-token"),
    ({"Authorization": "Basic eDp5"}, "invalid-token"),
    ({"Authorization": "Bearer " + "a" * 5000}, "invalid-token"),
    ({"Authorization": "Bearer a.b.c"}, "invalid-token"),
    ({"Signature": None}, "invalid-signature"),
    ({"Signature-Input": None}, "invalid-signature"),
    ({"Content-Digest": None}, "invalid-signature"),
    ({"Content-Type": "application/json"}, "invalid-request"),
    ({"Content-Encoding": "gzip"}, "invalid-request"),
    ({"DPoP": "x"}, "invalid-signature"),
]


def test_requests_of_a_wrong_form_are_refused(platform: Platform, parties: Parties) -> None:
    for change, code in WRONG_FORMS:
        request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=parties.enterprise.client())
        for name, value in change.items():
            request.headers.pop(name, None)
            if value is not None:
                request.headers[name] = value
        response = platform._http.request("POST", request.url, headers=request.headers, content=body)
        assert (response.json()["code"], response.status_code in {400, 401}) == (code, True), change
        assert "bank=" in response.headers["Signature"]


def test_too_much_content_is_refused(platform: Platform, parties: Parties) -> None:
    request, _ = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=parties.enterprise.client())
    response = platform._http.request("POST", request.url, headers=request.headers, content=b"a" * 300_000)
    assert (response.status_code, response.json()["code"]) == (413, "content-too-large")


def test_the_host_header_decides_nothing(app: Flask, platform: Platform, parties: Parties) -> None:
    enterprise = parties.enterprise.client()
    request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=enterprise)
    request.headers["Host"] = "evil.example"
    assert platform.send(request, body, enterprise).status == 200


def test_an_answer_to_another_request_is_not_trusted(platform: Platform, parties: Parties) -> None:
    enterprise, token = parties.enterprise.client(), parties.token()
    first, body = platform.prepare(PATH, DOCUMENT, token=token, enterprise=enterprise)
    answer = platform._http.request("POST", first.url, headers=first.headers, content=body)
    second, body = platform.prepare(PATH, DOCUMENT, token=token, enterprise=enterprise)
    moved = httpx.MockTransport(
        lambda _: httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
    )
    _ = platform._bank_keys
    platform._http = httpx.Client(transport=moved, base_url=platform.issuer)
    with pytest.raises(AnswerNotTrusted):
        platform.send(second, body, enterprise)


def test_refusals_are_counted_and_kept_without_content(platform: Platform, parties: Parties) -> None:
    before = REFUSALS["invalid-content"]
    _refusal(platform, parties, enterprise=parties.other_enterprise.client())
    assert REFUSALS["invalid-content"] == before + 1
    with parties.services.reading() as session:
        kept = session.scalars(select(JournalEntry).where(JournalEntry.kind == "request-refused")).all()
    assert [entry.body for entry in kept] == [{"problem": "invalid-content", "route": PATH}]
    assert kept[0].actor == parties.platform.application.client_id


def test_strangers_cannot_fill_the_journal(app: Flask, parties: Parties) -> None:
    answer = app.test_client().post(PATH)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    with parties.services.reading() as session:
        assert session.scalars(select(JournalEntry).where(JournalEntry.kind == "request-refused")).first() is None


def test_a_nonce_is_not_spent_by_a_bad_signature(platform: Platform, parties: Parties) -> None:
    enterprise = parties.enterprise.client()
    request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=enterprise)
    good = request.headers["Signature"]
    request.headers["Signature"] = good[:8] + ("A" if good[8] != "A" else "B") + good[9:]
    assert _resend(platform, request, body).code == "invalid-signature"
    request.headers["Signature"] = good
    assert platform.send(request, body, enterprise).status == 200


def test_of_parallel_copies_one_is_let_in(app: Flask, platform: Platform, parties: Parties) -> None:
    enterprise = parties.enterprise.client()
    request, body = platform.prepare(PATH, DOCUMENT, token=parties.token(), enterprise=enterprise)
    _ = platform._bank_keys
    outcomes: list[int] = []

    def send() -> None:
        client = parties.platform.client(app)
        outcomes.append(client._http.request("POST", request.url, headers=request.headers, content=body).status_code)

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [409] * 15


def test_verdicts_are_remembered_until_the_epoch_moves(platform: Platform, parties: Parties) -> None:
    _call(platform, parties)
    assert caches_of(parties.services).certificates._verdicts
    forged = issue_access_token(
        parties.services,
        application=parties.other_platform.application,
        scope=frozenset({"payments"}),
        certificate_x5t_s256=parties.platform.x5t_s256,
        authorization=parties.authorization,
    )
    assert _refusal(platform, parties, token=forged).code == "invalid-signature"


def test_no_mutated_request_is_accepted(platform: Platform, parties: Parties) -> None:
    rng, enterprise, token = random.Random(9421), parties.enterprise.client(), parties.token()
    names = ("Authorization", "Signature", "Signature-Input", "Content-Digest", "Content-Type")
    for _ in range(120):
        request, body = platform.prepare(PATH, DOCUMENT, token=token, enterprise=enterprise)
        assert body is not None
        name = rng.choice((*names, "body"))
        text = body.decode() if name == "body" else request.headers[name]
        place = rng.randrange(len(text))
        kind = rng.choice(("flip", "drop", "double"))
        other = chr(rng.choice([c for c in range(0x21, 0x7F) if chr(c) != text[place]]))
        middle = {"flip": other, "drop": "", "double": text[place] * 2}[kind]
        mutated = text[:place] + middle + text[place + 1 :]
        if name == "body":
            body = mutated.encode()
        else:
            request.headers[name] = mutated
        answer = platform._http.request("POST", request.url, headers=request.headers, content=body)
        assert answer.json()["code"] in EXPECTED[name], (name, kind, answer.text)
    assert parties.seen == []


EXPECTED = {
    "Authorization": {"invalid-token"},
    "Signature": {"invalid-signature"},
    "Signature-Input": {"invalid-signature", "invalid-token"},  # keyid binds the token
    "Content-Digest": {"invalid-signature"},
    "Content-Type": {"invalid-request"},
    "body": {"invalid-signature", "invalid-content"},
}
