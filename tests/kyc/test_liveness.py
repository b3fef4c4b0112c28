import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from kyc.errors import InvalidChallenge, NonceMismatch, PolicyNotAllowed
from kyc.flash import Colour
from kyc.liveness import (
    DEMO,
    MOVEMENTS,
    STANDARD,
    STANDARD_FLASH,
    TURNS,
    Action,
    challenge_nonce,
    get_liveness_policy,
    new_binding,
    new_challenge,
    parse_challenge,
    verify_nonce,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DOCUMENT, CONSENT = sha256(b"contract").digest(), sha256(b"wording").digest()


def test_the_nonce_can_be_computed_by_anyone():
    random = bytes(range(32))
    expected = sha256(b"yunlian-face-check/1\x00" + DOCUMENT + CONSENT + random).digest()
    assert challenge_nonce(DOCUMENT, CONSENT, random) == expected


def test_each_part_has_32_bytes():
    for parts in [(DOCUMENT + CONSENT, b"", bytes(32)), (DOCUMENT, CONSENT, bytes(31))]:
        with pytest.raises(InvalidChallenge):
            challenge_nonce(*parts)
    with pytest.raises(InvalidChallenge):
        new_binding(b"short", CONSENT)


def test_two_attempts_at_one_document_have_two_nonces():
    assert new_binding(DOCUMENT, CONSENT).nonce() != new_binding(DOCUMENT, CONSENT).nonce()


@pytest.mark.parametrize("policy", [DEMO, STANDARD])
def test_a_challenge_is_straight_first_then_random_with_a_turn(policy):
    seen = Counter()
    for _ in range(200):
        challenge = new_challenge(bytes(32), policy, NOW)
        assert challenge.actions[0] is Action.LOOK_STRAIGHT
        assert len(set(challenge.actions)) == len(challenge.actions) == 1 + policy.random_actions
        assert set(challenge.actions) & set(TURNS)
        seen[challenge.actions] += 1
    assert len(seen) > 6
    assert {action for actions in seen for action in actions} == {Action.LOOK_STRAIGHT, *MOVEMENTS}


def test_colours_come_last_and_all_eight_in_any_order():
    orders = set()
    for _ in range(50):
        challenge = new_challenge(bytes(32), STANDARD_FLASH, NOW)
        assert challenge.actions[-1] is Action.WATCH_COLOURS
        assert set(challenge.colours) == set(Colour)
        assert parse_challenge(json.loads(json.dumps(challenge.to_json()))) == challenge
        orders.add(challenge.colours)
    assert len(orders) > 40


@pytest.mark.parametrize("colours", [[], ["#123456"], "red"])
def test_colours_that_are_missing_or_none(colours):
    stored = new_challenge(bytes(32), STANDARD_FLASH, NOW).to_json() | {"colours": colours}
    with pytest.raises(InvalidChallenge):
        parse_challenge(stored)


def test_a_challenge_lasts_three_minutes():
    challenge = new_challenge(bytes(32), STANDARD, NOW)
    assert challenge.expires_at - challenge.issued_at == timedelta(seconds=180)


def test_a_challenge_survives_storage():
    challenge = new_challenge(new_binding(DOCUMENT, CONSENT).nonce(), DEMO, NOW)
    assert parse_challenge(json.loads(json.dumps(challenge.to_json()))) == challenge


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "AAAA"},
        {"nonce": 7},
        {"nonce": "not base64 ü"},
        {"actions": ["look-straight", "stand-on-head"]},
        {"actions": ["turn-left"]},
        {"actions": None},
        {"issued_at": "yesterday"},
        {"expires_at": "2026-03-02T08:03:00"},
        {"policy": None},
    ],
)
def test_a_damaged_challenge_is_refused(change):
    stored = new_challenge(bytes(32), DEMO, NOW).to_json() | change
    with pytest.raises(InvalidChallenge):
        parse_challenge(stored)
    with pytest.raises(InvalidChallenge):
        parse_challenge({})


def test_a_challenge_for_another_document_is_refused():
    binding = new_binding(DOCUMENT, CONSENT)
    challenge = new_challenge(binding.nonce(), DEMO, NOW)
    verify_nonce(challenge, binding)
    for other in (
        replace(binding, document_sha256=CONSENT),
        replace(binding, consent_sha256=DOCUMENT),
        replace(binding, random=bytes(32)),
    ):
        with pytest.raises(NonceMismatch):
            verify_nonce(challenge, other)


def test_production_refuses_the_demonstration():
    assert get_liveness_policy("standard", production=True) is STANDARD
    with pytest.raises(PolicyNotAllowed):
        get_liveness_policy("demo", production=True)
    with pytest.raises(PolicyNotAllowed):
        get_liveness_policy("none", production=False)
