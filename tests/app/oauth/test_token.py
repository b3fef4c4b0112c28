"""The token endpoint, PAR, revocation and introspection, driven by the independent client and by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse
from yunlian import OAuthRefused, Platform, Refused
from yunlian.tokens import sign

from app.certificates import service as certificates
from app.gateway.encoding import parse_base64url
from app.oauth import service as oauth
from app.oauth.models import Application, AuthorizationCode, PushedRequest, RefreshToken
from app.oauth.token import digest
from pki.keys import KeyType, generate
from tests.app.gateway.parties import LIMITS, REDIRECT_URI, ApplicationParty, Parties

ISSUER = "https://localhost:9443"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(parse_base64url(token.split(".")[1]))
    return claims


def _assertion(party: ApplicationParty, key: Any = None, header: dict | None = None, **changes: Any) -> dict[str, str]:
    now = int(party.services.clock().timestamp())
    client_id = party.application.client_id
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not ...}
    signed = sign(key or party.key, claims, {"kid": party.x5t_s256} if header is None else header)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}


def _post(app: Flask, path: str, form: dict[str, str], **more: Any) -> TestResponse:
    return app.test_client().post(path, data=form, **more)


def _add_code(parties: Parties, **changes: Any) -> str:
    code = secrets.token_urlsafe(32)
    values = {
        "code_sha256": digest(code),
        "application_id": parties.platform.application.id,
        "authorization_id": parties.authorization.id,
        "redirect_uri": REDIRECT_URI,
        "code_challenge": CHALLENGE,
        "scope": "payments",
        "expires_at": parties.services.clock() + timedelta(seconds=60),
        "used_at": None,
    }
    with parties.services.transaction() as session:
        session.add(AuthorizationCode(**values | changes))
    return code


def _redeem(app: Flask, parties: Parties, code: str, **changes: str) -> TestResponse:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return _post(app, "/oauth/token", form | changes | _assertion(parties.platform))


@pytest.fixture
def platform(app: Flask, parties: Parties) -> Platform:
    return parties.platform.client(app)


# --- client authentication ---


def test_client_credentials_give_a_bound_token(platform: Platform, parties: Parties) -> None:
    token = platform.token("routing")
    claims = _claims(token.access_token)
    assert claims["cnf"] == {"x5t#S256": parties.platform.x5t_s256}
    assert (claims["sub"], claims["client_id"]) == (platform.client_id, platform.client_id)
    assert claims["exp"] - claims["iat"] == 300
    assert (token.scope, token.refresh_token) == ("routing", None)
    assert platform.call("/api/v1/look-up", None, token=token.access_token).status == 200


def test_ed25519_clients_too(app: Flask, parties: Parties) -> None:
    client = parties.other_platform.client(app)
    token = client.token().access_token
    assert client.call("/api/v1/look-up", None, token=token).status == 200


def test_without_kid_the_clients_certificates_are_tried(app: Flask, parties: Parties) -> None:
    form = {"grant_type": "client_credentials", "client_id": parties.platform.application.client_id}
    assert _post(app, "/oauth/token", form | _assertion(parties.platform, header={})).status_code == 200


BAD_ASSERTIONS = [
    {"aud": [ISSUER]},
    {"aud": ISSUER + "/oauth/token"},
    {"aud": "https://sandbox.example"},
    {"iss": "another"},
    {"sub": "another", "iss": "another"},
    {"exp": 1},
    {"exp": ...},
    {"exp": 99_999_999_999},
    {"exp": "tomorrow"},
    {"iat": 99_999_999_999},
    {"nbf": 99_999_999_999},
    {"jti": ...},
    {"jti": "short"},
    {"jti": "x" * 129},
]


def test_assertions_that_are_not_for_us_now_are_refused(app: Flask, parties: Parties) -> None:
    for changes in BAD_ASSERTIONS:
        assertion = _assertion(parties.platform, **changes)
        answer = _post(app, "/oauth/token", {"grant_type": "client_credentials"} | assertion)
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client"), changes


def test_an_assertion_is_good_once(app: Flask, parties: Parties) -> None:
    form = {"grant_type": "client_credentials"} | _assertion(parties.platform)
    assert [_post(app, "/oauth/token", form).status_code for _ in range(3)] == [200, 401, 401]


def test_another_key_or_another_clients_certificate_is_refused(app: Flask, parties: Parties) -> None:
    other = parties.other_platform
    for assertion in (
        _assertion(parties.platform, key=generate(KeyType.EC_P256)),
        _assertion(parties.platform, key=other.key, header={"kid": other.x5t_s256}),
        _assertion(parties.platform, header={"kid": "unknown"}),
        _assertion(parties.platform, header={"kid": parties.enterprise.client().x5t_s256}),
        _assertion(parties.platform, header={"kid": parties.platform.x5t_s256, "typ": "at+jwt"}),
    ):
        answer = _post(app, "/oauth/token", {"grant_type": "client_credentials"} | assertion)
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_a_revoked_certificate_authenticates_nobody(platform: Platform, parties: Parties) -> None:
    with parties.services.transaction() as session:
        certificates.revoke(parties.services, session, parties.platform.x5t_s256, "superseded", "test")
    with pytest.raises(OAuthRefused, match="certificate-revoked"):
        platform.token()


def test_a_disabled_application_gets_nothing(platform: Platform, parties: Parties) -> None:
    with parties.services.transaction() as session:
        session.execute(update(Application).values(disabled_at=parties.services.clock()))
        parties.services.epoch.bump(session)
    with pytest.raises(OAuthRefused, match="invalid_client"):
        platform.token()


class _TlsSocket:
    """What gunicorn hands over, as far as the application asks it."""

    def __init__(self, der: bytes) -> None:
        self._der = der

    def getpeercert(self, binary_form: bool) -> bytes:
        assert binary_form
        return self._der


def test_mutual_tls_authenticates(app: Flask, parties: Parties) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    environ = {"gunicorn.socket": _TlsSocket(parties.platform.certificate.public_bytes(Encoding.DER))}
    form = {"grant_type": "client_credentials", "client_id": parties.platform.application.client_id}
    answer = _post(app, "/oauth/token", form, environ_overrides=environ)
    assert answer.status_code == 200
    assert _claims(answer.json["access_token"])["cnf"] == {"x5t#S256": parties.platform.x5t_s256}
    for client_id in (parties.other_platform.application.client_id, ""):
        refused = _post(app, "/oauth/token", form | {"client_id": client_id}, environ_overrides=environ)
        assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")


STRANGERS = [
    ({"grant_type": "client_credentials"}, "invalid_client"),
    ({"client_id": "x", "client_secret": "y"}, "invalid_client"),
    ({"client_assertion": "a.b.c"}, "invalid_client"),
    ({"client_assertion": "a.b.c", "client_assertion_type": ASSERTION_TYPE}, "invalid_client"),
    ({"client_assertion": '"\\\u4e2d', "client_assertion_type": ASSERTION_TYPE}, "invalid_client"),
]


def test_nobody_gets_in_without_a_key(app: Flask, parties: Parties) -> None:
    for path in ("/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"):
        for form, error in STRANGERS:
            answer = _post(app, path, form)
            assert (answer.status_code, answer.json["error"]) == (401, error), (path, form)


BAD_REQUESTS = [
    ({}, "unsupported_grant_type"),
    ({"grant_type": "password", "username": "u", "password": "p"}, "unsupported_grant_type"),
    ({"grant_type": '"\u4e2d\\'}, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, "invalid_request"),
    ({"grant_type": "authorization_code", "code": "unknown"}, "invalid_grant"),
    ({"grant_type": "authorization_code", "code": "\u4e2d"}, "invalid_grant"),
    ({"grant_type": "refresh_token"}, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
    ({"grant_type": "client_credentials", "scope": "payments"}, "invalid_scope"),
    ({"grant_type": "client_credentials", "scope": "routing payments"}, "invalid_scope"),
    ({"grant_type": "client_credentials", "scope": "admin"}, "invalid_scope"),
]


def test_bad_requests_keep_rfc6749_bodies(app: Flask, parties: Parties) -> None:
    for form, error in BAD_REQUESTS:
        answer = _post(app, "/oauth/token", form | _assertion(parties.platform))
        assert (answer.status_code, answer.json["error"]) == (400, error), form


def test_forms_must_be_plain(app: Flask, parties: Parties) -> None:
    client, form = app.test_client(), {"grant_type": "client_credentials"} | _assertion(parties.platform)
    doubled = [*form.items(), ("grant_type", "client_credentials")]
    refusals = [
        client.post("/oauth/token", data="&".join(f"{name}={value}" for name, value in doubled)),
        client.post("/oauth/token", json=form),
        client.post("/oauth/token?grant_type=client_credentials", data=form),
        client.post("/oauth/token", data={f"p{n}": "x" for n in range(50)}),
        client.post("/oauth/token", data={"x": "y" * 100_000}),
        client.post("/oauth/token", data=b"\xff\xfe=\xff", content_type="application/x-www-form-urlencoded"),
    ]
    for answer in refusals:
        assert 400 <= answer.status_code < 500
        assert answer.json["error"].startswith("invalid_")
    assert client.get("/oauth/token").status_code == 405


# --- codes and refresh tokens ---


def test_a_code_is_worth_one_token(app: Flask, parties: Parties) -> None:
    code = _add_code(parties)
    first = _redeem(app, parties, code)
    assert first.status_code == 200
    claims = _claims(first.json["access_token"])
    assert claims["authorization_id"] == parties.authorization.id
    assert claims["product_x5t#S256"] == parties.authorization.product_x5t_s256
    details = first.json["authorization_details"][0]
    assert details["limits"] == LIMITS.model_dump()
    assert first.headers["Cache-Control"] == "no-store"
    second = _redeem(app, parties, code)
    assert (second.status_code, second.json["error"]) == (400, "invalid_grant")


def test_of_parallel_redemptions_exactly_one_gets_a_token(app: Flask, parties: Parties) -> None:
    code = _add_code(parties)
    assertions = [_assertion(parties.platform) for _ in range(32)]
    barrier, outcomes = threading.Barrier(32), []
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}

    def redeem(assertion: dict[str, str]) -> None:
        barrier.wait()
        outcomes.append(_post(app, "/oauth/token", form | assertion).status_code)

    threads = [threading.Thread(target=redeem, args=(assertion,)) for assertion in assertions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [400] * 31
    with parties.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(RefreshToken)) == 1


def test_of_parallel_copies_of_an_assertion_one_is_good(app: Flask, parties: Parties) -> None:
    form = {"grant_type": "client_credentials"} | _assertion(parties.platform)
    outcomes: list[int] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(_post(app, "/oauth/token", form).status_code))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [401] * 15


BAD_REDEMPTIONS = [
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": ""},
    {"code_verifier": "a" * 43},
    {"code_verifier": ""},
    {"code_verifier": "\u4e2d" * 43},
]


def test_a_failed_redemption_burns_the_code(app: Flask, parties: Parties) -> None:
    for changes in BAD_REDEMPTIONS:
        code = _add_code(parties)
        assert _redeem(app, parties, code, **changes).status_code == 400, changes
        assert _redeem(app, parties, code).json["error"] == "invalid_grant", changes


def test_a_code_ends_after_a_minute_and_belongs_to_its_client(app: Flask, parties: Parties) -> None:
    of_another = _add_code(parties, application_id=parties.other_platform.application.id)
    assert _redeem(app, parties, of_another).json["error"] == "invalid_grant"
    code = _add_code(parties)
    parties.services.clock.advance(timedelta(seconds=60))  # type: ignore[attr-defined]
    assert _redeem(app, parties, code).json["error"] == "invalid_grant"


def test_refresh_tokens_renew_until_the_enterprise_says_no(app: Flask, platform: Platform, parties: Parties) -> None:
    refresh_token = _redeem(app, parties, _add_code(parties)).json["refresh_token"]
    renewed = platform.refresh(refresh_token)
    assert renewed.refresh_token is None
    platform.call("/api/v1/echo", {}, token=renewed.access_token, enterprise=parties.enterprise.client())
    with pytest.raises(OAuthRefused, match="invalid_grant"):
        parties.other_platform.client(app).refresh(refresh_token)
    with pytest.raises(OAuthRefused, match="invalid_scope"):
        platform._token({"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": "routing"})
    with parties.services.transaction() as session:
        oauth.revoke_authorization(parties.services, session, parties.authorization.id, actor="test")
    with pytest.raises(OAuthRefused, match="invalid_grant"):
        platform.refresh(refresh_token)


def test_nothing_that_opens_a_door_is_stored_readable(app: Flask, parties: Parties) -> None:
    code = _add_code(parties)
    answer = _redeem(app, parties, code).json
    with parties.services.reading() as session:
        stored = [row.token_sha256 for row in session.scalars(select(RefreshToken))]
    assert stored == [hashlib.sha256(answer["refresh_token"].encode()).digest()]


# --- introspection and revocation ---


def test_a_client_sees_and_revokes_its_own_tokens_only(app: Flask, platform: Platform, parties: Parties) -> None:
    answer = _redeem(app, parties, _add_code(parties)).json
    access, refresh = answer["access_token"], answer["refresh_token"]
    stranger = parties.other_platform.client(app)
    for token in (access, refresh):
        assert platform.introspect(token)["active"] is True
        assert stranger.introspect(token) == {"active": False}
        stranger.revoke(token)
        assert platform.introspect(token)["active"] is True
    enterprise = parties.enterprise.client()
    assert platform.call("/api/v1/echo", {}, token=access, enterprise=enterprise).status == 200
    platform.revoke(access)
    assert platform.introspect(access) == {"active": False}
    with pytest.raises(Refused, match="invalid-token"):
        platform.call("/api/v1/echo", {}, token=access, enterprise=enterprise)
    platform.revoke(refresh)
    with pytest.raises(OAuthRefused, match="invalid_grant"):
        platform.refresh(refresh)


UNKNOWN = ["unknown", "a.b.c", "\u4e2d", "x" * 9000]


def test_unknown_tokens_are_inactive_and_revoke_to_nothing(platform: Platform) -> None:
    for token in UNKNOWN:
        assert platform.introspect(token) == {"active": False}
        platform.revoke(token)


# --- PAR ---

DETAILS = {"uscc": "", "product": "payments", "limits": {"single_minor": 1, "daily_minor": 2}}


def _push(platform: Platform, parties: Parties, **changes: Any) -> Any:
    form = {
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "authorization_details": _details(parties),
    }
    form = {name: value for name, value in (form | changes).items() if value is not None}
    return platform._post_form("pushed_authorization_request_endpoint", form)


def _details(parties: Parties, **changes: Any) -> str:
    members = {"type": "product_access", **DETAILS, "uscc": parties.enterprise.tenant.uscc}
    return json.dumps([members | changes])


def test_a_pushed_request_is_kept_by_its_digest_for_five_minutes(platform: Platform, parties: Parties) -> None:
    pushed = _push(platform, parties)
    assert pushed["expires_in"] == 300
    with parties.services.reading() as session:
        row = session.scalars(select(PushedRequest)).one()
    assert row.uri_sha256 == digest(pushed["request_uri"])
    assert row.parameters["scope"] == "payments"


BAD_PUSHES = [
    ({"response_type": None}, "unsupported_response_type"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": '"\\'}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"redirect_uri": "https://evil.example/\"'\\"}, "invalid_request"),
    ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "\u4e2d" * 43}, "invalid_request"),
    ({"request_uri": "urn:x"}, "invalid_request"),
    ({"request": "a.b.c"}, "invalid_request"),
    ({"state": "\u4e2d"}, "invalid_request"),
    ({"state": "s" * 513}, "invalid_request"),
    ({"scope": "routing"}, "invalid_scope"),
    ({"scope": "payments admin"}, "invalid_scope"),
    ({"authorization_details": None}, "invalid_authorization_details"),
    ({"authorization_details": "[]"}, "invalid_authorization_details"),
    ({"authorization_details": "{"}, "invalid_authorization_details"),
    ({"authorization_details": '[],"x":[]'}, "invalid_authorization_details"),
    ({"authorization_details": '["\u4e2d\\u0022"]'}, "invalid_authorization_details"),
]


def test_pushed_requests_are_checked_at_once(platform: Platform, parties: Parties) -> None:
    for changes, error in BAD_PUSHES:
        with pytest.raises(OAuthRefused) as refused:
            _push(platform, parties, **changes)
        assert refused.value.error == error, changes


# --- what is published ---


def test_metadata_names_what_exists(app: Flask, parties: Parties) -> None:
    document = app.test_client().get("/.well-known/oauth-authorization-server").json
    assert document["issuer"] == ISSUER
    assert document["require_pushed_authorization_requests"] is True
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for name, value in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert value.removeprefix(ISSUER).removeprefix(parties.services.settings.people_url) in rules


def test_jwks_holds_public_keys_only(app: Flask, parties: Parties) -> None:
    keys = app.test_client().get("/oauth/jwks").json["keys"]
    assert [(key["use"], key["alg"]) for key in keys] == [("sig", "ES256"), ("enc", "ECDH-ES")]
    assert all("d" not in key and len(key["x5c"]) >= 2 for key in keys)
