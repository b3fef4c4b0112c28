"""Rotation: the next key is published before it signs, the last until its tokens are over, and all workers agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from yunlian import Refused

from app import create_app
from app.certificates import epoch
from app.db import new_id
from app.oauth import token_keys
from app.oauth.forgetting import MARGIN, forget_expired
from app.oauth.token_keys import LEAD, LIFETIME, PERIOD, SKEW
from app.problems import Conflict
from app.wiring import Services, build_services
from pki.keys import KeyType
from tests.app.gateway.parties import Parties
from tests.conftest import FakeClock


@pytest.fixture
def other_worker(services: Services) -> Iterator[Flask]:
    """Another process of the same door: memory and epoch of its own."""
    worker = build_services(services.settings, services.clock)
    yield create_app(services=worker)
    worker.engine.dispose()


def _rotate(services: Services, **how: bool) -> str:
    with services.transaction() as session:
        return token_keys.rotate(services, session, actor="test", **how).kid


def _published(app: Flask) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = app.test_client().get("/oauth/jwks").json["keys"]
    return keys


def _kid(app: Flask, parties: Parties) -> tuple[str, str]:
    """A fresh token, checked with the published keys by a library, and the kid that it names."""
    token = parties.platform.client(app).token("routing").access_token
    opened = jwt.decode(token, KeySet.import_key_set({"keys": _published(app)}), algorithms=["ES256"])
    return str(opened.header["kid"]), token


def _look_up(app: Flask, parties: Parties, token: str) -> None:
    parties.platform.client(app).call("/api/v1/look-up", {"text": ""}, token=token)


def test_from_the_first_rotation_on_every_step_in_its_time(
    app: Flask, parties: Parties, services: Services, clock: FakeClock
) -> None:
    gateway = services.hierarchy.gateway_sign.x5t_s256
    assert _kid(app, parties)[0] == gateway
    first = _rotate(services)
    assert [key["kid"] for key in _published(app) if key["use"] == "sig"] == [gateway, first]
    clock.advance(LEAD - timedelta(seconds=1))
    kid, old = _kid(app, parties)
    assert kid == gateway
    clock.advance(timedelta(seconds=1))
    assert _kid(app, parties)[0] == first
    clock.advance(LIFETIME - timedelta(seconds=2))
    _look_up(app, parties, old)  # to its very end
    second = _rotate(services)
    clock.advance(LEAD)
    assert _kid(app, parties)[0] == second
    assert first in {key["kid"] for key in _published(app)}
    clock.advance(LIFETIME + SKEW)
    assert first not in {key["kid"] for key in _published(app)}
    assert {"kid", "kty", "crv", "x", "y", "use", "alg"} == set(_published(app)[-1])


def test_all_workers_take_up_the_next_key(
    app: Flask, other_worker: Flask, parties: Parties, services: Services, clock: FakeClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(epoch, "MAX_AGE", 0)
    assert _kid(other_worker, parties)[0] == services.hierarchy.gateway_sign.x5t_s256
    kid = _rotate(services)
    assert kid in {key["kid"] for key in _published(other_worker)}
    clock.advance(LEAD)
    signed, token = _kid(other_worker, parties)
    assert signed == kid
    _look_up(app, parties, token)


def test_a_leaked_key_ends_every_token_at_once(app: Flask, parties: Parties, services: Services) -> None:
    _, token = _kid(app, parties)
    _look_up(app, parties, token)
    kid = _rotate(services, at_once=True)
    with pytest.raises(Refused) as refused:
        _look_up(app, parties, token)
    assert refused.value.code == "invalid-token"
    assert not parties.platform.client(app).introspect(token)["active"]
    assert _kid(app, parties)[0] == kid
    again = _rotate(services, at_once=True)
    assert [key["kid"] for key in _published(app)][2:] == [again]


def test_a_key_that_does_not_sign_yet_is_not_believed(parties: Parties, services: Services, app: Flask) -> None:
    _rotate(services)
    ring = token_keys.key_ring(services)
    early = parties.token("routing", authorization=None, keys=token_keys.KeyRing((ring.keys[0], _active(ring.keys[1]))))
    with pytest.raises(Refused) as refused:
        _look_up(app, parties, early)
    assert refused.value.code == "invalid-token"


def _active(key: token_keys.RingKey) -> token_keys.RingKey:
    return token_keys.RingKey(key.kid, key.key)


def test_one_next_key_at_a_time(services: Services) -> None:
    _rotate(services)
    with pytest.raises(Conflict):
        _rotate(services)


def test_the_job_rotates_by_date_and_forgets_what_is_retired(services: Services, clock: FakeClock) -> None:
    assert [token_keys.rotate_when_due(services) for _ in range(2)] == [1, 0]
    clock.advance(LEAD + PERIOD)
    assert [token_keys.rotate_when_due(services) for _ in range(2)] == [1, 0]
    clock.advance(LEAD + LIFETIME)
    with services.transaction() as session:
        assert token_keys.forget_retired(session, clock()) == 0
        assert token_keys.forget_retired(session, clock() + SKEW) == 1
        assert len(token_keys.list_keys(session)) == 1


def test_the_private_part_of_a_retired_key_is_destroyed(services: Services, clock: FakeClock) -> None:
    clock.now = max(clock.now, datetime.now(UTC))  # the names of keys tell when they were made
    orphan = f"token-{new_id()}"
    services.keystore.create(orphan, KeyType.EC_P256)  # as a rotation that fails leaves it
    _rotate(services)
    clock.advance(timedelta(hours=23))
    assert forget_expired(services) == 0
    [first] = set(_held(services)) - {orphan}
    clock.advance(timedelta(hours=1, seconds=2))
    forget_expired(services)
    assert _held(services) == [first]
    _rotate(services)
    clock.advance(LEAD + LIFETIME + SKEW + MARGIN)
    assert first in _held(services)
    ring = token_keys.key_ring(services)
    forget_expired(services)
    assert first not in _held(services)
    assert len(_held(services)) == 1
    services.epoch._read_at = float("-inf")
    assert token_keys.key_ring(services).signing(clock()).kid == ring.signing(clock()).kid


def _held(services: Services) -> list[str]:
    return [name for name in services.keystore.names() if name.startswith("token-")]


def test_the_commands(app: Flask, services: Services) -> None:
    run = app.test_cli_runner().invoke
    assert "signs" in run(args=["oauth", "token-keys"]).output
    assert run(args=["oauth", "rotate-token-key"]).exit_code == 0
    assert "next" in run(args=["oauth", "token-keys"]).output
    assert run(args=["oauth", "rotate-token-key", "--at-once"]).exit_code == 0
    listed = run(args=["oauth", "token-keys"]).output
    assert "next" not in listed
    assert "gateway" not in listed
