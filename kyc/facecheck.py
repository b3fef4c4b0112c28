"""The face check as one function: request in, result out, failing closed.

`check_face` and all that goes in and comes out can be pickled, so that it runs in a process of its own, away
from the doors.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import cv2

from kyc.capture import Frame, verify_capture
from kyc.duplicates import CaptureHash, hash_picture, repeated_share
from kyc.engine import load_engine
from kyc.errors import (
    ChallengeExpired,
    FaceCheckFailed,
    FrameChainBroken,
    FrameRejected,
    FramesIncomplete,
    ImageRejected,
    NoFace,
    NonceMismatch,
    PolicyNotAllowed,
    PortraitRejected,
    SeveralFaces,
)
from kyc.evidence import FaceEvidence, build_evidence
from kyc.geometry import eye_distance
from kyc.images import PORTRAIT, decode_image, shrink
from kyc.judgement import LivenessReport, calm_frames, judge, verify_liveness
from kyc.liveness import LivenessChallenge, LivenessPolicy, NonceBinding, get_liveness_policy, verify_nonce
from kyc.matching import MatchPolicy, MatchResult, encode_face, get_match_policy, match_faces, verify_match
from kyc.observation import decode_frame, observe
from kyc.ports import Alignment, Encoding, FaceEngine, Portrait

_PORTRAIT_SIDE: Final = 1280
_PORTRAIT_MIN_EYES: Final = 30.0  # pixels between the outer corners of the eyes
# Refusals of frames that were never bound to the challenge: anybody's, and not to be remembered as the person's.
_NOT_OF_THE_CHALLENGE: Final = (ChallengeExpired, NonceMismatch, FrameChainBroken)


@dataclass(frozen=True, slots=True)
class FaceCheckRequest:
    """One attempt: the reference portrait, what the camera page sent, and what the server asked for.

    `chain` is the final value of the frame chain as the page sent it, `binding` what the nonce must be the
    digest of, `received_at` when the frames arrived (aware UTC). In `production` demonstration policies are
    refused. `earlier` are the captures remembered of this person, `landmarks` the largest landmark model that may
    be loaded. `face_wording_sha256` is the digest of the separate consent to face information, for the evidence.
    """

    portrait: Portrait
    frames: tuple[Frame, ...]
    chain: bytes
    challenge: LivenessChallenge
    binding: NonceBinding
    match_policy: str
    received_at: datetime
    production: bool = True
    earlier: tuple[CaptureHash, ...] = ()
    landmarks: Alignment = Alignment.SIXTY_EIGHT_POINT
    face_wording_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class FaceCheckResult:
    """A passed face check: there is no other kind of result. `capture` is to be remembered for later checks."""

    match: MatchResult
    liveness: LivenessReport
    evidence: FaceEvidence
    capture: CaptureHash


@dataclass(frozen=True, slots=True)
class RefusedCapture:
    """Why a capture was refused, and what is to be remembered of it all the same."""

    reason: FaceCheckFailed
    capture: CaptureHash


@dataclass(frozen=True, slots=True)
class FaceFigures:
    """What a face check measured, before anything is decided."""

    match: MatchResult
    liveness: LivenessReport
    capture: CaptureHash


def check_face(request: FaceCheckRequest) -> FaceCheckResult:
    """The person before the camera is alive, answered this challenge, and is the person of the portrait.

    Raises a subclass of FaceCheckFailed whose `code` tells the person why; PolicyNotAllowed, InvalidChallenge
    and EngineUnavailable are the operator's to solve. About half a second of CPU for 45 frames.
    """
    figures = measure_face(request)
    verify_liveness(figures.liveness)
    verify_match(figures.match)
    return FaceCheckResult(figures.match, figures.liveness, _evidence(request, figures), figures.capture)


def examine_face(request: FaceCheckRequest) -> FaceCheckResult | RefusedCapture:
    """`check_face` for those who remember captures: a refusal is returned, with the capture, and not raised.

    Raises PolicyNotAllowed, InvalidChallenge and EngineUnavailable, which are no refusals of the person.
    """
    try:
        return check_face(request)
    except FaceCheckFailed as reason:
        return RefusedCapture(reason, () if isinstance(reason, _NOT_OF_THE_CHALLENGE) else _hashes(request.frames))


def measure_face(request: FaceCheckRequest) -> FaceFigures:
    """All figures of a face check, those that do not pass among them: for measuring thresholds, not for deciding.

    Raises what `check_face` raises except LivenessFailed and FaceMismatch.
    """
    # 1. Policies: known, allowed here, measurable here, and the very version that the challenge was issued under.
    match_policy, policy = _policies(request)
    if request.challenge.policy_version != policy.version:
        raise ChallengeExpired("the challenge was issued under another version of its policy")
    engine = load_engine(request.landmarks)
    _require_landmarks(engine, match_policy, policy)
    # 2. The challenge is for this document and wording; the frames are those captured for it, in time.
    verify_nonce(request.challenge, request.binding)
    verify_capture(request.frames, request.chain, request.challenge, policy, request.received_at)
    try:
        return _measure(engine, request, match_policy, policy)
    except cv2.error as exc:
        raise FaceCheckFailed("the pictures cannot be measured") from exc


def _hashes(frames: Sequence[Frame]) -> CaptureHash:
    """Of all frames that are pictures: a refusal may have come before they were looked at."""
    hashes = []
    for position, frame in enumerate(frames):
        with suppress(FrameRejected):
            hashes.append(hash_picture(decode_frame(frame, position)))
    return tuple(hashes)


def _policies(request: FaceCheckRequest) -> tuple[MatchPolicy, LivenessPolicy]:
    return (
        get_match_policy(request.match_policy, production=request.production),
        get_liveness_policy(request.challenge.policy, production=request.production),
    )


def can_measure(landmarks: Alignment, match_policy: MatchPolicy, policy: LivenessPolicy) -> bool:
    """Whether this landmark model is enough for what the policies ask for."""
    return landmarks is Alignment.SIXTY_EIGHT_POINT or {policy.landmarks, *match_policy.alignments} == {landmarks}


def _require_landmarks(engine: FaceEngine, match_policy: MatchPolicy, policy: LivenessPolicy) -> None:
    if not can_measure(engine.landmark_model, match_policy, policy):
        raise PolicyNotAllowed("the policies need 68 landmarks, and that model is switched off")


def _measure(
    engine: FaceEngine, request: FaceCheckRequest, match_policy: MatchPolicy, policy: LivenessPolicy
) -> FaceFigures:
    portrait = _encode_portrait(engine, request.portrait, match_policy)
    # 3. Liveness: exactly one face, the actions in their order, depth, one person all along, colours on the skin.
    observations = observe(engine, request.frames, request.challenge, policy)
    calm = calm_frames(observations, match_policy.most_frames)
    if len(calm) < match_policy.most_frames:
        raise FramesIncomplete("a part of the capture shows no face")
    encodings = [
        encode_face(engine, decode_frame(request.frames[position], position), face.box, match_policy)
        for position, face in calm
    ]
    elapsed = request.received_at - request.challenge.issued_at
    elapsed_ms = int(elapsed.total_seconds() * 1000)
    capture = tuple(seen.picture_hash for seen in observations)
    repeated = repeated_share(capture, request.earlier)
    liveness = judge(observations, request.challenge, policy, elapsed_ms, repeated)
    # 4. Match: the template of the calm frames against the portrait.
    return FaceFigures(match_faces(portrait, encodings, match_policy), liveness, capture)


def _encode_portrait(engine: FaceEngine, portrait: Portrait, policy: MatchPolicy) -> Encoding:
    try:
        image = shrink(decode_image(portrait.image, PORTRAIT), _PORTRAIT_SIDE)
    except ImageRejected as exc:
        raise PortraitRejected(exc.code) from exc
    boxes = engine.detect(image)
    if len(boxes) != 1:
        raise PortraitRejected(SeveralFaces.code if boxes else NoFace.code)
    if eye_distance(engine.landmarks(image, boxes[0])) < _PORTRAIT_MIN_EYES:
        raise PortraitRejected("face-too-small")
    return encode_face(engine, image, boxes[0], policy)


def _evidence(request: FaceCheckRequest, figures: FaceFigures) -> FaceEvidence:
    """What a signature can be bound to."""
    match_policy, policy = _policies(request)
    documents: dict[str, dict[str, Any]] = {
        "report": {
            "match": figures.match.to_json(),
            "liveness": figures.liveness.to_json(),
            "portrait_assurance": str(request.portrait.assurance),
            "received_at": request.received_at.isoformat(),
            # Which action a frame answered and when: the chain covers the pictures and their order alone.
            "frames": [[frame.action, frame.at_ms] for frame in request.frames],
        },
        "policy": {"match": match_policy.to_json(), "liveness": policy.to_json()},
        "nonce": {
            **request.binding.to_json(),
            "challenge": request.challenge.to_json(),
            "chain": request.chain.hex(),
        },
    }
    if request.face_wording_sha256 is not None:
        documents["consent"] = {"face_wording_sha256": request.face_wording_sha256.hex()}
    pictures = {"portrait": request.portrait.image, **_frame_leaves(request.frames)}
    return build_evidence(documents, pictures)


def _frame_leaves(frames: Sequence[Frame]) -> dict[str, bytes]:
    return {f"frame-{position:03d}": frame.jpeg for position, frame in enumerate(frames)}
