"""DPoP (RFC 9449): tokens bound to the client's own key, at the token endpoint and at the protected API."""

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
from yunlian import OAuthRefused, Platform, Refused
from yunlian.dpop import Prover
from yunlian.messages import Request, sign_request

from app.gateway.jose import JoseError, parse_jws, parse_public_jwk, public_jwk, sign_jwt, thumbprint
from app.oauth.dpop import server_nonce
from app.oauth.models import AuthorizationCode
from app.oauth.token import digest
from pki.keys import KeyType, generate
from tests.app.gateway.parties import REDIRECT_URI, Parties

TOKEN = "https://localhost:9443/oauth/token"
PATH = "/api/v1/echo"
VERIFIER = secrets.token_urlsafe(48)

# RFC 9449 §4.1 (figure 2) and §6.1 (figure 7): the proof and the thumbprint of its key.
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs"
    "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2"
    "In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
    "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT"
    "3Lg"
)
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # what differs between databases is proven in test_proof_once


@pytest.fixture
def platform(app: Flask, parties: Parties) -> Platform:
    client = parties.platform.client(app)
    client._prover = Prover(generate(KeyType.EC_P256), parties.services.clock)
    return client


def _call(platform: Platform, parties: Parties, token: str) -> Any:
    return platform.call(PATH, {"a": 1}, token=token, enterprise=parties.enterprise.client())


def _bound(platform: Platform, parties: Parties) -> str:
    """A payments token bound to the platform's DPoP key."""
    prover = platform._prover
    assert prover is not None
    return parties.token(certificate_x5t_s256=None, jkt=thumbprint(prover._jwk))


def test_the_examples_of_rfc9449() -> None:
    unverified = parse_jws(RFC_PROOF, typ={"dpop+jwt"}, limit=4096)
    jwk = unverified.header["jwk"]
    assert thumbprint(jwk) == RFC_THUMBPRINT
    assert unverified.verify(parse_public_jwk(jwk))["htu"] == "https://server.example.com/token"


@pytest.mark.parametrize("key_type", [KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048])
def test_every_kind_of_key_gives_and_uses_a_bound_token(platform: Platform, parties: Parties, key_type: str) -> None:
    platform._prover = Prover(generate(KeyType(key_type)), parties.services.clock)
    issued = platform._post_form("token_endpoint", {"grant_type": "client_credentials"})
    assert issued["token_type"] == "DPoP"
    claims = json.loads(base64.urlsafe_b64decode(issued["access_token"].split(".")[1] + "=="))
    assert claims["cnf"] == {"jkt": thumbprint(platform._prover._jwk)}
    assert platform.introspect(issued["access_token"])["token_type"] == "DPoP"
    assert platform.call("/api/v1/look-up?q=1", None, token=issued["access_token"]).status == 200
    assert _call(platform, parties, _bound(platform, parties)).sealed == {"document": '{"a":1}'}


def test_without_a_nonce_the_server_gives_one_and_spends_nothing(app: Flask, platform: Platform) -> None:
    prover = platform._prover
    assert prover is not None
    _ = platform.metadata
    with pytest.raises(OAuthRefused, match="use_dpop_nonce"):
        platform._post_form_once("token_endpoint", {"grant_type": "client_credentials"})
    assert prover.nonce is not None
    assert platform.token().scope == "routing"


def test_nonces_end_after_five_minutes(platform: Platform, parties: Parties) -> None:
    prover, token = platform._prover, _bound(platform, parties)
    assert prover is not None
    prover.nonce = server_nonce(parties.services)
    parties.services.clock.advance(timedelta(minutes=4))  # type: ignore[attr-defined]
    request, body = platform.prepare(PATH, {}, token=token, enterprise=parties.enterprise.client())
    assert platform.send(request, body).status == 200
    prover.nonce = server_nonce(parties.services)
    parties.services.clock.advance(timedelta(minutes=6))  # type: ignore[attr-defined]
    with pytest.raises(OAuthRefused, match="use_dpop_nonce"):
        platform._post_form_once("token_endpoint", {"grant_type": "client_credentials"})


