"""Callbacks: signed by the bank, sealed to the enterprise, sent to public addresses alone and never redirected."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.certificates.tls import make_tls_files
from app.gateway import httpsig
from app.gateway.callbacks import CallbackFailed, CallbackRefused, make_callback, send_callback
from app.settings import RunProfile
from app.wiring import Services
from tests.app.gateway.parties import Parties

URL = "https://platform.example/callbacks?x=1"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def test_a_callback_is_signed_and_sealed(parties: Parties) -> None:
    services, enterprise = parties.services, parties.enterprise.client()
    made = make_callback(
        services, URL, "E-1", {"state": "settled"}, sealed={"amount_minor": 1}, product_x5t_s256=enterprise.x5t_s256
    )
    document = json.loads(made.body)
    assert (document["event_id"], document["state"]) == ("E-1", "settled")
    assert enterprise.open(document["sealed"]) == {"amount_minor": 1}
    stated = httpsig.parse_signature_input(made.headers["Signature-Input"], "callback")
    signature = httpsig.parse_signature(made.headers["Signature"], "callback")
    values = {
        '"@method"': "POST",
        '"@target-uri"': URL,
        '"content-type"': "application/json",
        '"content-digest"': httpsig.content_digest(made.body),
    }
    key: Any = services.hierarchy.gateway_sign.certificate.public_key()
    httpsig.verify(key, signature, stated, values)
    assert set(stated.components) == set(values)
    assert (stated.tag, stated.keyid) == ("yunlian-callback", services.hierarchy.gateway_sign.x5t_s256)
    with pytest.raises(httpsig.HttpSignatureError):
        httpsig.verify(key, signature, stated, values | {'"@target-uri"': "https://another.example/"})


def test_sealing_to_nobody_is_a_mistake(services: Services) -> None:
    with pytest.raises(TypeError):
        make_callback(services, URL, "E-1", {}, sealed={})


def _in_production(services: Services) -> Any:
    return SimpleNamespace(settings=replace(services.settings, profile=RunProfile.PRODUCTION))


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example/",
        "https://u@platform.example/",
        "https:///x",
        "https://x/#f",
        "ftp://x/",
        "https://[x/",
    ],
)
def test_other_urls_are_refused(services: Services, url: str) -> None:
    made = replace(make_callback(services, URL, "E-1", {}), url=url)
    with pytest.raises(CallbackRefused):
        send_callback(services, made, resolver=lambda *_: [ip_address("192.0.2.1")])


INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
    "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public_are_refused_in_production(services: Services, address: str) -> None:
    made = make_callback(services, URL, "E-1", {})
    for addresses in ([address], ["93.184.215.14", address]):
        found = [ip_address(text) for text in addresses]
        with pytest.raises(CallbackRefused):
            send_callback(_in_production(services), made, resolver=lambda *_, found=found: found)


# --- sent to a real server ---


@dataclass
class Receiver:
    port: int
    context: ssl.SSLContext
    seen: list[tuple[str, dict[str, str], bytes]]
    status: int = 204

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/callbacks?x=1"


@pytest.fixture
def receiver(services: Services, tmp_path: Path) -> Iterator[Receiver]:
    make_tls_files(services, tmp_path / "tls")
    trust = ssl.create_default_context(cafile=tmp_path / "tls" / "root.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.seen.append((self.path, dict(self.headers.items()), body))
            self.send_response(made.status)
            self.send_header("Location", "https://localhost:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(tmp_path / "tls" / "door.pem", tmp_path / "tls" / "door.key")
    server.socket = here.wrap_socket(server.socket, server_side=True)
    made = Receiver(server.server_address[1], trust, [])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def _send(services: Services, receiver: Receiver, context: ssl.SSLContext) -> int:
    made = make_callback(services, receiver.url, "E-1", {"state": "settled"})
    return send_callback(services, made, resolver=lambda *_: [ip_address("127.0.0.1")], context=context)


def test_a_callback_arrives_as_it_was_signed(services: Services, receiver: Receiver) -> None:
    assert _send(services, receiver, receiver.context) == 204
    [(path, headers, body)] = receiver.seen
    assert path == "/callbacks?x=1"
    assert headers["Host"] == f"localhost:{receiver.port}"
    assert headers["Content-Digest"] == httpsig.content_digest(body)


@pytest.mark.parametrize("status", [302, 307, 400, 503])
def test_anything_but_2xx_is_to_be_tried_again_and_no_redirect_followed(
    services: Services, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    with pytest.raises(CallbackFailed) as failed:
        _send(services, receiver, receiver.context)
    assert failed.value.status == status
    assert len(receiver.seen) == 1


def test_an_untrusted_certificate_ends_the_call(services: Services, receiver: Receiver) -> None:
    with pytest.raises(CallbackFailed):
        _send(services, receiver, ssl.create_default_context())
    assert receiver.seen == []


def test_names_without_address_are_tried_again(services: Services) -> None:
    made = make_callback(services, URL, "E-1", {})
    with pytest.raises(CallbackFailed):
        send_callback(services, made, resolver=lambda *_: [])
