"""The face check as one function: request in, result out, failing closed.

`check_face` and all that goes in and comes out can be pickled, so that it runs in a process of its own, away
from the doors.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import cv2

from kyc.capture import Frame, verify_capture
from kyc.engine import load_engine
from kyc.errors import (
    ChallengeExpired,
    FaceCheckFailed,
    FrameRejected,
    FramesIncomplete,
    ImageRejected,
    NoFace,
    PortraitRejected,
    SeveralFaces,
)
from kyc.evidence import FaceEvidence, build_evidence
from kyc.geometry import eye_distance, head_pose, mouth_opening
from kyc.images import FRAME, PORTRAIT, decode_image, shrink
from kyc.judgement import LivenessReport, Observation, SeenFace, calm_frames, judge, verify_liveness
from kyc.liveness import (
    TURNS,
    Action,
    LivenessChallenge,
    LivenessPolicy,
    NonceBinding,
    get_liveness_policy,
    verify_nonce,
)
from kyc.matching import MatchPolicy, MatchResult, encode_face, get_match_policy, match_faces, verify_match
from kyc.ports import Encoding, FaceEngine, Image, Portrait

_FRAME_SIDE: Final = 640  # pixels; larger frames are shrunk, which costs no accuracy at arm's length
_PORTRAIT_SIDE: Final = 1280
_PORTRAIT_MIN_EYES: Final = 30.0  # pixels between the outer corners of the eyes
# The frontal detector may lose a face for a moment during these.
_MOVING: Final = (*TURNS, Action.NOD)


@dataclass(frozen=True, slots=True)
class FaceCheckRequest:
    """One attempt: the reference portrait, what the camera page sent, and what the server asked for.

    `chain` is the final value of the frame chain as the page sent it, `binding` what the nonce must be the
    digest of, `received_at` when the frames arrived (aware UTC). In `production` demonstration policies are
    refused.
    """

    portrait: Portrait
    frames: tuple[Frame, ...]
    chain: bytes
    challenge: LivenessChallenge
    binding: NonceBinding
    match_policy: str
    received_at: datetime
    production: bool = True


@dataclass(frozen=True, slots=True)
class FaceCheckResult:
    """A passed face check: there is no other kind of result."""

    match: MatchResult
    liveness: LivenessReport
    evidence: FaceEvidence


def check_face(request: FaceCheckRequest) -> FaceCheckResult:
    """The person before the camera is alive, answered this challenge, and is the person of the portrait.

    Raises a subclass of FaceCheckFailed whose `code` tells the person why; PolicyNotAllowed, InvalidChallenge
    and EngineUnavailable are the operator's to solve. About one second of CPU for twelve frames on one core.
    """
    # 1. Policies: known, allowed here, and the very version that the challenge was issued under.
    match_policy = get_match_policy(request.match_policy, production=request.production)
    policy = get_liveness_policy(request.challenge.policy, production=request.production)
    if request.challenge.policy_version != policy.version:
        raise ChallengeExpired("the challenge was issued under an earlier version of its policy")
    # 2. The challenge is for this document and wording; the frames are those captured for it, in time.
    verify_nonce(request.challenge, request.binding)
    verify_capture(request.frames, request.chain, request.challenge, policy, request.received_at)
    try:
        match, liveness = _compare(request, match_policy, policy)
    except cv2.error as exc:
        raise FaceCheckFailed("the pictures cannot be measured") from exc
    # 5. What a signature can be bound to.
    return FaceCheckResult(match, liveness, _evidence(request, match_policy, policy, match, liveness))


def _compare(
    request: FaceCheckRequest, match_policy: MatchPolicy, policy: LivenessPolicy
) -> tuple[MatchResult, LivenessReport]:
    engine = load_engine()
    portrait = _encode_portrait(engine, request.portrait, match_policy)
    # 3. Liveness: exactly one face, the actions in their order, depth, one person all along.
    observations = _observe(engine, request, policy)
    calm = calm_frames(observations, match_policy.most_frames)
    if len(calm) < match_policy.most_frames:
        raise FramesIncomplete("a part of the capture shows no face")
    encodings = [
        encode_face(engine, _decode_frame(request.frames[position], position), face.box, match_policy)
        for position, face in calm
    ]
    elapsed = request.received_at - request.challenge.issued_at
    elapsed_ms = int(elapsed.total_seconds() * 1000)
    liveness = judge(observations, encodings, request.challenge, policy, elapsed_ms)
    verify_liveness(liveness)
    # 4. Match: the template of the calm frames against the portrait.
    match = match_faces(portrait, encodings, match_policy)
    verify_match(match)
    return match, liveness


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


def _observe(engine: FaceEngine, request: FaceCheckRequest, policy: LivenessPolicy) -> list[Observation]:
    """Measure frame by frame, holding one picture at a time; stops at the first that cannot be used."""
    observations: list[Observation] = []
    lost = dict.fromkeys(range(len(request.challenge.actions)), 0)
    for position, frame in enumerate(request.frames):
        image = _decode_frame(frame, position)
        face = _measure(engine, image, position)
        if face is None:
            lost[frame.action] += 1
            moving = request.challenge.actions[frame.action] in _MOVING
            if not moving or lost[frame.action] > policy.max_lost_frames_per_action:
                raise NoFace(position)
        observations.append(Observation(frame.action, frame.at_ms, hashlib.sha256(frame.jpeg).digest(), face))
    return observations


def _measure(engine: FaceEngine, image: Image, position: int) -> SeenFace | None:
    boxes = engine.detect(image)
    if len(boxes) > 1:
        raise SeveralFaces(position)
    if not boxes:
        return None
    points = engine.landmarks(image, boxes[0])
    height, width = image.shape[:2]
    return SeenFace(boxes[0], points, head_pose(points, width, height), mouth_opening(points))


def _decode_frame(frame: Frame, position: int) -> Image:
    try:
        return shrink(decode_image(frame.jpeg, FRAME), _FRAME_SIDE)
    except ImageRejected as exc:
        raise FrameRejected(position, exc.code) from exc


def _evidence(
    request: FaceCheckRequest,
    match_policy: MatchPolicy,
    policy: LivenessPolicy,
    match: MatchResult,
    liveness: LivenessReport,
) -> FaceEvidence:
    documents: dict[str, dict[str, Any]] = {
        "report": {
            "match": match.to_json(),
            "liveness": liveness.to_json(),
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
    pictures = {"portrait": request.portrait.image, **_frame_leaves(request.frames)}
    return build_evidence(documents, pictures)


def _frame_leaves(frames: Sequence[Frame]) -> dict[str, bytes]:
    return {f"frame-{position:03d}": frame.jpeg for position, frame in enumerate(frames)}
