"""Sandbox and production are two deployments: nothing of one is worth anything in the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from yunlian import AnswerNotTrusted, OAuthRefused, Platform, Refused

from app import create_app
from app.setup import initialize
from app.wiring import Services, build_services
from tests.app.gateway.parties import Parties, add_echo, make_parties

PATH = "/api/v1/echo"
SANDBOX = "https://sandbox.localhost:9443"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def sandbox(services: Services, tmp_path: Path) -> Iterator[tuple[Flask, Parties]]:
    """A deployment with keys, data and issuer of its own; even its client_ids are those of production."""
    var = tmp_path / "sandbox"
    var.mkdir()
    settings = replace(
        services.settings, var=var, database_url=f"sqlite:///{var}/yunlian.db", issuer_url=SANDBOX,
        secret_key="a secret of the sandbox", keystore_passphrase=b"another passphrase",
    )  # fmt: skip
    made = build_services(settings, services.clock)
    initialize(made)
    app = create_app(services=made)
    parties = make_parties(made)
    add_echo(app, parties.seen)
    yield app, parties
    made.engine.dispose()


def _at_production(app: Flask, parties: Parties, party: Any) -> Platform:
    """A client of production, with the key and certificate of `party`."""
    return Platform(
        parties.services.settings.issuer_url,
        parties.platform.application.client_id,
        party.key,
        party.certificate,
        transport=httpx.WSGITransport(app=app),
        clock=parties.services.clock,
    )


def _refusal(platform: Platform, **arguments: Any) -> str:
    with pytest.raises(Refused) as refused:
        platform.call(PATH, {}, **arguments)
    return refused.value.code


def test_tokens_of_the_sandbox_are_not_productions(
    app: Flask, parties: Parties, sandbox: tuple[Flask, Parties]
) -> None:
    _, others = sandbox
    platform, enterprise = parties.platform.client(app), parties.enterprise.client()
    assert _refusal(platform, token=others.token(), enterprise=enterprise) == "invalid-token"
    assert platform.introspect(others.token()) == {"active": False}


def test_certificates_of_the_sandbox_are_not_productions(
    app: Flask, parties: Parties, sandbox: tuple[Flask, Parties]
) -> None:
    _, others = sandbox
    stranger = _at_production(app, parties, others.platform)
    with pytest.raises(OAuthRefused, match="invalid_client"):
        stranger.token()
    enterprise, token = parties.enterprise.client(), parties.token()
    assert _refusal(stranger, token=token, enterprise=enterprise) == "invalid-token"
    bound = parties.token(certificate_x5t_s256=others.platform.x5t_s256)  # even if a token named it
    assert _refusal(stranger, token=bound, enterprise=enterprise) == "invalid-signature"
    platform = parties.platform.client(app)
    assert _refusal(platform, token=token, enterprise=others.enterprise.client()) == "invalid-content"


def test_content_for_the_sandbox_is_nothing_in_production(
    app: Flask, parties: Parties, sandbox: tuple[Flask, Parties]
) -> None:
    """The same enterprise key, certified in both: what it signed for the sandbox says so in `aud` and `htu`."""
    other_app, others = sandbox
    platform, enterprise = parties.platform.client(app), parties.enterprise.client()
    honest = enterprise.claims
    for changes in ({"aud": SANDBOX}, {"htu": SANDBOX + PATH}):
        enterprise.claims = lambda *a, changes=changes, **k: honest(*a, **k) | changes  # type: ignore[method-assign]
        assert _refusal(platform, token=parties.token(), enterprise=enterprise) == "invalid-content"
    enterprise.claims = honest  # type: ignore[method-assign]
    sealed_elsewhere = others.platform.client(other_app)._encryption_key()
    platform._encryption_key = lambda: sealed_elsewhere  # type: ignore[method-assign]
    assert _refusal(platform, token=parties.token(), enterprise=enterprise) == "invalid-content"


def test_a_client_of_production_trusts_no_answer_of_the_sandbox(
    app: Flask, parties: Parties, sandbox: tuple[Flask, Parties]
) -> None:
    other_app, _ = sandbox
    platform, enterprise = parties.platform.client(app), parties.enterprise.client()
    request, body = platform.prepare(PATH, {}, token=parties.token(), enterprise=enterprise)
    _ = platform._bank_keys
    platform._http = httpx.Client(transport=httpx.WSGITransport(app=other_app), base_url=platform.issuer)
    with pytest.raises(AnswerNotTrusted):
        platform.send(request, body, enterprise)
    lured = parties.platform.client(app)
    lured._http = httpx.Client(transport=httpx.WSGITransport(app=other_app), base_url=SANDBOX)
    with pytest.raises(AnswerNotTrusted):
        _ = lured.metadata
