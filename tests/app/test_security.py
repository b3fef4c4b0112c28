"""What holds for every answer of every door: headers, identifiers, cookies, CSRF, sizes, proxies."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import pytest
from flask import Flask, g, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.settings import Door
from app.wiring import Services, build_services

HTML = {"Accept": "text/html"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
ONE_OF_EACH_DOOR = ["/login", "/verify", "/oauth/jwks", "/api/v1/nothing", "/pki/crl/api.crl", "/healthz", "/nothing"]


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # headers do not depend on it


def get(client: FlaskClient, path: str, **headers: str) -> TestResponse:
    return client.get(path, headers=headers, base_url="https://localhost")


@pytest.mark.parametrize("path", ONE_OF_EACH_DOOR)
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    headers = get(client, path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "microphone=()" in headers["Permissions-Policy"]
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert headers["X-Request-Id"]
    assert "Strict-Transport-Security" not in client.get(path).headers  # RFC 6797 §7.2: not over plain http


@pytest.mark.parametrize("path", ["/login", "/nothing", "/api/v1/nothing"])
def test_what_concerns_people_is_kept_by_no_cache(client: FlaskClient, path: str) -> None:
    assert get(client, path).headers["Cache-Control"] == "no-store"


def test_pages_have_no_inline_script_or_style(client: FlaskClient) -> None:
    for path in ("/", "/login", "/verify"):
        page = client.get(path, headers=HTML, base_url="https://localhost", follow_redirects=True).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), path
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", page), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page), path


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a-request-id-01", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("short", False),
        ("with space in it", False),
        ("<script>alert(1)</script>", False),
        ("ünïcödé-ünïcödé", False),
        ("", False),
    ],
)
def test_a_request_id_is_kept_only_in_its_form(client: FlaskClient, given: str, kept: bool) -> None:
    answer = get(client, "/healthz", **{"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) == kept
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", answer.headers["X-Request-Id"])


def test_request_ids_differ(client: FlaskClient) -> None:
    assert len({get(client, "/healthz").headers["X-Request-Id"] for _ in range(5)}) == 5


# --- forms ----------------------------------------------------------------------------------------------------------


def test_a_form_needs_the_token_of_its_own_browser(app: Flask) -> None:
    client, other = app.test_client(), app.test_client()
    page = get(client, "/login", Accept="text/html")
    found = _TOKEN.search(page.text)
    assert found
    form = {"login": "nobody", "password": "wrong password", "code": "000000"}

    def post(browser: FlaskClient, referrer: str = "https://localhost/login", **fields: str) -> int:
        answer = browser.post(
            "/login", data=form | fields, headers=HTML | {"Referer": referrer}, base_url="https://localhost"
        )
        return answer.status_code

    assert post(client) == 400
    assert post(client, csrf_token=found[1] + "x") == 400
    assert post(other, csrf_token=found[1]) == 400
    assert post(client, csrf_token=found[1], referrer="https://evil.example/") == 400
    assert post(client, csrf_token=found[1]) == 401  # only now somebody looked at the password


def test_the_form_cookie_is_bound_to_this_host_and_unreadable_for_scripts(client: FlaskClient) -> None:
    [cookie] = get(client, "/login", Accept="text/html").headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-yunlian-form=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("path", ["/oauth/token", "/api/v1/payments", "/pki/tsa", "/pki/ocsp/api"])
def test_programs_need_no_form_token(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"", base_url="https://localhost")
    assert "CSRF" not in answer.text
    assert answer.status_code in {200, 400, 401, 415}


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_too_large_a_body_is_refused(services: Services) -> None:
    small = build_services(replace(services.settings, max_body=4096), services.clock)
    client = create_app(services=small).test_client()
    token = _TOKEN.search(get(client, "/verify", Accept="text/html").text)
    assert token
    data = {"csrf_token": token[1], "file": (BytesIO(b"%PDF-" + bytes(5000)), "a.pdf")}
    answer = client.post("/verify", data=data, headers={"Referer": "https://localhost/"}, base_url="https://localhost")
    assert answer.status_code == 413
    assert answer.mimetype == "application/problem+json"
    small.engine.dispose()


def test_a_form_has_bounded_memory_and_bounded_parts(client: FlaskClient) -> None:
    for data in ({"login": "x" * (1024 * 1024 + 1)}, {f"f{n}": "x" for n in range(300)}):
        answer = client.post("/login", data=data, content_type="multipart/form-data", base_url="https://localhost")
        assert answer.status_code == 413


# --- doors and proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("door", "answers"),
    [
        (Door.PEOPLE, {"/login", "/verify"}),
        (Door.PLATFORMS, {"/oauth/jwks", "/oauth/token", "/api/v1/payments"}),
        (Door.PKI, {"/pki/crl/api.crl", "/pki/issuers/root.crt"}),
        (Door.WORKSHOP, {"/workshop/run"}),
    ],
)
def test_each_door_has_its_own_routes_only(services: Services, door: Door, answers: set[str]) -> None:
    only = build_services(replace(services.settings, doors=frozenset({door})), services.clock)
    rules = {rule.rule.split("/")[1] for rule in create_app(services=only).url_map.iter_rules()}
    client = create_app(services=only).test_client()
    everything = {"/login", "/verify", "/oauth/jwks", "/oauth/token", "/api/v1/payments", "/pki/crl/api.crl",
                  "/pki/issuers/root.crt", "/workshop/run"}  # fmt: skip
    found = {path for path in everything if client.get(path, base_url="https://localhost").status_code != 404}
    assert found == answers
    assert {"healthz", "readyz"} <= rules
    only.engine.dispose()


@pytest.mark.parametrize(("proxies", "seen"), [(0, ("127.0.0.1", False)), (1, ("203.0.113.7", True))])
def test_forwarded_headers_count_only_behind_a_declared_proxy(
    services: Services, proxies: int, seen: tuple[str, bool]
) -> None:
    behind = build_services(replace(services.settings, trusted_proxies=proxies), services.clock)
    app = create_app(services=behind)
    told = []
    app.view_functions["health.healthz"] = lambda: told.append((request.remote_addr, request.is_secure)) or "ok"
    app.test_client().get("/healthz", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
    assert told == [seen]
    behind.engine.dispose()


def test_one_request_does_not_know_the_other(app: Flask) -> None:
    seen = []
    app.view_functions["health.healthz"] = lambda: seen.append(g.request_id) or "ok"
    app.test_client().get("/healthz", headers={"X-Request-Id": "first-request"})
    app.test_client().get("/healthz")
    assert seen[0] == "first-request"
    assert seen[1] != "first-request"
