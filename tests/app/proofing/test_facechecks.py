"""The face check for whatever it is asked: a challenge once, for one browser, and what a passed check is good for."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.proofing import captures
from app.proofing.facechecks import (
    GOOD_FOR,
    MOST_CHALLENGES,
    PassedFaceCheck,
    begin_face_check,
    finish_face_check,
    get_passed_check,
)
from app.proofing.limits import MOST_FAILURES
from app.proofing.messages import CapturedFrame, FaceMeta
from app.proofing.models import FaceCapture, FaceCheck, Purpose
from app.proofing.problems import (
    FaceChallengeSpent,
    FaceCheckLocked,
    FaceCheckNeeded,
    FaceCheckOff,
    NoPortrait,
    OtherFaceWording,
    TooManyChallenges,
)
from app.proofing.wording import face_wording
from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut, grace_hopper, jpeg
from kyc.capture import frame_chain
from kyc.errors import FaceMismatch, FrameChainBroken, PortraitRejected
from kyc.ports import Alignment
from tests.conftest import FakeClock
from tests.flows.ceremony import give_portrait, register_parties

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ASKED: dict[str, Any] = {
    "purpose": Purpose.AUTHORIZATION,
    "subject_id": "a request of a platform",
    "holder": "a browser",
    "shown_sha256": b"s" * 32,
    "wording_sha256": b"w" * 32,
}


@pytest.fixture(scope="session")
def representative() -> Puppet:
    return Puppet(astronaut())


@pytest.fixture(scope="session")
def stranger() -> Puppet:
    return Puppet(grace_hopper())


@pytest.fixture
def person_id(services: Services) -> str:
    _, person_id = register_parties(services)
    give_portrait(services, person_id, jpeg(astronaut()))
    return person_id


def begin(services: Services, person_id: str, **other: Any) -> dict[str, Any]:
    asked = {**ASKED, "face_wording_sha256": face_wording().sha256.hex(), **other}
    with services.transaction() as session:
        return begin_face_check(services, session, person_id=person_id, **asked)


def finish(
    services: Services, person_id: str, challenge: dict[str, Any], puppet: Puppet, *, holder: str = ASKED["holder"]
) -> PassedFaceCheck:
    shots = puppet.perform(
        challenge["actions"], frames_per_action=challenge["frames_per_action"], colours=challenge["colours"]
    )
    pictures = [picture for *_, picture in shots]
    nonce = base64.urlsafe_b64decode(challenge["nonce"] + "=")
    meta = FaceMeta(
        nonce=challenge["nonce"],
        chain=frame_chain(nonce, pictures).hex(),
        frames=[CapturedFrame(action=action, at_ms=at_ms) for action, at_ms, _ in shots],
    )
    return finish_face_check(services, holder=holder, person_id=person_id, meta=meta, jpegs=pictures)


def get(services: Services, person_id: str, **other: Any) -> PassedFaceCheck:
    with services.reading() as session:
        return get_passed_check(services, session, person_id=person_id, **{**ASKED, **other})


def test_a_passed_check_is_found_by_what_it_was_asked_for_and_by_nothing_else(
    services: Services, person_id: str, clock: FakeClock, representative: Puppet
) -> None:
    passed = finish(services, person_id, begin(services, person_id), representative)
    assert get(services, person_id) == passed
    for other in (
        {"purpose": Purpose.CONTRACT},
        {"subject_id": "another request"},
        {"holder": "another browser"},
        {"shown_sha256": b"o" * 32},
        {"wording_sha256": b"o" * 32},
    ):
        with pytest.raises(FaceCheckNeeded):
            get(services, person_id, **other)
    clock.advance(GOOD_FOR)
    with pytest.raises(FaceCheckNeeded):
        get(services, person_id)


@on_sqlite
def test_a_refused_check_is_found_by_nobody(services: Services, person_id: str, stranger: Puppet) -> None:
    with pytest.raises(FaceMismatch):
        finish(services, person_id, begin(services, person_id), stranger)
    with pytest.raises(FaceCheckNeeded):
        get(services, person_id)


@on_sqlite
def test_a_challenge_is_for_one_browser(services: Services, person_id: str, representative: Puppet) -> None:
    challenge = begin(services, person_id)
    with pytest.raises(FaceChallengeSpent):
        finish(services, person_id, challenge, representative, holder="another browser")
    assert finish(services, person_id, challenge, representative)
    with pytest.raises(FaceChallengeSpent):
        finish(services, person_id, challenge, representative)


@on_sqlite
def test_consent_is_to_the_wording_in_force_and_is_journaled(services: Services, person_id: str) -> None:
    with pytest.raises(OtherFaceWording):
        begin(services, person_id, face_wording_sha256="0" * 64)
    begin(services, person_id)
    with services.reading() as session:
        kinds = [entry.kind for entry in services.journal.entries(session, limit=10, text=ASKED["subject_id"])]
        assert kinds == ["face-consent-given"]
        assert session.scalars(select(FaceCheck.face_wording_sha256)).all() == [face_wording().sha256.hex()]


@on_sqlite
def test_nobody_collects_challenges_until_one_fits(services: Services, person_id: str, clock: FakeClock) -> None:
    for _ in range(MOST_CHALLENGES):
        begin(services, person_id)
    with pytest.raises(TooManyChallenges):
        begin(services, person_id)
    clock.advance(timedelta(minutes=16))
    assert begin(services, person_id)


@on_sqlite
def test_who_is_locked_is_told_before_the_camera_opens(
    services: Services, person_id: str, representative: Puppet
) -> None:
    for _ in range(MOST_FAILURES):
        with pytest.raises(FrameChainBroken):
            break_chain(services, person_id)
    with pytest.raises(FaceCheckLocked):
        begin(services, person_id)


def break_chain(services: Services, person_id: str) -> None:
    meta = FaceMeta(
        nonce=begin(services, person_id)["nonce"], chain="0" * 64, frames=[CapturedFrame(action=0, at_ms=0)]
    )
    finish_face_check(services, holder=ASKED["holder"], person_id=person_id, meta=meta, jpegs=[b"0"])


@on_sqlite
def test_a_portrait_that_cannot_be_compared_with_is_no_failure_of_the_person(
    services: Services, person_id: str, representative: Puppet
) -> None:
    give_portrait(services, person_id, jpeg(astronaut()[:200, :160]))
    for _ in range(MOST_FAILURES + 1):
        with pytest.raises(PortraitRejected):
            finish(services, person_id, begin(services, person_id), representative)


@on_sqlite
def test_without_the_landmarks_nobody_is_asked_before_a_camera(services: Services, person_id: str) -> None:
    without = replace(services, settings=replace(services.settings, landmarks=Alignment.FIVE_POINT))
    with pytest.raises(FaceCheckOff):
        begin(without, person_id)


@on_sqlite
def test_without_a_portrait_nothing_is_asked(services: Services) -> None:
    _, person_id = register_parties(services)
    with pytest.raises(NoPortrait):
        begin(services, person_id)


@on_sqlite
def test_captures_are_remembered_sealed_passed_and_refused_ones(
    services: Services, person_id: str, clock: FakeClock, representative: Puppet, stranger: Puppet
) -> None:
    finish(services, person_id, begin(services, person_id), representative)
    with pytest.raises(FaceMismatch):
        finish(services, person_id, begin(services, person_id), stranger)
    with pytest.raises(FrameChainBroken):
        break_chain(services, person_id)
    with services.reading() as session:
        assert sorted(capture.passed for capture in session.scalars(select(FaceCapture))) == [False, True]
        recalled = captures.recall(services, session, person_id)
        sealed = [capture.hashes_sealed for capture in session.scalars(select(FaceCapture))]
    assert all(len(picture_hash) == 32 for capture in recalled for picture_hash in capture)
    assert not any(picture_hash in blob for capture in recalled for picture_hash in capture for blob in sealed)
    clock.advance(captures.LIFETIME)
    assert captures.forget_past(services) == 2


def test_the_newest_captures_of_each_kind_are_kept(services: Services, person_id: str, clock: FakeClock) -> None:
    with services.transaction() as session:
        captures.remember(services, session, person_id, (b"p" * 32,), passed=True)
        for number in range(captures.REMEMBERED + 3):
            clock.advance(timedelta(seconds=1))
            captures.remember(services, session, person_id, (bytes([number]) * 32,), passed=False)
        recalled = captures.recall(services, session, person_id)
    assert len(recalled) == captures.REMEMBERED + 1
    assert (b"p" * 32,) in recalled
    assert (bytes([2]) * 32,) not in recalled
