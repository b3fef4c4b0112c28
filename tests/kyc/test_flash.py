import json
from dataclasses import replace

import numpy as np
import pytest

from clients.demo.puppet import Puppet, astronaut
from kyc.engine import load_engine
from kyc.errors import FramesIncomplete, LivenessFailed
from kyc.facecheck import check_face
from kyc.flash import NOTHING_SEEN, Colour, LitFace, flash_figures, measure_light
from kyc.liveness import STANDARD_FLASH, Action
from tests.attacks import stage
from tests.attacks.camera import tinted

COLOURS = (
    Colour.CYAN,
    Colour.BLACK,
    Colour.RED,
    Colour.WHITE,
    Colour.BLUE,
    Colour.YELLOW,
    Colour.MAGENTA,
    Colour.GREEN,
)
BAR = STANDARD_FLASH.flash


def lit(response: np.ndarray, *, colours: tuple[Colour, ...] = COLOURS, exposure: float = 1.0) -> list[LitFace]:
    """Faces of even skin in even light, to which each colour adds `response` (32, 32)."""
    room = np.full(3, 0.2)
    return [
        LitFace(exposure * 0.3 * (1 + response[..., None] * np.array(colour.primaries)), exposure * room)
        for colour in colours
    ]


def dome() -> np.ndarray:
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return 0.3 * np.clip(1 - 0.7 * (x**2 + y**2), 0.05, None)


def test_each_primary_is_lit_in_half_of_the_colours_and_independently():
    primaries = np.array([colour.primaries for colour in Colour])
    assert primaries.sum(axis=0).tolist() == [4, 4, 4]
    assert np.allclose(np.corrcoef(primaries.T), np.eye(3))


def test_a_head_follows_the_colours_more_in_its_middle():
    figures = flash_figures(lit(dome()), COLOURS)
    assert figures.response == pytest.approx(1.0)
    assert 0.05 < figures.strength < 0.3
    assert figures.shading > 0.5


def test_a_flat_picture_follows_them_everywhere_alike():
    figures = flash_figures(lit(np.full((32, 32), 0.3)), COLOURS)
    assert figures.response == pytest.approx(1.0)
    assert figures.shading == pytest.approx(0.0, abs=0.01)


def test_other_colours_are_no_answer():
    others = COLOURS[3:] + COLOURS[:3]
    assert flash_figures(lit(dome(), colours=others), COLOURS).response < BAR.min_response


def test_what_changes_the_whole_picture_is_no_answer():
    flickering = [lit(np.zeros((32, 32)), exposure=0.7 + 0.1 * colour.primaries[0])[0] for colour in COLOURS]
    assert flash_figures(flickering, COLOURS).strength < BAR.min_strength


@pytest.mark.parametrize("frames", [0, 7])
def test_a_missing_frame_proves_nothing(frames: int):
    assert flash_figures(lit(dome())[:frames], COLOURS) == NOTHING_SEEN


def test_darkness_and_dazzle_prove_nothing():
    for value in (0.0, 1.0):
        seen = [LitFace(np.full((32, 32, 3), value), np.full(3, value)) for _ in COLOURS]
        assert flash_figures(seen, COLOURS) == NOTHING_SEEN


def test_figures_do_not_depend_on_the_landmark_model():
    collins = Puppet(astronaut())
    pictures = [collins.lit(collins.frame(), colour) for colour in COLOURS]
    for landmarks in ("five-point", "sixty-eight-point"):
        engine = load_engine(landmarks)
        faces = [measure_light(p, engine.landmarks(p, engine.detect(p)[0])) for p in pictures]
        figures = flash_figures(faces, COLOURS)
        assert figures.response > 0.95
        assert figures.strength > 0.1
        assert figures.shading > 0.1


# The whole check under colours


def session(scene=None):
    dice = np.random.default_rng(2)
    challenge = stage.challenge_for(STANDARD_FLASH, dice)
    frames = stage.film(scene or stage.living("collins", dice), challenge, dice)
    return stage.request(frames, challenge, dice, "collins")


def test_a_living_face_passes_in_production():
    result = check_face(session())
    names = [check.name for check in result.liveness.checks]
    assert names[-3:] == ["flash-response", "flash-strength", "flash-shading"]
    report = json.loads(result.evidence.leaf("report").text)
    assert all(check["passed"] for check in report["liveness"]["checks"])
    policy = json.loads(result.evidence.leaf("policy").text)["liveness"]
    assert policy["flash"] == {
        "min_response": BAR.min_response,
        "min_strength": BAR.min_strength,
        "min_shading": BAR.min_shading,
    }


def test_a_puppet_tinted_as_a_whole_does_not():
    puppet = stage.actor("collins")

    def scene(action: Action, extent: float, colour: Colour | None):
        picture = puppet.pose(action, extent)
        return tinted(picture, colour, 0.4) if colour else picture

    with pytest.raises(LivenessFailed) as caught:
        check_face(session(scene))
    assert caught.value.check == "flash-strength"


def test_a_frame_for_every_colour():
    whole = session()
    short = stage.request(whole.frames[:-1], whole.challenge, np.random.default_rng(1), "collins")
    with pytest.raises(FramesIncomplete):
        check_face(short)
    # The policy asks for colours: a challenge of it that lost them is not judged without.
    bare = replace(whole.challenge, colours=(), actions=whole.challenge.actions[:-1])
    frames = [frame for frame in whole.frames if frame.action < len(bare.actions)]
    with pytest.raises(LivenessFailed):
        check_face(stage.request(frames, bare, np.random.default_rng(1), "collins"))
