"""The gate closes for every worker process within one second of a revocation, whatever tokens are out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.orm import Session
from yunlian import Platform, Refused

from app.certificates import service as certificates
from app.oauth import service as oauth
from tests.app.gateway.parties import Parties, make_parties
from tests.app.gateway.serving import Door, platforms_door

PATH = "/api/v1/payments/status"
PROMISE = 1.0  # seconds; protocol.md
CALLS = 24  # over connections of their own, so that each worker has its share of them


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    var = tmp_path_factory.mktemp("gate") / "var"
    var.mkdir()
    with platforms_door(var, f"sqlite:///{var}/yunlian.db", workers=3) as running:
        yield running


def _revoke_authorization(parties: Parties, session: Session) -> None:
    oauth.revoke_authorization(parties.services, session, parties.authorization.id, actor="test")


def _disable_application(parties: Parties, session: Session) -> None:
    oauth.disable_application(parties.services, session, parties.platform.application.id, actor="test")


def _revoke_api_certificate(parties: Parties, session: Session) -> None:
    certificates.revoke(parties.services, session, parties.platform.x5t_s256, "superseded", "test")


def _revoke_product_certificate(parties: Parties, session: Session) -> None:
    x5t_s256 = parties.enterprise.client().x5t_s256
    certificates.revoke(parties.services, session, x5t_s256, "superseded", "test")


def _call(door: Door, parties: Parties, token: str) -> str:
    """What the door says to one good request over a new connection; not-found is beyond the gate."""
    party = parties.platform
    with Platform(door.url, party.application.client_id, party.key, party.certificate, door.root) as platform:
        with pytest.raises(Refused) as refused:
            platform.call(PATH, {"instruction_id": "none"}, token=token, enterprise=parties.enterprise.client())
        return refused.value.code


@pytest.mark.parametrize(
    ("revoke", "code"),
    [
        (_revoke_authorization, "not-authorized"),
        (_disable_application, "invalid-token"),
        (_revoke_api_certificate, "certificate-revoked"),
        (_revoke_product_certificate, "certificate-revoked"),
    ],
)
def test_every_worker_refuses_after_a_second(
    door: Door, revoke: Callable[[Parties, Session], None], code: str, numbers: Iterator[int]
) -> None:
    parties = make_parties(door.services, next(numbers))
    token = parties.token()
    assert Counter(_call(door, parties, token) for _ in range(CALLS)) == {"not-found": CALLS}
    with door.services.transaction() as session:
        revoke(parties, session)
    time.sleep(PROMISE)
    assert Counter(_call(door, parties, token) for _ in range(CALLS)) == {code: CALLS}


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Where the numbers of each test's parties begin."""
    return iter(range(100, 200, 10))