BAD_CLAIMS: list[tuple[dict, str]] = [
    ({"htm": "GET"}, "invalid-dpop-proof"),
    ({"htu": "https://localhost:9443/api/v1/other"}, "invalid-dpop-proof"),
    ({"htu": None}, "invalid-dpop-proof"),
    ({"ath": None}, "invalid-dpop-proof"),
    ({"ath": "x"}, "invalid-dpop-proof"),
    ({"iat": 1}, "invalid-dpop-proof"),
    ({"iat": "now"}, "invalid-dpop-proof"),
    ({"jti": "short"}, "invalid-dpop-proof"),
    ({"jti": None}, "invalid-dpop-proof"),
    ({"nonce": None}, "use-dpop-nonce"),
    ({"nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "use-dpop-nonce"),
    ({"nonce": "\u4e2d"}, "use-dpop-nonce"),
    ({"nonce": 1}, "use-dpop-nonce"),
]


def _forge(platform: Platform, parties: Parties, token: str, changes: dict, **header: Any) -> str:
    """A proof with other claims or another header, signed by the right key."""
    prover = platform._prover
    assert prover is not None
    prover.nonce = server_nonce(parties.services)
    proof = prover.proof("POST", "https://localhost:9443" + PATH, token)
    claims = json.loads(base64.urlsafe_b64decode(proof.split(".")[1] + "==")) | changes
    header = {"jwk": prover._jwk, "typ": "dpop+jwt"} | header  # by our own code: joserfc refuses to sign such headers
    return sign_jwt(prover._key, claims, typ=header.pop("typ"), header=header)


def _send(platform: Platform, parties: Parties, token: str, proof: str | None, scheme: str = "DPoP") -> Any:
    prepared, body = platform.prepare(PATH, {"a": 1}, token=token, enterprise=parties.enterprise.client())
    headers = {"Authorization": f"{scheme} {token}", "Content-Type": "application/jose"}
    request = Request("POST", prepared.url, headers | ({"DPoP": proof} if proof is not None else {}))
    sign_request(request, body, parties.platform.key, parties.platform.x5t_s256, parties.services.clock())
    return platform.send(request, body)


def test_proofs_for_something_else_are_refused(platform: Platform, parties: Parties) -> None:
    token = _bound(platform, parties)
    assert _send(platform, parties, token, _forge(platform, parties, token, {})).status == 200
    for changes, code in BAD_CLAIMS:
        with pytest.raises(Refused) as refused:
            _send(platform, parties, token, _forge(platform, parties, token, changes))
        assert (refused.value.code, refused.value.status) == (code, 401), changes


def test_proofs_of_a_wrong_form_are_refused(platform: Platform, parties: Parties) -> None:
    token, prover = _bound(platform, parties), platform._prover
    assert prover is not None
    good = _forge(platform, parties, token, {})
    other = public_jwk(generate(KeyType.EC_P256).public_key())  # type: ignore[arg-type]
    private = prover._jwk | {"d": "AA"}
    proofs = [
        "x",
        good + ",x",
        good[:-4] + "AAAA",
        "a" * 5000,
        _forge(platform, parties, token, {}, typ="jwt"),
        _forge(platform, parties, token, {}, jwk=other),
        _forge(platform, parties, token, {}, jwk=private),
        _forge(platform, parties, token, {}, jwk=[]),
        _forge(platform, parties, token, {}, jwk={"kty": "oct", "k": "AA"}),
    ]
    for proof in proofs:
        with pytest.raises(Refused) as refused:
            _send(platform, parties, token, proof)
        assert refused.value.code == "invalid-dpop-proof", proof


def test_scheme_and_binding_must_agree(platform: Platform, parties: Parties) -> None:
    bound, plain = _bound(platform, parties), parties.token()
    proof = _forge(platform, parties, bound, {})
    for token, sent, scheme, code in (
        (bound, None, "Bearer", "invalid-token"),
        (bound, None, "DPoP", "invalid-dpop-proof"),
        (bound, proof, "Bearer", "invalid-request"),
        (plain, _forge(platform, parties, plain, {}), "DPoP", "invalid-token"),
    ):
        with pytest.raises(Refused) as refused:
            _send(platform, parties, token, sent, scheme)
        assert refused.value.code == code


def test_a_proof_is_good_once(app: Flask, platform: Platform, parties: Parties) -> None:
    token = _bound(platform, parties)
    proof = _forge(platform, parties, token, {})
    assert _send(platform, parties, token, proof).status == 200
    with pytest.raises(Refused, match="replayed"):
        _send(platform, parties, token, proof)


def test_the_challenge_names_the_scheme_and_its_nonce(app: Flask, parties: Parties) -> None:
    client = app.test_client()
    plain = client.post(PATH)
    assert plain.headers["WWW-Authenticate"].startswith("Bearer, DPoP algs=")
    answer = client.post(PATH, headers={"Authorization": "DPoP x.y.z"})
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token", algs="ES256')
    assert answer.headers["DPoP-Nonce"] == server_nonce(parties.services)


def test_of_parallel_copies_of_a_proof_one_gets_a_token(app: Flask, platform: Platform, parties: Parties) -> None:
    prover = platform._prover
    assert prover is not None
    prover.nonce = server_nonce(parties.services)
    _ = platform.metadata
    proof = prover.proof("POST", TOKEN)
    outcomes: list[str] = []

    def ask() -> None:
        client = parties.platform.client(app)
        client.__dict__["metadata"] = platform.metadata
        client._prover = type("Fixed", (), {"proof": lambda *_: proof, "nonce": None})()  # type: ignore[assignment]
        try:
            client._post_form_once("token_endpoint", {"grant_type": "client_credentials"})
            outcomes.append("token")
        except OAuthRefused as refusal:
            outcomes.append(refusal.error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["invalid_dpop_proof"] * 7 + ["token"]


def _add_code(parties: Parties, dpop_jkt: str | None) -> str:
    code = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    with parties.services.transaction() as session:
        session.add(
            AuthorizationCode(
                code_sha256=digest(code),
                application_id=parties.platform.application.id,
                authorization_id=parties.authorization.id,
                redirect_uri=REDIRECT_URI,
                code_challenge=challenge,
                dpop_jkt=dpop_jkt,
                scope="payments",
                expires_at=parties.services.clock() + timedelta(seconds=60),
                used_at=None,
            )
        )
    return code


def test_a_code_bound_to_a_key_is_redeemed_by_that_key_alone(app: Flask, platform: Platform, parties: Parties) -> None:
    prover = platform._prover
    assert prover is not None

    def redeem(client: Platform, code: str) -> Any:
        form = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return client._post_form("token_endpoint", {"grant_type": "authorization_code"} | form)

    jkt = thumbprint(prover._jwk)
    issued = redeem(platform, _add_code(parties, jkt))
    assert issued["token_type"] == "DPoP"
    renewed = platform.refresh(issued["refresh_token"])
    assert _call(platform, parties, renewed.access_token).status == 200
    other = parties.platform.client(app)
    other._prover = Prover(generate(KeyType.EC_P256), parties.services.clock)
    for client in (parties.platform.client(app), other):
        with pytest.raises(OAuthRefused, match="invalid_grant"):
            redeem(client, _add_code(parties, jkt))
    stranger = parties.other_platform.client(app)
    stranger._prover = prover
    with pytest.raises(OAuthRefused, match="invalid_grant"):
        stranger.refresh(issued["refresh_token"])


def test_a_pushed_request_binds_its_code(platform: Platform, parties: Parties) -> None:
    from sqlalchemy import select

    from app.oauth.models import PushedRequest

    prover = platform._prover
    assert prover is not None
    details = {
        "uscc": parties.enterprise.tenant.uscc,
        "product": "payments",
        "limits": {"single_minor": 1, "daily_minor": 1},
    }
    platform.push_authorization(details, REDIRECT_URI)
    with parties.services.reading() as session:
        parameters = session.scalars(select(PushedRequest.parameters)).one()
    assert parameters["dpop_jkt"] == thumbprint(prover._jwk)
    for jkt in ("A" * 43, "short", "\u4e2d" * 43):
        with pytest.raises(OAuthRefused, match="invalid_request"):
            platform._post_form(
                "pushed_authorization_request_endpoint",
                {
                    "response_type": "code",
                    "redirect_uri": REDIRECT_URI,
                    "code_challenge": "A" * 43,
                    "code_challenge_method": "S256",
                    "authorization_details": json.dumps([{"type": "product_access", **details}]),
                    "dpop_jkt": jkt,
                },
            )


BAD_JWKS = [
    None,
    {},
    {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
    {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
    {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "n": 1, "e": "AQAB"},
]


@pytest.mark.parametrize("jwk", BAD_JWKS)
def test_what_is_no_good_public_key_is_refused(jwk: Any) -> None:
    with pytest.raises(JoseError):
        parse_public_jwk(jwk)
