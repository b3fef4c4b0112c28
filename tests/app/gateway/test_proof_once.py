"""Proof that what must happen once happens once, under parallel use over several worker processes.

Small by default; with YUNLIAN_PROOF=full 1,000 codes, assertions, nonces, contents and DPoP proofs each are used 32
times at once over four workers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import create_engine, func, select, text
from yunlian import Platform
from yunlian.dpop import Prover
from yunlian.messages import Request, sign_request
from yunlian.tokens import sign

from app.gateway.jose import thumbprint
from app.oauth.dpop import server_nonce
from app.oauth.models import AuthorizationCode, RefreshToken
from app.oauth.token import digest
from pki.keys import KeyType, generate
from tests.app.gateway.parties import REDIRECT_URI, Parties, make_parties
from tests.app.gateway.serving import Door, platforms_door

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
ROUNDS, PARALLEL, WORKERS = (1000, 32, 4) if FULL else (3, 32, 2)
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PATH = "/api/v1/payments/status"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, Parties]]:
    var = tmp_path_factory.mktemp(f"once-{request.param}") / "var"
    var.mkdir()
    url, server = f"sqlite:///{var}/yunlian.db", None
    name = f"once_{secrets.token_hex(4)}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        if server is None:
            pytest.skip("PostgreSQL is not installed: this ran on SQLite only")
        _execute(server, f"CREATE DATABASE {name}")
        url = server.replace("/postgres?", f"/{name}?")
    with platforms_door(var, url, WORKERS) as door:
        yield door, make_parties(door.services)
    if server is not None:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _platform(door: Door, parties: Parties, prover: Prover | None = None) -> Platform:
    party = parties.platform
    platform = Platform(door.url, party.application.client_id, party.key, party.certificate, door.root)
    platform._prover = prover
    return platform


def _race(door: Door, requests: list[bytes]) -> list[tuple[int, dict[str, Any]]]:
    """Send all at once, each over a connection of its own that was opened before; what came back."""
    address = urlsplit(door.url)
    context = door.context()
    connections: list[ssl.SSLSocket] = []
    for _ in requests:
        plain = socket.create_connection((address.hostname or "", address.port or 443), timeout=60)
        connections.append(context.wrap_socket(plain, server_hostname=address.hostname))
    for connection, request in zip(connections, requests, strict=True):
        connection.sendall(request)
    answers = []
    for connection in connections:
        with connection:
            received = b"".join(iter(lambda connection=connection: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        answers.append((int(head.split(b" ", 2)[1]), json.loads(body)))
    return answers


def _post(door: Door, path: str, headers: dict[str, str], body: bytes) -> bytes:
    fields = {"Host": urlsplit(door.url).netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _form(door: Door, parties: Parties, form: dict[str, str], jti: str | None = None, **headers: str) -> bytes:
    platform = parties.platform
    now, client_id = int(parties.services.clock().timestamp()), platform.application.client_id
    claims = {"iss": client_id, "sub": client_id, "aud": door.url, "iat": now, "exp": now + 60}
    assertion = sign(platform.key, claims | {"jti": jti or secrets.token_urlsafe(18)}, {"kid": platform.x5t_s256})
    form = form | {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    return _post(door, "/oauth/token", headers, urlencode(form).encode())


def _add_code(parties: Parties) -> str:
    code = secrets.token_urlsafe(32)
    with parties.services.transaction() as session:
        session.add(
            AuthorizationCode(
                code_sha256=digest(code),
                application_id=parties.platform.application.id,
                authorization_id=parties.authorization.id,
                redirect_uri=REDIRECT_URI,
                code_challenge=CHALLENGE,
                dpop_jkt=None,
                scope="payments",
                expires_at=parties.services.clock() + timedelta(seconds=60),
                used_at=None,
            )
        )
    return code


def test_proof_a_code_gives_one_token(world: tuple[Door, Parties]) -> None:
    door, parties = world
    for _ in range(ROUNDS):
        form = {
            "grant_type": "authorization_code",
            "code": _add_code(parties),
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        answers = _race(door, [_form(door, parties, form) for _ in range(PARALLEL)])
        found = Counter((status, body.get("error")) for status, body in answers)
        assert found == {(200, None): 1, (400, "invalid_grant"): PARALLEL - 1}
    with parties.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(RefreshToken)) == ROUNDS


def test_proof_an_assertion_gives_one_token(world: tuple[Door, Parties]) -> None:
    door, parties = world
    for _ in range(ROUNDS):
        request = _form(door, parties, {"grant_type": "client_credentials"})
        found = Counter((status, body.get("error")) for status, body in _race(door, [request] * PARALLEL))
        assert found == {(200, None): 1, (401, "invalid_client"): PARALLEL - 1}


def test_proof_a_dpop_proof_gives_one_token(world: tuple[Door, Parties]) -> None:
    door, parties = world
    prover = Prover(generate(KeyType.EC_P256), parties.services.clock)
    for _ in range(ROUNDS):
        prover.nonce = server_nonce(parties.services)
        proof = prover.proof("POST", f"{door.url}/oauth/token")
        form = {"grant_type": "client_credentials"}
        answers = _race(door, [_form(door, parties, form, DPoP=proof) for _ in range(PARALLEL)])
        found = Counter((status, body.get("error")) for status, body in answers)
        assert found == {(200, None): 1, (400, "invalid_dpop_proof"): PARALLEL - 1}


@pytest.mark.parametrize("kind", ["nonce", "jti", "dpop"])
def test_proof_of_copies_of_a_request_one_is_let_in(world: tuple[Door, Parties], kind: str) -> None:
    """`nonce`: byte-identical copies; `jti`: one content, signed anew; `dpop`: one proof, all else anew."""
    door, parties = world
    prover = Prover(generate(KeyType.EC_P256), parties.services.clock) if kind == "dpop" else None
    bound = {"certificate_x5t_s256": None, "jkt": thumbprint(prover._jwk)} if prover is not None else {}
    enterprise = parties.enterprise.client()
    with _platform(door, parties, prover) as platform:
        for _ in range(ROUNDS):
            token = parties.token(**bound)
            if prover is not None:
                prover.nonce = server_nonce(parties.services)
            document = {"instruction_id": "none"}
            request, body = platform.prepare(PATH, document, token=token, enterprise=enterprise)
            proof = request.headers.get("DPoP")
            copies = []
            for _ in range(PARALLEL):
                if kind == "dpop":
                    request, body = platform.prepare(PATH, document, token=token, enterprise=enterprise)
                if kind != "nonce":
                    request = _signed_again(parties, request, body, proof)
                copies.append(_post(door, PATH, request.headers, body or b""))
            answers = _race(door, copies)
            found = Counter((status, body.get("code")) for status, body in answers)
            assert found == {(404, "not-found"): 1, (409, "replayed"): PARALLEL - 1}


def _signed_again(parties: Parties, request: Request, body: bytes | None, proof: str | None) -> Request:
    kept = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
    again = Request(request.method, request.url, kept | ({"DPoP": proof} if proof else {}))
    sign_request(again, body, parties.platform.key, parties.platform.x5t_s256, parties.services.clock())
    return again
