"""The way before Flask answers as the view behind it does."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.gateway.protect import read_environ
from app.gateway.requests import MAX_BODY
from app.payments import front
from app.payments.ledger import inspect_ledger
from app.payments.protect import HANDS
from app.payments.shedding import MOST
from app.wiring import Services
from tests.app.gateway.parties import Parties
from tests.app.payments.test_routes import parties  # noqa: F401 - a fixture
from tests.app.payments.world import payment

from yunlian import Refused  # isort: skip - the parties put the client on the path

_OWN = {"x-request-id", "content-digest", "signature", "signature-input", "ratelimit", "content-length"}


@pytest.fixture
def behind(app: Flask, parties: Parties) -> Flask:  # noqa: F811
    """The same application without the way before it."""
    other = Flask("behind")
    other.wsgi_app = app.wsgi_app._behind  # type: ignore[attr-defined, method-assign]
    return other


def raw(app: Flask, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    """What a WSGI server would send."""
    seen: dict[str, Any] = {}

    def start(status: str, fields: list[tuple[str, str]], _error: Any = None) -> Any:
        seen.update(status=status, fields={name.lower(): value for name, value in fields})

    base: dict[str, Any] = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": front.PATH, "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "9443", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(b"x"), "CONTENT_LENGTH": "1", "wsgi.errors": io.StringIO(),
    }  # fmt: skip
    body = b"".join(app.wsgi_app(base | environ, start))
    return seen["status"], seen["fields"], body


REFUSED: list[dict[str, Any]] = [
    {},
    {"QUERY_STRING": "a=b"},
    {"REQUEST_METHOD": "GET", "CONTENT_LENGTH": ""},
    {"CONTENT_LENGTH": "", "wsgi.input": io.BytesIO()},
    {"CONTENT_LENGTH": "-1"},
    {"CONTENT_LENGTH": str(MAX_BODY + 1)},
    {"HTTP_TRANSFER_ENCODING": "chunked"},
    {"HTTP_AUTHORIZATION": "Bearer x"},
    {"HTTP_AUTHORIZATION": "DPoP x", "HTTP_DPOP": "y"},
    {"HTTP_X_REQUEST_ID": "mine-for-sure-1234"},
    {"HTTP_X_REQUEST_ID": "\0"},
    {"wsgi.url_scheme": "http"},
    {"CONTENT_TYPE": "application/json", "HTTP_CONTENT_ENCODING": "gzip"},
]


@pytest.mark.parametrize("environ", REFUSED, ids=lambda environ: " ".join(environ) or "bare")
def test_refusals_are_the_same_behind_it(app: Flask, behind: Flask, environ: dict[str, Any]) -> None:
    body = environ.get("wsgi.input", io.BytesIO(b"x")).getvalue()
    answers = [raw(each, **(environ | {"wsgi.input": io.BytesIO(body)})) for each in (app, behind)]
    (status, fields, document), (status_behind, fields_behind, document_behind) = answers
    assert status == status_behind
    assert fields.keys() == fields_behind.keys()
    assert {n: v for n, v in fields.items() if n not in _OWN} == {
        n: v for n, v in fields_behind.items() if n not in _OWN
    }
    assert _without_request(document) == _without_request(document_behind)


def test_payments_are_the_same_behind_it(app: Flask, behind: Flask, parties: Parties, services: Services) -> None:  # noqa: F811
    token, enterprise = parties.token(), parties.enterprise.client()
    first, second = parties.platform.client(app), parties.platform.client(behind)
    made = first.call(front.PATH, payment(), token=token, enterprise=enterprise)
    again = second.call(front.PATH, payment(), token=token, enterprise=enterprise)
    assert (made.sealed, {**made.body, "sealed": ""}) == (again.sealed, {**again.body, "sealed": ""})
    for client in (first, second):
        with pytest.raises(Refused) as raised:
            client.call(front.PATH, payment(amount_minor=7), token=token, enterprise=enterprise)
        assert (raised.value.status, raised.value.code) == (409, "conflict")
    with services.reading() as session:
        assert inspect_ledger(session).is_sound


def test_where_redis_counts_a_copy_is_refused_and_not_counted(
    app: Flask,
    parties: Parties,  # noqa: F811
    services: Services,
    redis_url: str,
) -> None:
    object.__setattr__(services, "settings", replace(services.settings, requests_per_minute=3, redis_url=redis_url))
    client, token, enterprise = parties.platform.client(app), parties.token(), parties.enterprise.client()
    request, body = client.prepare(front.PATH, payment(), token=token, enterprise=enterprise)
    assert client.send(request, body, enterprise).headers["RateLimit"] == '"payments";r=2;t=60'
    for _ in range(5):
        with pytest.raises(Refused, match="replayed"):
            client.send(request, body, enterprise)
    left = [client.call(front.PATH, payment(), token=token, enterprise=enterprise).headers["RateLimit"] for _ in "12"]
    assert left == ['"payments";r=1;t=60', '"payments";r=0;t=60']
    with pytest.raises(Refused, match="too-many-requests"):
        client.call(front.PATH, payment(), token=token, enterprise=enterprise)


def test_whoever_comes_when_all_places_are_taken_is_sent_away_at_once(
    app: Flask,
    behind: Flask,
    parties: Parties,  # noqa: F811
) -> None:
    token, enterprise = parties.token(), parties.enterprise.client()
    client = parties.platform.client(app)
    with ExitStack() as places:
        for _ in range(MOST):
            places.enter_context(HANDS.one_more())
        with pytest.raises(Refused) as raised:  # its signature is good, too
            client.call(front.PATH, payment(), token=token, enterprise=enterprise)
        assert (raised.value.status, raised.value.code) == (429, "overloaded")
        answers = [raw(each, HTTP_X_REQUEST_ID="one-and-the-same") for each in (app, behind)]
    (status, fields, document), (status_behind, fields_behind, document_behind) = answers
    assert (status, json.loads(document)) == (status_behind, json.loads(document_behind))
    assert fields.keys() == fields_behind.keys()
    assert (fields["retry-after"], fields["content-type"]) == ("1", fields_behind["content-type"])
    assert client.call(front.PATH, payment(), token=token, enterprise=enterprise).body["state"] == "settled"


def test_an_unknown_error_shows_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(front, "take_in", fail)
    status, fields, body = raw(app)
    assert status.startswith("500")
    assert b"secret" not in body
    assert "signature" in fields


def test_the_target_is_read_before_anything_decodes_it(services: Services) -> None:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1//", "QUERY_STRING": "a=%20"}
    issuer = services.settings.issuer_url
    assert read_environ(services, environ, b"").target_uri == f"{issuer}/api/v1//?a=%20"
    raw_uri = environ | {"RAW_URI": "/api/v1/%2F?a"}
    assert read_environ(services, raw_uri, b"").target_uri == f"{issuer}/api/v1/%2F?a"


def _without_request(document: bytes) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(document)
    return {name: value for name, value in members.items() if name != "instance"}
