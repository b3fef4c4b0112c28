import math

import numpy as np
import pytest

from clients.demo.puppet import Puppet, astronaut
from kyc.engine import load_engine
from kyc.errors import FaceMismatch, PolicyNotAllowed
from kyc.matching import (
    DEMO,
    STANDARD,
    MatchPolicy,
    encode_face,
    get_match_policy,
    match_faces,
    verify_match,
)
from kyc.ports import Alignment


def policy(name: str = "ours", thresholds: tuple[tuple[int, float], ...] = ((3, 0.4),)) -> MatchPolicy:
    return MatchPolicy(name, "1", thresholds, (Alignment.FIVE_POINT,), mirrored=False)


def at(distance: float) -> np.ndarray:
    encoding = np.zeros(128)
    encoding[0] = distance
    return encoding


def test_a_threshold_above_the_safe_limit_needs_the_name_demo():
    assert policy(thresholds=((1, 0.45),)).threshold_for(1) == 0.45
    with pytest.raises(PolicyNotAllowed):
        policy(thresholds=((1, 0.3), (3, 0.46)))
    assert policy("demo", ((1, 0.6),)).most_frames == 1


@pytest.mark.parametrize("thresholds", [(), ((0, 0.4),), ((3, 0.4), (1, 0.4)), ((1, 0.4), (1, 0.4))])
def test_thresholds_belong_to_ascending_numbers_of_frames(thresholds):
    with pytest.raises(PolicyNotAllowed):
        policy(thresholds=thresholds)


@pytest.mark.parametrize("threshold", [0.0, -0.1, math.nan, math.inf])
def test_a_threshold_is_a_distance(threshold: float):
    for name in ("ours", "demo"):
        with pytest.raises(PolicyNotAllowed):
            policy(name, ((1, threshold),))


def test_production_refuses_the_demonstration():
    assert get_match_policy("demo", production=False) is DEMO
    assert get_match_policy("standard", production=True) is STANDARD
    with pytest.raises(PolicyNotAllowed):
        get_match_policy("demo", production=True)
    with pytest.raises(PolicyNotAllowed):
        get_match_policy("lenient", production=False)


def test_the_template_is_the_mean_of_the_live_frames():
    result = match_faces(at(0), [at(0.2), at(0.3), at(0.7)], policy())
    assert result.distance == pytest.approx(0.4)
    assert result.frames == 3


def test_a_number_of_frames_without_a_threshold_matches_nothing():
    for count in (0, 1, 4):
        with pytest.raises(PolicyNotAllowed):
            match_faces(at(0), [at(0)] * count, policy())


@pytest.mark.parametrize(("distance", "passes"), [(0.0, True), (0.4, True), (0.401, False), (math.nan, False)])
def test_a_match_is_near_enough_or_an_error(distance: float, passes: bool):
    result = match_faces(at(0), [at(distance)] * 3, policy(thresholds=((3, 0.4 + 1e-12),)))
    assert result.passed is passes
    if not passes:
        with pytest.raises(FaceMismatch):
            verify_match(result)
    else:
        verify_match(result)


def test_the_standard_policy_tells_two_real_people_apart(collins: Puppet, hopper: Puppet):
    engine = load_engine()

    def encode(image):
        return encode_face(engine, image, engine.detect(image)[0], STANDARD)

    portrait = encode(astronaut())
    poses = [{}, {"turn": 0.3}, {"turn": -0.3}]
    same = match_faces(portrait, [encode(collins.frame(**pose)) for pose in poses], STANDARD)
    other = match_faces(portrait, [encode(hopper.frame(**pose)) for pose in poses], STANDARD)
    assert same.distance < 0.25
    assert other.distance > 0.55
