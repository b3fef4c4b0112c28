"""The checks on figures alone: no picture, no engine."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from kyc.errors import LivenessFailed
from kyc.geometry import Pose
from kyc.judgement import (
    Check,
    LivenessReport,
    calm_frames,
    judge,
    verify_liveness,
)
from kyc.liveness import STANDARD, Action, new_challenge
from kyc.observation import Observation, SeenFace
from kyc.ports import FaceBox

CHALLENGE = replace(
    new_challenge(bytes(32), STANDARD, datetime(2026, 3, 2, tzinfo=UTC)),
    actions=(Action.LOOK_STRAIGHT, Action.TURN_LEFT, Action.OPEN_MOUTH, Action.NOD),
)
# A face as 68 points on a bowl, which a turn shears by its depth.
_RNG = np.random.default_rng(5)
FLAT = _RNG.uniform(-1, 1, (68, 2))
FLAT[36], FLAT[45] = (-0.6, -0.3), (0.6, -0.3)
DEPTH = 1 - (FLAT**2).sum(axis=1)


def face(*, yaw: float = 0.0, pitch: float = 0.0, mouth: float = 0.0, left: int = 200, solid: bool = True) -> SeenFace:
    shear = math.tan(math.radians(yaw)) if solid else 0.0
    points = 100 * FLAT + 300 + np.stack([100 * shear * DEPTH, np.zeros(68)], axis=1)
    encoding = np.zeros(128) if abs(yaw) < 12 else None
    return SeenFace(FaceBox(left, 140, left + 200, 340), points, Pose(yaw, pitch), mouth, encoding=encoding)


def session(**peaks: float) -> list[Observation]:
    """Twenty-four observations, six for each action, in which each action is done half-way and then fully."""
    full = {"turn": 25.0, "mouth": 0.5, "pitch": 15.0, "yaw": 0.0} | peaks
    poses = [
        {"yaw": full["yaw"]},
        {"yaw": full["turn"]},
        {"mouth": full["mouth"]},
        {"pitch": full["pitch"]},
    ]
    return [
        Observation(
            action,
            (action * 6 + step) * 200,
            bytes([action, step]),
            face(**{k: v * scale for k, v in pose.items()}),
        )
        for action, pose in enumerate(poses)
        for step, scale in enumerate((0.0, 0.3, 0.6, 1.0, 1.0, 0.6) if action else (1.0,) * 6)
    ]


def failed(observations: list[Observation], *, elapsed_ms: int = 20_000) -> set[str]:
    report = judge(observations, CHALLENGE, STANDARD, elapsed_ms)
    if not report.passed:
        with pytest.raises(LivenessFailed):
            verify_liveness(report)
    return {check.name for check in report.checks if not check.passed}


def test_a_person_who_does_what_is_asked_passes():
    assert failed(session()) == set()


@pytest.mark.parametrize(
    ("peaks", "names"),
    [
        ({"turn": 5.0}, {"turn-left", "depth-on-turn"}),
        ({"turn": -25.0}, {"turn-left", "depth-on-turn"}),
        ({"mouth": 0.1}, {"open-mouth"}),
        ({"pitch": -15.0}, {"nod"}),
        ({"yaw": 20.0}, {"look-straight"}),
    ],
)
def test_what_is_not_done_is_named(peaks: dict[str, float], names: set[str]):
    assert names <= failed(session(**peaks))


def test_one_frame_alone_is_no_movement():
    observations = session(mouth=0.0)
    observations[15] = replace(observations[15], face=face(mouth=0.5))
    assert failed(observations) == {"open-mouth"}


def test_a_turn_without_depth_is_a_photograph():
    flat = [
        replace(seen, face=face(yaw=seen.face.pose.yaw, solid=False)) if seen.action == 1 else seen
        for seen in session()
    ]
    assert failed(flat) == {"depth-on-turn"}


@pytest.mark.parametrize("position", [0, 7, 23])
def test_another_face_in_a_single_frame(position: int):
    observations = session()
    seen = observations[position]
    other = np.full(128, (STANDARD.max_identity_distance + 0.01) / math.sqrt(128))
    observations[position] = replace(seen, face=replace(seen.face, encoding=other))
    assert failed(observations) == {"same-person"}


def test_fewer_than_two_comparable_frames_prove_nothing():
    observations = [replace(seen, face=replace(seen.face, encoding=None)) for seen in session()]
    assert failed(observations) == {"same-person"}


def test_a_capture_seen_before():
    report = judge(session(), CHALLENGE, STANDARD, 20_000, repeated_share=0.9)
    assert [check.name for check in report.checks if not check.passed] == ["repeated-capture"]


def test_a_face_that_appears_elsewhere():
    jumped = session()
    jumped[10] = replace(jumped[10], face=face(left=400))
    assert "face-shift" in failed(jumped)


def test_an_answer_before_the_question():
    early = session()
    early[12] = replace(early[12], face=face(mouth=0.5))
    assert failed(early) == {"open-mouth-reaction-ms"}


def test_a_long_pause_and_a_late_answer():
    late = [replace(seen, at_ms=seen.at_ms + (9_000 if i >= 20 else 0)) for i, seen in enumerate(session())]
    assert failed(late) == {"largest-gap-ms", "nod-delay-ms"}


def test_a_capture_longer_than_the_challenge_is_old():
    assert failed(session(), elapsed_ms=3_000) == {"ahead-of-time-ms"}


def test_the_same_file_twice():
    repeated = session()
    repeated[3] = replace(repeated[3], sha256=repeated[2].sha256)
    assert failed(repeated) == {"repeated-frames"}


def test_frames_that_lost_the_face_do_not_count_as_the_action():
    lost = [replace(seen, face=None) if seen.action == 1 else seen for seen in session()]
    assert {"turn-left", "depth-on-turn"} <= failed(lost)


def test_calm_frames_are_spread_and_frontal():
    observations = session()
    calm = calm_frames(observations, 3)
    assert [position * 3 // len(observations) for position, _ in calm] == [0, 1, 2]
    assert all(abs(seen.pose.yaw) < 5 and seen.mouth < 0.1 for _, seen in calm)
    assert len(calm_frames([replace(o, face=None) if o.action > 1 else o for o in observations], 3)) == 2


def test_a_figure_that_is_not_a_number_passes_nothing():
    assert not Check("x", math.nan, 1.0, at_least=True).passed
    assert not Check("x", math.nan, 1.0, at_least=False).passed


def test_a_report_without_checks_is_no_pass():
    report = LivenessReport("standard", "1", ())
    assert not report.passed
    with pytest.raises(LivenessFailed):
        verify_liveness(report)
