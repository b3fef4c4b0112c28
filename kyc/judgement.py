"""From what was seen in each frame to a LivenessReport: one small function per check, each with its figure.

Thresholds are policy values, measured by bench/liveness.py; the policy's version changes with them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Any, Final

from kyc.errors import LivenessFailed
from kyc.flash import flash_figures
from kyc.geometry import eye_distance, relief
from kyc.liveness import MOVEMENTS, TURNS, Action, LivenessChallenge, LivenessPolicy
from kyc.matching import face_distance
from kyc.observation import Observation, SeenFace
from kyc.ports import FaceBox, Points

# A frame counts as frontal and calm for choosing what is encoded: degrees and mouth ratio weighed alike.
_DEGREES_PER_UNIT: Final = 10.0
_MOUTH_PER_UNIT: Final = 0.2


@dataclass(frozen=True, slots=True)
class Check:
    """One figure against one threshold; `at_least` says which side of it passes."""

    name: str
    figure: float
    threshold: float
    at_least: bool

    @property
    def passed(self) -> bool:
        # Written so that a figure that is not a number passes nothing.
        return self.figure >= self.threshold if self.at_least else self.figure <= self.threshold

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "figure": round(self.figure, 4),
            "threshold": self.threshold,
            "passes": "at-least" if self.at_least else "at-most",
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class LivenessReport:
    """Every check of a session with its figure and its threshold."""

    policy: str
    policy_version: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "policy_version": self.policy_version,
            "checks": [check.to_json() for check in self.checks],
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class _Neutral:
    """The face at rest, from the frames of looking straight: what every action is measured against."""

    yaw: float
    pitch: float
    mouth: float
    points: Points


def judge(
    observations: Sequence[Observation],
    challenge: LivenessChallenge,
    policy: LivenessPolicy,
    elapsed_ms: int,
    repeated_share: float = 0.0,
) -> LivenessReport:
    """Judge one session.

    `observations` are one per frame, `elapsed_ms` is what the server saw pass between challenge and arrival, and
    `repeated_share` how much of the capture was seen before. The frames have passed `verify_capture`, and every
    frame of looking straight shows a face.
    """
    neutral = _neutral(observations)
    checks = [
        _repeated_frames(observations, policy),
        Check("repeated-capture", repeated_share, policy.max_repeated_share, at_least=False),
        _largest_gap(observations, policy),
        *_claimed_time(observations, policy, elapsed_ms),
        _face_size(observations, policy),
        _face_shift(observations, policy),
        Check("look-straight", abs(neutral.yaw), policy.max_straight_yaw, at_least=False),
        *_actions(observations, challenge, policy, neutral),
        _depth(observations, challenge, policy, neutral),
        _same_person(observations, policy),
        *_flash(observations, challenge, policy),
    ]
    return LivenessReport(policy=policy.name, policy_version=policy.version, checks=tuple(checks))


def verify_liveness(report: LivenessReport) -> None:
    """Raises LivenessFailed with the name of the first check that did not pass."""
    for check in report.checks:
        if not check.passed:
            raise LivenessFailed(check.name)
    if not report.passed:
        raise LivenessFailed("nothing-checked")


def calm_frames(observations: Sequence[Observation], count: int) -> list[tuple[int, SeenFace]]:
    """`count` frames to encode, with their positions: the most frontal one of each equal part of the session.

    Spread over the session, so that a face swapped half-way is among them. Fewer where a part shows no face.
    """
    neutral = _neutral(observations)
    chosen = []
    for part in range(count):
        start, end = part * len(observations) // count, (part + 1) * len(observations) // count
        faces = [(i, face) for i in range(start, end) if (face := observations[i].face) is not None]
        if faces:
            chosen.append(min(faces, key=lambda found: _unrest(found[1], neutral)))
    return chosen


def _unrest(face: SeenFace, neutral: _Neutral) -> float:
    return (
        abs(face.pose.yaw) / _DEGREES_PER_UNIT
        + abs(face.pose.pitch - neutral.pitch) / _DEGREES_PER_UNIT
        + max(0.0, face.mouth - neutral.mouth) / _MOUTH_PER_UNIT
    )


def _neutral(observations: Sequence[Observation]) -> _Neutral:
    faces = list(_faces_of(observations, 0))
    yaw = median(face.pose.yaw for face in faces)
    return _Neutral(
        yaw=yaw,
        pitch=median(face.pose.pitch for face in faces),
        mouth=median(face.mouth for face in faces),
        points=min(faces, key=lambda face: abs(face.pose.yaw - yaw)).points,
    )


def _faces_of(observations: Sequence[Observation], action: int) -> Iterator[SeenFace]:
    return (seen.face for seen in observations if seen.action == action and seen.face is not None)


def _repeated_frames(observations: Sequence[Observation], policy: LivenessPolicy) -> Check:
    repeated = len(observations) - len({seen.sha256 for seen in observations})
    return Check("repeated-frames", float(repeated), float(policy.max_repeated_frames), at_least=False)


def _largest_gap(observations: Sequence[Observation], policy: LivenessPolicy) -> Check:
    gap = max(b.at_ms - a.at_ms for a, b in pairwise(observations))
    return Check("largest-gap-ms", float(gap), float(policy.max_gap_ms), at_least=False)


def _claimed_time(observations: Sequence[Observation], policy: LivenessPolicy, elapsed_ms: int) -> Iterator[Check]:
    """A capture that lasted longer than the challenge has existed was made before it."""
    if policy.max_ahead_ms is not None:
        ahead = observations[-1].at_ms - observations[0].at_ms - elapsed_ms
        yield Check("ahead-of-time-ms", float(ahead), float(policy.max_ahead_ms), at_least=False)


def _face_size(observations: Sequence[Observation], policy: LivenessPolicy) -> Check:
    smallest = min(eye_distance(face.points) for face in _faces_of(observations, 0))
    return Check("eye-distance-px", smallest, policy.min_eye_distance, at_least=True)


def _face_shift(observations: Sequence[Observation], policy: LivenessPolicy) -> Check:
    """One face moves through the picture; another appears elsewhere."""
    boxes = [seen.face.box for seen in observations if seen.face is not None]
    shifts = [_shift(a, b) for a, b in pairwise(boxes)]
    return Check("face-shift", max(shifts), policy.max_shift, at_least=False)


def _shift(first: FaceBox, second: FaceBox) -> float:
    (x0, y0), (x1, y1) = first.centre, second.centre
    return float(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5) / min(first.width, second.width)


def _actions(
    observations: Sequence[Observation],
    challenge: LivenessChallenge,
    policy: LivenessPolicy,
    neutral: _Neutral,
) -> Iterator[Check]:
    for index, action in enumerate(challenge.actions):
        if action not in MOVEMENTS:
            continue
        seen = [o for o in observations if o.action == index]
        figures = [(o.at_ms, _extent(action, o.face, neutral)) for o in seen if o.face is not None]
        threshold = _threshold(action, policy)
        extents = sorted((extent for _, extent in figures), reverse=True)
        shown = policy.min_frames_showing
        figure = extents[shown - 1] if len(extents) >= shown else 0.0
        yield Check(action.value, figure, threshold, at_least=True)
        # From the instruction to the action: at once means the recording did not wait for it.
        reached = next((at_ms for at_ms, extent in figures if extent >= threshold), None)
        if reached is not None:
            reaction = float(reached - seen[0].at_ms)
            yield Check(f"{action}-reaction-ms", reaction, float(policy.min_reaction_ms), at_least=True)
            yield Check(f"{action}-delay-ms", reaction, float(policy.max_reaction_ms), at_least=False)


def _extent(action: Action, face: SeenFace, neutral: _Neutral) -> float:
    """How far the face has gone from rest in the direction of the action."""
    match action:
        case Action.TURN_LEFT:
            return face.pose.yaw - neutral.yaw
        case Action.TURN_RIGHT:
            return neutral.yaw - face.pose.yaw
        case Action.OPEN_MOUTH:
            return face.mouth - neutral.mouth
        case Action.NOD:
            return face.pose.pitch - neutral.pitch
        case Action.LOOK_STRAIGHT | Action.WATCH_COLOURS:
            return 0.0


def _threshold(action: Action, policy: LivenessPolicy) -> float:
    if action in TURNS:
        return policy.min_turn
    return policy.min_mouth_rise if action is Action.OPEN_MOUTH else policy.min_nod


def _depth(
    observations: Sequence[Observation],
    challenge: LivenessChallenge,
    policy: LivenessPolicy,
    neutral: _Neutral,
) -> Check:
    """No plane explains the turned frames (their median); a challenge without a turn shows no depth."""
    figures = [
        relief(neutral.points, face.points)
        for index, action in enumerate(challenge.actions)
        if action in TURNS
        for face in _faces_of(observations, index)
        if _extent(action, face, neutral) >= policy.min_turn
    ]
    return Check("depth-on-turn", median(figures) if figures else 0.0, policy.min_relief, at_least=True)


def _same_person(observations: Sequence[Observation], policy: LivenessPolicy) -> Check:
    """The greatest distance between two near-frontal frames; with fewer than two nothing is proven."""
    faces = [seen.face.encoding for seen in observations if seen.face is not None and seen.face.encoding is not None]
    figure = max((face_distance(a, b) for a, b in combinations(faces, 2)), default=float("inf"))
    return Check("same-person", figure, policy.max_identity_distance, at_least=False)


def _flash(
    observations: Sequence[Observation], challenge: LivenessChallenge, policy: LivenessPolicy
) -> Iterator[Check]:
    """A policy that asks for colours judges them, also where a challenge came without any."""
    if policy.flash is None:
        return
    lit = [seen.face.light for seen in observations if seen.face is not None and seen.face.light is not None]
    figures = flash_figures(lit, challenge.colours)
    yield Check("flash-response", figures.response, policy.flash.min_response, at_least=True)
    yield Check("flash-strength", figures.strength, policy.flash.min_strength, at_least=True)
    yield Check("flash-shading", figures.shading, policy.flash.min_shading, at_least=True)
