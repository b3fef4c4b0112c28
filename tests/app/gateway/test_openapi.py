"""The OpenAPI document fits the code, and the code fits it: schemathesis finds no 500 and no undocumented answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import httpx
import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed: the description was not tried")

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from yunlian import Platform
from yunlian.messages import Request, sign_request

from app.gateway.openapi import DOCUMENTS, PATH, describe_door
from app.gateway.protect import find_protection
from app.routing.service import load_sandbox_directory
from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties

ENDPOINTS = {
    "/oauth/token": "token_endpoint",
    "/oauth/par": "pushed_authorization_request_endpoint",
    "/oauth/introspect": "introspection_endpoint",
    "/oauth/revoke": "revocation_endpoint",
}
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SETTINGS = settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def members(services: Services) -> Parties:
    """The parties without the routes for tests, which no document describes."""
    with services.transaction() as session:
        load_sandbox_directory(services, session)
    return make_parties(services)


schemathesis.serializer.alias("application/jose", "text/plain")


def _for_each_case(app: Flask, check: Callable[[Case], None]) -> set[str]:
    """Let schemathesis make requests up for every operation. Returns the paths that were tried."""
    tried = set()
    for found in schemathesis.openapi.from_wsgi(PATH, app).get_all_operations():
        operation = found.ok()
        SETTINGS(given(case=operation.as_strategy())(check))()
        tried.add(operation.path)
    return tried


def test_strangers_get_documented_refusals(app: Flask) -> None:
    def check(case: Case) -> None:
        case.call_and_validate(checks=CHECKS)

    assert len(_for_each_case(app, check)) == len(DOCUMENTS) + 4


def test_known_senders_get_documented_answers(app: Flask, members: Parties) -> None:
    """What schemathesis makes up, under the message signature or client authentication of a real application."""
    client = members.platform.client(app)
    _ = client.metadata

    def check(case: Case) -> None:
        send = _send_document if case.path.startswith("/api/") else _send_form
        answer = send(case, client, members)
        assert answer.status_code != 401 or not case.path.startswith("/api/")
        case.validate_response(answer, checks=CHECKS)

    _for_each_case(app, check)


def _send_form(case: Case, client: Platform, members: Parties) -> httpx.Response:
    answers: list[httpx.Response] = []
    client._http.event_hooks = {"response": [answers.append]}
    form = case.body if isinstance(case.body, dict) else {}
    with contextlib.suppress(Exception):  # the answer itself is what counts
        client._post_form_once(ENDPOINTS[case.path], {str(name): str(value) for name, value in form.items()})
    client._http.event_hooks = {}
    answers[-1].read()
    return answers[-1]


def _send_document(case: Case, client: Platform, members: Parties) -> httpx.Response:
    content = "/payments" in case.path
    body = case.body if isinstance(case.body, str) else json.dumps(case.body, default=str)
    headers = {
        "Authorization": f"Bearer {members.token('payments' if content else 'routing')}",
        "Content-Type": "application/jose" if content else "application/json",
    }
    request = Request("POST", "https://localhost:9443" + case.path, headers)
    octets = body.encode("utf-8", "surrogatepass")
    sign_request(request, octets, members.platform.key, members.platform.x5t_s256, members.services.clock())
    return client._http.request("POST", request.url, headers=request.headers, content=octets)


def test_every_protected_route_is_described_with_its_document(app: Flask, services: Services) -> None:
    described = describe_door(app, services.settings)
    rules = [rule for rule in app.url_map.iter_rules() if find_protection(app.view_functions[rule.endpoint])]
    assert {rule.endpoint for rule in rules} == set(DOCUMENTS)
    assert {rule.rule for rule in rules} <= set(described["paths"])
    payment = described["components"]["schemas"]["PaymentDocument"]
    assert {"instruction_id", "amount_minor", "payee"} <= set(payment["required"])
    assert described["openapi"] == "3.1.0"
