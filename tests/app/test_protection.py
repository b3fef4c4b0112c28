"""Nothing under /api/v1 answers anybody who has not proven both identities, whatever will be added there."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.gateway.protect import Protection, find_protection
from app.oauth.scopes import SCOPES
from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties

from yunlian import Refused  # isort: skip - the parties put it on the path


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # who may come in does not depend on it


def protected_rules(app: Flask) -> list[tuple[Rule, str, Protection]]:
    """Every route under /api/v1 with each of its methods and what it demands.

    The ICBC dialect is the one other thing under /api: it leads to these very use cases after checks of its own.
    """
    found = []
    others = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/") and not rule.rule.startswith("/api/v1/"):
            others.add(rule.endpoint)
        if rule.rule.startswith("/api/v1/"):
            protection = find_protection(app.view_functions[rule.endpoint])
            assert protection is not None, f"{rule.rule} is not protected"
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [(rule, method, protection) for method in sorted(methods)]
    assert others == {"icbc.call"}
    return found


def path_of(rule: Rule) -> str:
    """The rule with something in its places."""
    return re.sub(r"<[^>]+>", "1", rule.rule)


@pytest.fixture
def parties(services: Services) -> Parties:
    return make_parties(services)


def test_every_route_is_protected_and_demands_a_known_scope(app: Flask) -> None:
    rules = protected_rules(app)
    assert {"/api/v1/payments", "/api/v1/payments/status", "/api/v1/routing/resolve"} <= {r.rule for r, *_ in rules}
    assert {protection.scope for *_, protection in rules} <= set(SCOPES)


def test_what_concerns_an_enterprise_demands_its_content(app: Flask) -> None:
    for rule, _, protection in protected_rules(app):
        assert protection.content == ("/payments" in rule.rule), rule.rule


def test_without_token_without_signature_and_with_another_scope_there_is_no_way_in(
    app: Flask, parties: Parties
) -> None:
    """Each refusal comes as a problem that the bank signed for this very request: the client verifies it."""
    platform, enterprise = parties.platform.client(app), parties.enterprise.client()
    for rule, method, protection in protected_rules(app):
        path, document = path_of(rule), None if method == "GET" else {"instruction_id": "P-1"}
        other_scope = min(SCOPES - {protection.scope})
        signer = enterprise if protection.content else None
        good = parties.token(protection.scope)

        def attempt(token: str, drop: tuple[str, ...] = (), *, path: str = path, method: str = method,
                    document: Any = document, signer: Any = signer) -> tuple[int, str]:  # fmt: skip
            request, body = platform.prepare(path, document, token=token, enterprise=signer)
            request.headers.update({"Accept": "application/json"})
            for name in drop:
                del request.headers[name]
            if "Signature" in drop:
                answer = httpx.Client(transport=httpx.WSGITransport(app=app)).request(
                    method, request.url, headers=request.headers, content=body
                )
                assert answer.headers["content-type"] == "application/problem+json"
                assert '"@method";req "@target-uri";req' in answer.headers["signature-input"]
                return answer.status_code, answer.json()["code"]
            with pytest.raises(Refused) as raised:
                platform.send(request, body, signer)
            return raised.value.status, raised.value.code

        name = f"{method} {path}"
        assert attempt("", ("Authorization",)) == (401, "invalid-token"), name
        assert attempt("not.a.token") == (401, "invalid-token"), name
        assert attempt(good, ("Signature", "Signature-Input")) == (401, "invalid-signature"), name
        assert attempt(good, ("Signature",)) == (401, "invalid-signature"), name
        assert attempt(parties.token(other_scope)) == (403, "not-authorized"), name
        stolen = parties.token(protection.scope, certificate_x5t_s256=parties.other_platform.x5t_s256)
        assert attempt(stolen) == (401, "invalid-token"), name


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/payments/status/", "/api/v1/"])
def test_unknown_paths_say_no_more_than_that_and_sign_it(app: Flask, path: str) -> None:
    answer = app.test_client().post(path, json={}, base_url="https://localhost:9443")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert "signature" in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(app: Flask, method: str) -> None:
    answer = app.test_client().open("/api/v1/payments", method=method, base_url="https://localhost:9443")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
