"""What strangers put on the wire of a real door: each refused for its reason, never a 5xx; the door goes on serving."""

from __future__ import annotations

import hmac
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import import_key
from yunlian import Platform, Refused
from yunlian.messages import Request, sign_request

from app.gateway.encoding import base64url
from tests.app.gateway.parties import Parties, make_parties
from tests.app.gateway.serving import Door, platforms_door

PATH = "/api/v1/payments/status"
World = tuple[Door, Parties]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    var = tmp_path_factory.mktemp("wire") / "var"
    var.mkdir()
    with platforms_door(var, f"sqlite:///{var}/yunlian.db", workers=1) as door:
        yield door, make_parties(door.services)
        assert '"level": "ERROR"' not in (var / "door.log").read_text()


def _connect(door: Door) -> ssl.SSLSocket:
    address = urlsplit(door.url)
    plain = socket.create_connection((address.hostname or "", address.port or 443), timeout=60)
    return door.context().wrap_socket(plain, server_hostname=address.hostname)


def _status(door: Door, octets: bytes) -> int | None:
    """The status of the answer; None where the door only closes."""
    with _connect(door) as connection:
        try:
            connection.sendall(octets)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        except (ConnectionError, ssl.SSLError):
            return None
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.") else None


def _head(*fields: bytes, method: bytes = b"POST", path: bytes = PATH.encode(), body: bytes = b"{}") -> bytes:
    lines = (method + b" " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *fields)
    length = b"" if any(b"ength:" in field or b"oding:" in field for field in fields) else b"Content-Length: 2\r\n"
    return b"\r\n".join(lines) + b"\r\n" + length + b"\r\n" + body


def _good(world: World) -> None:
    """The door still answers a good request: 404, for there is no such instruction."""
    door, parties = world
    party = parties.platform
    with Platform(door.url, party.application.client_id, party.key, party.certificate, door.root) as platform:
        with pytest.raises(Refused) as refused:
            platform.call(
                PATH, {"instruction_id": "none"}, token=parties.token(), enterprise=parties.enterprise.client()
            )
        assert refused.value.code == "not-found"


FORM = b"Content-Type: application/x-www-form-urlencoded"
WIRE: dict[str, bytes] = {
    "a token of 1 MB in the field": _head(b"Authorization: Bearer " + b"x" * 1_000_000),
    "a token of 1 MB in the form": _head(
        FORM, b"Content-Length: 1000006", path=b"/oauth/introspect", body=b"token=" + b"x" * 1_000_000
    ),
    "an assertion of 30 kB": _head(
        FORM, b"Content-Length: 30017", path=b"/oauth/token", body=b"client_assertion=" + b"x" * 30_000
    ),
    "two authorizations": _head(b"Authorization: Bearer a.b.c", b"Authorization: Bearer a.b.c"),
    "an empty authorization": _head(b"Authorization:"),
    "an authorization beyond ASCII": _head("Authorization: Bearer é".encode()),
    "two signatures": _head(b"Signature: api=:AA==:", b"Signature: api=:AA==:", b"Authorization: Bearer a.b.c"),
    "two lengths": _head(b"Content-Length: 2", b"Content-Length: 3"),
    "a length and chunks": _head(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    "a negative length": _head(b"Content-Length: -2"),
    "chunks that are none": _head(b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    "compressed": _head(b"Content-Encoding: gzip", b"Content-Length: 2"),
    "no method that exists": _head(method=b"BREW"),
    "a target of 10 kB": _head(path=b"/" + b"x" * 10_000),
    "a target with a line break": _head(path=b"/api/v1/\rx"),
    "300 fields": _head(*(b"X-%d: 1" % number for number in range(300))),
    "a field without a name": _head(b": x"),
    "not HTTP": b"\x00\x01\x02\x03\r\n\r\n",
    "the same form parameter twice": _head(FORM, b"Content-Length: 7", path=b"/oauth/token", body=b"a=1&a=2"),
    "JSON at the token endpoint": _head(b"Content-Type: application/json", path=b"/oauth/token"),
}


@pytest.mark.parametrize("octets", WIRE.values(), ids=WIRE)
def test_the_wire(world: World, octets: bytes) -> None:
    status = _status(world[0], octets)
    assert status is None or 400 <= status < 500


def test_slow_and_broken_bodies_keep_nobody_waiting(world: World) -> None:
    door, _ = world
    slow = [_connect(door) for _ in range(60)]
    for connection in slow:
        connection.sendall(_head(b"Content-Length: 1000", b"Authorization: Bearer a.b.c", body=b"{"))
    _good(world)
    for connection in slow[:30]:
        connection.close()  # in the middle of what they promised
    _good(world)
    for connection in slow[30:]:
        connection.close()


def _send_content(world: World, make: Any) -> Refused:
    """A well-signed request around a body of our own making."""
    door, parties = world
    party = parties.platform
    with Platform(door.url, party.application.client_id, party.key, party.certificate, door.root) as platform:
        request, body = platform.prepare(
            PATH, {"instruction_id": "none"}, token=parties.token(), enterprise=parties.enterprise.client()
        )
        changed = make(platform, body)
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        again = Request("POST", request.url, headers)
        sign_request(again, changed, party.key, party.x5t_s256, parties.services.clock())
        with pytest.raises(Refused) as refused:
            platform.send(again, changed)
        return refused.value


def test_compression_in_a_jwe_is_refused(world: World) -> None:
    def compressed(platform: Platform, _: bytes) -> bytes:
        key, algorithm, kid = platform._encryption_key()
        header = {"alg": algorithm, "enc": "A256GCM", "kid": kid, "cty": "JWT", "zip": "DEF"}
        return jwe.encrypt_compact(header, b"x" * 100_000, key, algorithms=[algorithm, "A256GCM", "DEF"]).encode()

    assert _send_content(world, compressed).code == "invalid-content"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384", "RS256"])
def test_content_signed_by_something_else_than_the_product_key(world: World, algorithm: str) -> None:
    _, parties = world
    enterprise = parties.enterprise.client()

    def confused(platform: Platform, _: bytes) -> bytes:
        claims = enterprise.claims(
            {"instruction_id": "none"}, issuer=platform.issuer, client_id=platform.client_id, method="POST",
            url=platform.issuer + PATH, now=parties.services.clock(),
        )  # fmt: skip
        header = {"alg": algorithm, "typ": "yunlian-content+jwt", "x5t#S256": enterprise.x5t_s256}
        signing_input = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
        public = parties.enterprise.sign_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signature = b"" if algorithm == "none" else hmac.digest(public, signing_input.encode(), "sha256")
        key, encryption, kid = platform._encryption_key()
        sealed = {"alg": encryption, "enc": "A256GCM", "kid": kid, "cty": "JWT"}
        text = f"{signing_input}.{base64url(signature)}"
        return jwe.encrypt_compact(sealed, text, key, algorithms=[encryption, "A256GCM"]).encode()

    assert _send_content(world, confused).code == "invalid-content"


def test_content_sealed_to_another_key(world: World) -> None:
    def elsewhere(platform: Platform, _: bytes) -> bytes:
        pem = world[1].enterprise.encrypt_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _, algorithm, kid = platform._encryption_key()
        header = {"alg": algorithm, "enc": "A256GCM", "kid": kid, "cty": "JWT"}
        return jwe.encrypt_compact(header, b"x", import_key(pem, "EC"), algorithms=[algorithm, "A256GCM"]).encode()

    assert _send_content(world, elsewhere).code == "invalid-content"
