"""The face check of a person, for whatever it is asked: a contract to sign, a platform to authorize.

`begin_face_check` hands out a single-use challenge bound to what was shown and to the wording agreed to;
`finish_face_check` judges the frames that answer it. Who uses it decides who may ask, and what a passed check is good
for; `get_passed_check` finds it again for two minutes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.identity.models import Person
from app.problems import NotFound, Problem
from app.proofing import captures, limits
from app.proofing.messages import FaceMeta
from app.proofing.models import FaceCheck, Purpose
from app.proofing.problems import (
    FaceChallengeSpent,
    FaceCheckLocked,
    FaceCheckNeeded,
    FaceCheckOff,
    NoPortrait,
    OtherFaceWording,
    TooManyChallenges,
    TooManyTries,
)
from app.proofing.wording import face_wording
from kyc.capture import Frame
from kyc.errors import KycError, PortraitRejected
from kyc.facecheck import FaceCheckRequest, FaceCheckResult, RefusedCapture, can_measure, examine_face
from kyc.liveness import NonceBinding, get_liveness_policy, new_binding, new_challenge, parse_challenge
from kyc.matching import get_match_policy
from kyc.ports import Assurance, Portrait

if TYPE_CHECKING:
    from app.wiring import Services

PASSED: Final = "passed"
GOOD_FOR: Final = timedelta(seconds=120)  # what is confirmed by a face follows it at once
# Whoever could ask for challenges without end would find one that fits a recording.
MOST_CHALLENGES: Final = 15
CHALLENGES_WINDOW: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class PassedFaceCheck:
    """A face check that was passed. `evidence_root` (SHA-256, hexadecimal) is what a signature binds to."""

    id: str
    person_id: str
    purpose: Purpose
    subject_id: str
    evidence_root: str
    assurance: Assurance
    passed_at: datetime


def begin_face_check(
    services: Services,
    session: Session,
    *,
    person_id: str,
    purpose: Purpose,
    subject_id: str,
    holder: str,
    shown_sha256: bytes,
    wording_sha256: bytes,
    face_wording_sha256: str,
) -> dict[str, Any]:
    """A challenge as the page reads it, for `holder` alone, bound to what was shown and the wording agreed to.

    `face_wording_sha256` is the separate consent that the person gave on this page before the camera; it is
    journaled. Raises OtherFaceWording, NoPortrait, FaceCheckOff, FaceCheckLocked, TooManyTries, TooManyChallenges,
    NotFound.
    """
    settings, now, wording = services.settings, services.clock(), face_wording()
    if face_wording_sha256 != wording.sha256.hex():
        raise OtherFaceWording("the wording of the consent to face information has changed")
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("no such person")
    if person.portrait_sealed is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    _require_admissible(services, session, person_id, now)
    policy = get_liveness_policy(settings.liveness_policy, production=settings.production)
    match_policy = get_match_policy(settings.match_policy, production=settings.production)
    if not can_measure(settings.landmarks, match_policy, policy):
        raise FaceCheckOff("the landmark model that the policies need is switched off")
    binding = new_binding(shown_sha256, wording_sha256)
    challenge = new_challenge(binding.nonce(), policy, now)
    check = FaceCheck(
        id=new_id(),
        person_id=person_id,
        purpose=purpose,
        subject_id=subject_id,
        holder=holder,
        challenge={"challenge": challenge.to_json(), "binding": binding.to_json()},
        face_wording_sha256=face_wording_sha256,
        issued_at=now,
        expires_at=challenge.expires_at,
    )
    session.add(check)
    _journal(
        services, session, "face-consent-given", check, {"wording": wording.version, "sha256": face_wording_sha256}
    )
    return {**challenge.to_json(), "frames_per_action": policy.min_frames_per_action + 1}


def finish_face_check(
    services: Services, *, holder: str, person_id: str, meta: FaceMeta, jpegs: list[bytes]
) -> PassedFaceCheck:
    """Judge the captured frames. Opens its own transactions: the challenge is spent first, whatever comes of it.

    Raises FaceChallengeSpent, FaceCheckLocked, TooManyTries, NoPortrait, and the KycError that says why the person
    was refused; Unavailable and EngineUnavailable are outages, after which the try does not count.
    """
    now = services.clock()
    with services.transaction() as session:
        check = _spend(session, holder, person_id, meta.nonce, now)
        limits.admit_attempt(services, session, person_id)
    try:
        portrait, request = _request(services, check, meta, jpegs, now)
        outcome = services.workshop.run(examine_face, request)
        if isinstance(outcome, RefusedCapture) and isinstance(outcome.reason, PortraitRejected):
            raise outcome.reason
    except (Problem, KycError) as fault:
        # The bank's and not the person's.
        with services.transaction() as session:
            limits.forgive_attempt(services, session, person_id)
            _update(session, check, outcome=fault.code)
        raise
    if isinstance(outcome, RefusedCapture):
        with services.transaction() as session:
            _refuse(services, session, check, outcome)
        raise outcome.reason
    with services.transaction() as session:
        return _pass(services, session, check, outcome, portrait, jpegs)


def get_passed_check(
    services: Services,
    session: Session,
    *,
    person_id: str,
    purpose: Purpose,
    subject_id: str,
    holder: str,
    shown_sha256: bytes,
    wording_sha256: bytes,
) -> PassedFaceCheck:
    """The newest check that this browser passed for this very subject, document and wording, within two minutes.

    Raises FaceCheckNeeded. What it is good for is up to the caller, who must not use it twice.
    """
    mine = select(FaceCheck).where(
        FaceCheck.person_id == person_id,
        FaceCheck.purpose == purpose,
        FaceCheck.subject_id == subject_id,
        FaceCheck.holder == holder,
        FaceCheck.outcome == PASSED,
        FaceCheck.passed_at > services.clock() - GOOD_FOR,
    )
    shown = (shown_sha256.hex(), wording_sha256.hex())
    for check in session.scalars(mine.order_by(FaceCheck.id.desc())):
        bound = check.challenge["binding"]
        if (bound["document_sha256"], bound["consent_sha256"]) == shown:
            return _passed(check)
    raise FaceCheckNeeded("a face check for this very act, not older than two minutes, comes first")


def _require_admissible(services: Services, session: Session, person_id: str, now: datetime) -> None:
    """Nobody performs before a camera in vain, and nobody collects challenges."""
    lock = limits.find_lock(services, session, person_id)
    if lock is not None:
        refusal = FaceCheckLocked if lock.reason is limits.LockReason.FAILURES else TooManyTries
        raise refusal(lock.until, now)
    recent = select(func.count()).where(FaceCheck.person_id == person_id, FaceCheck.issued_at > now - CHALLENGES_WINDOW)
    if (session.scalar(recent) or 0) >= MOST_CHALLENGES:
        raise TooManyChallenges("too many challenges", retry_after=int(CHALLENGES_WINDOW.total_seconds()))


def _spend(session: Session, holder: str, person_id: str, nonce: bytes, now: datetime) -> FaceCheck:
    open_checks = select(FaceCheck).where(
        FaceCheck.holder == holder,
        FaceCheck.person_id == person_id,
        FaceCheck.used_at.is_(None),
        FaceCheck.expires_at > now,
    )
    for check in session.scalars(open_checks):
        if parse_challenge(check.challenge["challenge"]).nonce == nonce:
            mine = update(FaceCheck).where(FaceCheck.id == check.id, FaceCheck.used_at.is_(None)).values(used_at=now)
            if session.execute(mine).rowcount == 1:  # type: ignore[attr-defined]
                return check
    raise FaceChallengeSpent("this challenge was used, has expired or is not yours")


def _request(
    services: Services, check: FaceCheck, meta: FaceMeta, jpegs: list[bytes], now: datetime
) -> tuple[Portrait, FaceCheckRequest]:
    portrait = services.portraits.find_portrait(check.person_id)
    if portrait is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    with services.reading() as session:
        earlier = captures.recall(services, session, check.person_id)
    bound, settings = check.challenge["binding"], services.settings
    return portrait, FaceCheckRequest(
        portrait=portrait,
        frames=tuple(Frame(frame.action, frame.at_ms, jpeg) for frame, jpeg in zip(meta.frames, jpegs, strict=True)),
        chain=bytes.fromhex(meta.chain),
        challenge=parse_challenge(check.challenge["challenge"]),
        binding=NonceBinding(*(bytes.fromhex(bound[name]) for name in ("document_sha256", "consent_sha256", "random"))),
        received_at=now,
        match_policy=settings.match_policy,
        production=settings.production,
        earlier=earlier,
        landmarks=settings.landmarks,
        face_wording_sha256=bytes.fromhex(check.face_wording_sha256 or ""),
    )


def _refuse(services: Services, session: Session, check: FaceCheck, refused: RefusedCapture) -> None:
    limits.record_failure(services, session, check.person_id)
    captures.remember(services, session, check.person_id, refused.capture, passed=False)
    _update(session, check, outcome=refused.reason.code)
    _journal(services, session, "face-check-refused", check, {"reason": refused.reason.code})


def _pass(
    services: Services,
    session: Session,
    check: FaceCheck,
    result: FaceCheckResult,
    portrait: Portrait,
    jpegs: list[bytes],
) -> PassedFaceCheck:
    person_id = check.person_id
    limits.record_success(services, session, person_id)
    captures.remember(services, session, person_id, result.capture, passed=True)
    evidence = json.dumps(result.evidence.to_json()).encode()
    pictures = json.dumps([base64.b64encode(picture).decode() for picture in (portrait.image, *jpegs)]).encode()
    _update(
        session,
        check,
        outcome=PASSED,
        passed_at=services.clock(),
        assurance=str(portrait.assurance),
        evidence_root=result.evidence.root.hex(),
        evidence_leaves=result.evidence.hashes().to_json(),
        evidence_sealed=persons.seal_for(services, session, person_id, evidence, f"evidence:{check.id}"),
        pictures_sha256=services.documents.put(
            persons.seal_for(services, session, person_id, pictures, f"pictures:{check.id}")
        ),
    )
    root = result.evidence.root.hex()
    _journal(services, session, "face-check-passed", check, {"evidence_root": root, "policy": result.match.policy})
    return _passed(session.get_one(FaceCheck, check.id, populate_existing=True))


def _passed(check: FaceCheck) -> PassedFaceCheck:
    if check.evidence_root is None or check.passed_at is None or check.assurance is None:
        raise FaceCheckNeeded("the face check was not passed")
    return PassedFaceCheck(
        id=check.id,
        person_id=check.person_id,
        purpose=Purpose(check.purpose),
        subject_id=check.subject_id,
        evidence_root=check.evidence_root,
        assurance=Assurance(check.assurance),
        passed_at=check.passed_at,
    )


def _update(session: Session, check: FaceCheck, **values: Any) -> None:
    session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(values))


def _journal(services: Services, session: Session, kind: str, check: FaceCheck, body: dict[str, Any]) -> None:
    services.journal.append(
        session, kind, subject=check.subject_id, actor=check.person_id, body={"check": check.id, **body}
    )
