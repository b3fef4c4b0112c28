"""Proof that a request with anything changed or swapped is refused, each with the expected problem.

About 2,000 requests by default, 100,000 with YUNLIAN_PROOF=full.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from flask import Flask
from sqlalchemy import delete
from yunlian import Enterprise, Platform
from yunlian.dpop import Prover
from yunlian.messages import Request, sign_request

from app.gateway.jose import thumbprint
from app.gateway.models import RateWindow
from app.oauth.dpop import server_nonce
from pki.keys import KeyType, generate
from tests.app.gateway.parties import Parties

COUNT = 100_000 if os.environ.get("YUNLIAN_PROOF") == "full" else 2_000
PATH, OTHER_PATH = "/api/v1/echo", "/api/v1/payments"
ISSUER = "https://localhost:9443"

SIGNATURE, TOKEN, CONTENT = {"invalid-signature"}, {"invalid-token"}, {"invalid-content"}
CHANGED: dict[str, set[str]] = {
    "Authorization": TOKEN,
    "Signature": SIGNATURE,
    "Signature-Input": SIGNATURE | TOKEN,  # keyid is what binds the token
    "Content-Digest": SIGNATURE,
    "Content-Type": {"invalid-request"},
    "DPoP": {"invalid-dpop-proof"},
    "body": SIGNATURE | CONTENT,  # what is no JWE any more has not even the form
}


@dataclass(frozen=True)
class Sent:
    """One request on the wire."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Bench:
    """Two platforms, two enterprises, tokens for each, and a door to send at."""

    app: Flask
    parties: Parties
    rng: random.Random = field(default_factory=lambda: random.Random(9421))

    def __post_init__(self) -> None:
        parties = self.parties
        self.prover = Prover(generate(KeyType.EC_P256), parties.services.clock)
        self.prover.nonce = server_nonce(parties.services)
        self.other_authorization = parties.grant(parties.platform, parties.other_enterprise)
        others = parties.grant(parties.other_platform, parties.enterprise)
        other = {"application": parties.other_platform.application, "authorization": others}
        self.token = parties.token()
        self.dpop_token = parties.token(certificate_x5t_s256=None, jkt=thumbprint(self.prover._jwk))
        self.other_enterprise_token = parties.token(authorization=self.other_authorization)
        self.other_token = parties.token(**other, certificate_x5t_s256=parties.other_platform.x5t_s256)
        self.mixed_token = parties.token(**other, certificate_x5t_s256=parties.platform.x5t_s256)
        self.clients = {True: parties.platform.client(self.app), False: parties.other_platform.client(self.app)}
        self.enterprises = {True: parties.enterprise.client(), False: parties.other_enterprise.client()}

    def send(self, sent: Sent, method: str = "POST") -> str:
        """The problem's code; anything that is not refused fails the proof."""
        answer = self.app.test_client().open(
            sent.path, method=method, headers=sent.headers, data=sent.body, base_url=ISSUER
        )
        assert answer.status_code >= 400, sent
        assert answer.status_code < 500, (answer.status_code, sent)
        return str(answer.json["code"])

    def good(
        self,
        *,
        token: str | None = None,
        platform: bool = True,
        enterprise: bool = True,
        signer: bool = True,
        path: str = PATH,
        content_path: str = PATH,
        forged: str = "",
        dpop: bool = False,
    ) -> Sent:
        """A request; by default wholly right.

        `signer` says whose API key signs under the certificate of `platform`; `forged` gives the content the other
        enterprise's "key" or "name" under this one's certificate.
        """
        client: Platform = self.clients[platform]
        content: Enterprise = self.enterprises[enterprise]
        if forged:
            content = Enterprise(self.enterprises[forged != "key"]._key, self.parties.enterprise.sign_certificate)
        if forged == "name":
            content.urn = self.enterprises[False].urn
        author = self.clients[True]
        _, body = author.prepare(content_path, {"n": 1}, token="x", enterprise=content)
        token = token or (self.dpop_token if dpop else self.token)
        headers = {"Authorization": f"{'DPoP' if dpop else 'Bearer'} {token}", "Content-Type": "application/jose"}
        if dpop:
            headers["DPoP"] = self.prover.proof("POST", ISSUER + path, token)
        request = Request("POST", ISSUER + path, headers)
        key = self.clients[signer]._key
        sign_request(request, body, key, client._x5t, self.parties.services.clock())
        return Sent(path, dict(request.headers), body or b"")

    def change(self, text: str) -> str:
        """One character flipped, dropped, doubled, moved or put in."""
        place = self.rng.randrange(len(text))
        old = text[place]
        other = chr(self.rng.choice([c for c in range(0x21, 0x7F) if chr(c) != old]))
        kind = self.rng.choice(("flip", "drop", "double", "insert", "cut"))
        changed = {"flip": other, "drop": "", "double": old * 2, "insert": other + old, "cut": ""}[kind]
        return text[:place] + changed + ("" if kind == "cut" else text[place + 1 :])


