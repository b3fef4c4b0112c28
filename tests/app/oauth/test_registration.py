"""Applications registered by program: once per code, by the rules of the pages, refused as RFC 7591 has it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.oauth import registration
from app.oauth import service as oauth
from app.wiring import Services
from tests.app.gateway.parties import REDIRECT_URI, Parties
from tests.conftest import FakeClock

METADATA = {"client_name": "财务云", "redirect_uris": [REDIRECT_URI], "scope": "payments routing", "logo_uri": "x"}


def _send(app: Flask, code: str | None, document: Any = METADATA) -> TestResponse:
    headers = {"Authorization": f"Bearer {code}"} if code is not None else {}
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return app.test_client().post("/oauth/register", data=body, headers=headers)


@pytest.fixture
def code(parties: Parties, services: Services) -> str:
    return registration.make_code(services, parties.platform.application.tenant_id)


def test_one_code_registers_one_application(app: Flask, services: Services, parties: Parties, code: str) -> None:
    answer = _send(app, code)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["scope"] == "payments routing"
    with services.reading() as session:
        made = oauth.get_application(session, answer.json["client_id"])
    assert (made.name, made.tenant_id) == ("财务云", parties.platform.application.tenant_id)
    again = _send(app, code)
    assert (again.status_code, again.json["error"]) == (401, "invalid_token")  # type: ignore[index]


def test_a_refused_registration_leaves_the_code(app: Flask, code: str) -> None:
    assert _send(app, code, METADATA | {"scope": "unknown"}).status_code == 400
    assert _send(app, code).status_code == 201


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uris": ["http://platform.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://platform.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://platform.example/"}, "invalid_client_metadata"),
        ({"client_name": ""}, "invalid_client_metadata"),
        ({"client_name": None}, "invalid_client_metadata"),
        ({"scope": ""}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_metadata_that_is_refused(app: Flask, code: str, change: dict[str, Any], error: str) -> None:
    answer = _send(app, code, METADATA | change)
    assert (answer.status_code, answer.json["error"]) == (400, error)  # type: ignore[index]


def test_other_codes_and_other_bodies(app: Flask, services: Services, parties: Parties, clock: FakeClock) -> None:
    code = registration.make_code(services, parties.platform.application.tenant_id)
    of_an_enterprise = registration.make_code(services, parties.enterprise.tenant.id)
    for bad in (None, "", "x", code[:-1], code[:-2] + "AA", of_an_enterprise, "é"):
        assert _send(app, bad).status_code == 401
    for body in (b"", b"[]", b"{", b"\xff", b'{"client_name":"a","client_name":"b"}'):
        assert _send(app, code, body).status_code == 400
    assert _send(app, code, b" " * 20_000).status_code == 413
    clock.advance(registration.CODE_LIFETIME - timedelta(seconds=1))
    assert _send(app, code, METADATA | {"scope": ""}).status_code == 400
    clock.advance(timedelta(seconds=1))
    assert _send(app, code).status_code == 401


def test_the_bank_s_command_makes_a_code(app: Flask, parties: Parties) -> None:
    run = app.test_cli_runner().invoke
    made = run(args=["oauth", "registration-code", parties.platform.application.tenant.uscc])
    assert made.exit_code == 0
    assert _send(app, made.output.strip()).status_code == 201
    assert run(args=["oauth", "registration-code", parties.enterprise.tenant.uscc]).exit_code == 1
