from __future__ import annotations

import json

from flask import Flask

from app.gateway.protect import Protection, find_protection
from tests.app.gateway.parties import Parties


def test_every_route_under_api_v1_is_protected(app: Flask, parties: Parties) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1")]
    found = {rule.rule: find_protection(app.view_functions[rule.endpoint]) for rule in rules}
    assert found["/api/v1/echo"] == Protection("payments", True)
    assert found["/api/v1/look-up"] == Protection("routing", False)
    assert [rule for rule, protection in found.items() if protection is None] == []


def test_without_any_proof_every_route_refuses_and_signs_its_refusal(app: Flask, parties: Parties) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1"):
            continue
        path = rule.rule.replace("<", "").replace(">", "")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            answer = app.test_client().open(path, method=method, data=b"x" if method == "POST" else None)
            assert answer.status_code in {401, 403}, (method, path)
            assert json.loads(answer.data)["type"].startswith("urn:yunlian:problem:")
            assert '"@target-uri";req' in answer.headers["Signature-Input"]


def test_unknown_paths_and_methods_are_answered_signed(app: Flask, parties: Parties) -> None:
    client = app.test_client()
    for answer in (client.get("/api/v1/nothing"), client.delete("/api/v1/echo")):
        assert answer.status_code in {404, 405}
        assert answer.headers["Signature"].startswith("bank=:")
    assert "Signature" not in client.get("/oauth/jwks").headers