def _swaps(bench: Bench) -> dict[str, tuple[Callable[[], Sent], set[str]]]:
    """Everything of one party in the place of another's, and the refusal that each must meet."""

    def mixed(**parts: str) -> Sent:
        first, second = bench.good(), bench.good()
        body = second.body if "body" in parts else first.body
        taken = {name: second.headers[name] for name in parts.values() if name}
        return Sent(first.path, first.headers | taken, body)

    def moved() -> Sent:
        sent = bench.good()
        return Sent(bench.rng.choice([OTHER_PATH, PATH + "?x=1", PATH + "?"]), sent.headers, sent.body)

    return {
        "token of the other platform": (lambda: bench.good(token=bench.other_token), TOKEN),
        "token of the other platform, by this certificate": (lambda: bench.good(token=bench.mixed_token), SIGNATURE),
        "certificate of the other platform": (lambda: bench.good(platform=False), TOKEN),
        "key and certificate of the other platform": (lambda: bench.good(platform=False, signer=False), TOKEN),
        "key of the other platform": (lambda: bench.good(signer=False), SIGNATURE),
        "content for the other platform": (
            lambda: bench.good(token=bench.other_token, platform=False, signer=False),
            CONTENT,
        ),
        "content of the other enterprise": (lambda: bench.good(enterprise=False), CONTENT),
        "token for the other enterprise": (lambda: bench.good(token=bench.other_enterprise_token), CONTENT),
        "key of the other enterprise": (lambda: bench.good(forged="key"), CONTENT),
        "name of the other enterprise": (lambda: bench.good(forged="name"), CONTENT),
        "content for another endpoint": (lambda: bench.good(content_path=OTHER_PATH), CONTENT),
        "signature of another request": (lambda: mixed(a="Signature"), SIGNATURE),
        "signature and input of another request": (lambda: mixed(a="Signature", b="Signature-Input"), SIGNATURE),
        "digest of another request": (lambda: mixed(a="Content-Digest"), SIGNATURE),
        "body of another request": (lambda: mixed(body=""), SIGNATURE),
        "body and digest of another request": (lambda: mixed(body="", a="Content-Digest"), SIGNATURE),
        "another place": (moved, SIGNATURE),
        "bound token as bearer": (lambda: bench.good(token=bench.dpop_token), TOKEN),
        "bearer token with a proof": (lambda: bench.good(token=bench.token, dpop=True), TOKEN),
    }


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # nothing here depends on it


@pytest.fixture
def bench(app: Flask, parties: Parties) -> Bench:
    return Bench(app, parties)


def test_proof_the_unchanged_requests_are_accepted(bench: Bench) -> None:
    for dpop in (False, True):
        sent = bench.good(dpop=dpop)
        answer = bench.app.test_client().post(sent.path, headers=sent.headers, data=sent.body, base_url=ISSUER)
        assert answer.status_code == 200


def test_proof_no_changed_request_is_accepted(bench: Bench) -> None:
    refused: Counter[tuple[str, str]] = Counter()
    for number in range(COUNT * 3 // 4):
        if number % 50 == 0:  # refusals spend no nonce, so one right request can be changed many ways
            bench.prover.nonce = server_nonce(bench.parties.services)
            plain, proven = bench.good(), bench.good(dpop=True)
        name = bench.rng.choice(list(CHANGED))
        sent = proven if name == "DPoP" else plain
        headers, body = dict(sent.headers), sent.body
        if name == "body":
            body = bench.change(body.decode()).encode()
        else:
            headers[name] = bench.change(headers[name])
        code = bench.send(Sent(sent.path, headers, body))
        assert code in CHANGED[name], (name, code, headers, body)
        refused[name, code] += 1
    assert bench.parties.seen == []
    assert {name for name, _ in refused} == set(CHANGED)


def test_proof_no_swapped_request_is_accepted(bench: Bench) -> None:
    swaps = _swaps(bench)
    for number in range(COUNT // 4):
        if number % 1000 == 0:  # the clock stands still, so the minute of the quota would never end
            with bench.parties.services.transaction() as session:
                session.execute(delete(RateWindow))
        name = list(swaps)[number % len(swaps)]
        make, expected = swaps[name]
        code = bench.send(make())
        assert code in expected, (name, code)
    assert bench.parties.seen == []


def test_proof_no_dropped_or_doubled_field_is_accepted(bench: Bench) -> None:
    """Fields that are missing, sent twice, empty, over-long, not ASCII, or of another method."""
    for name, allowed in CHANGED.items():
        if name == "body":
            continue
        sent = bench.good(dpop=name == "DPoP")
        values = [
            None, "", f"{sent.headers[name]}, {sent.headers[name]}", sent.headers[name] * 9, "\xe4", "x" * 9000,
        ]  # fmt: skip
        for value in values:
            headers = {key: text for key, text in sent.headers.items() if key != name}
            if value is not None:
                headers[name] = value
            code = bench.send(Sent(sent.path, headers, sent.body))
            assert code in allowed | SIGNATURE, (name, value, code)
    sent = bench.good()
    for body in (b"", sent.body * 2, b"\xff", b"a" * 300_000):
        code = bench.send(Sent(sent.path, sent.headers, body))
        assert code in {"invalid-content", "invalid-signature", "content-too-large"}
