"""What a payment that is not let in uses up: nothing that somebody needs later, whoever counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.gateway.jose import thumbprint
from app.gateway.ratelimits import WINDOW
from app.oauth.dpop import server_nonce
from app.wiring import Services
from pki.keys import KeyType, generate
from tests.app.gateway.parties import Parties
from tests.app.payments.test_routes import PATH, parties  # noqa: F401 - a fixture
from tests.app.payments.world import payment
from tests.conftest import FakeClock

from yunlian import Refused  # isort: skip - the parties put the client on the path
from yunlian.dpop import Prover  # isort: skip
from yunlian.messages import Request, sign_request  # isort: skip

QUOTA = 3


@pytest.fixture(autouse=True, params=["database", "redis"])
def _quota(services: Services, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    settings = replace(services.settings, requests_per_minute=QUOTA, redis_url=url)
    object.__setattr__(services, "settings", settings)


class Caller:
    """The client, by the single steps: content that is sealed once may be sent again under another signature."""

    def __init__(self, app: Flask, parties: Parties) -> None:  # noqa: F811
        self.platform, self.enterprise = parties.platform.client(app), parties.enterprise.client()
        self.clock, self._key, self._x5t = parties.services.clock, parties.platform.key, parties.platform.x5t_s256
        self.token = parties.token()

    def seal(self, **changes: Any) -> bytes:
        _, body = self.platform.prepare(PATH, payment(**changes), token=self.token, enterprise=self.enterprise)
        assert body is not None
        return body

    def sign(self, body: bytes, **fields: str) -> Request:
        standing = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/jose"}
        request = Request("POST", self.platform.issuer + PATH, standing | fields)
        sign_request(request, body, self._key, self._x5t, self.clock())
        return request

    def send(self, request: Request, body: bytes) -> str:
        """The state, or the code of the refusal, with what is left of the quota where that is told."""
        try:
            answer = self.platform.send(request, body, self.enterprise)
        except Refused as refused:
            return refused.code
        assert answer.body is not None
        return f"{answer.body['state']}, {answer.headers['RateLimit'].split(';')[1]}"

    def call(self, **changes: Any) -> str:
        body = self.seal(**changes)
        return self.send(self.sign(body), body)


@pytest.fixture
def caller(app: Flask, parties: Parties) -> Caller:  # noqa: F811
    return Caller(app, parties)


def test_copies_use_nothing_of_the_quota_also_where_the_first_was_refused(caller: Caller) -> None:
    body = caller.seal(amount_minor=-1)
    request = caller.sign(body)
    assert caller.send(request, body) == "invalid-document"
    assert {caller.send(request, body) for _ in range(5)} == {"replayed"}
    assert caller.call() == f"settled, r={QUOTA - 2}"


def test_content_that_was_refused_for_the_quota_may_be_sent_again(caller: Caller, clock: FakeClock) -> None:
    for number in range(QUOTA):
        caller.call(instruction_id=f"P-{number}")
    late = caller.seal(instruction_id="late")
    assert caller.send(caller.sign(late), late) == "too-many-requests"
    clock.advance(timedelta(seconds=WINDOW))
    assert caller.send(caller.sign(late), late) == f"settled, r={QUOTA - 1}"
    assert caller.send(caller.sign(late), late) == "replayed"


def test_a_proof_that_was_used_uses_up_nothing_else(
    caller: Caller,
    parties: Parties,  # noqa: F811
) -> None:
    prover = Prover(generate(KeyType.EC_P256), parties.services.clock)
    prover.nonce = server_nonce(parties.services)
    caller.token = parties.token(certificate_x5t_s256=None, jkt=thumbprint(prover._jwk))

    def bound(proof: str) -> dict[str, str]:
        return {"Authorization": f"DPoP {caller.token}", "DPoP": proof}

    def prove() -> str:
        return prover.proof("POST", caller.platform.issuer + PATH, caller.token)

    proof, first, second = prove(), caller.seal(instruction_id="P-1"), caller.seal(instruction_id="P-2")
    assert caller.send(caller.sign(first, **bound(proof)), first) == f"settled, r={QUOTA - 1}"
    for _ in range(QUOTA):
        assert caller.send(caller.sign(second, **bound(proof)), second) == "replayed"
    assert caller.send(caller.sign(second, **bound(prove())), second) == f"settled, r={QUOTA - 2}"
