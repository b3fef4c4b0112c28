import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFile

from clients.demo.puppet import Puppet, astronaut, grace_hopper
from kyc.engine import load_engine
from kyc.errors import EngineUnavailable, PolicyNotAllowed
from kyc.geometry import head_pose, mouth_opening, relief
from kyc.ports import Alignment
from kyc.resnet import FaceResNet

ROOT = Path(__file__).parents[2]


def test_one_engine_per_process():
    assert load_engine() is load_engine()


def test_pillow_still_refuses_truncated_images():
    load_engine()
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("missing", ["pkg_resources", "face_recognition_models", "face_recognition"])
def test_a_missing_part_is_an_error_and_not_the_end_of_the_process(missing: str):
    program = f"""
import sys
sys.modules[{missing!r}] = None
from kyc.engine import load_engine
from kyc.errors import EngineUnavailable
try:
    load_engine()
except EngineUnavailable as exc:
    sys.exit(42 if {missing!r} in str(exc) else 43)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 42, done.stderr.decode()


@pytest.mark.parametrize("photograph", [astronaut, grace_hopper])
def test_finds_the_one_face_of_a_photograph(photograph):
    engine = load_engine()
    image = photograph()
    (box,) = engine.detect(image)
    points = engine.landmarks(image, box)
    assert points.shape == (68, 2)
    assert box.left < points[30, 0] < box.right
    for alignment in Alignment:
        encoding = engine.encode(image, box, alignment)
        assert encoding.shape == (128,)
        assert encoding.dtype == np.float64


def test_encodings_are_those_of_dlib():
    import dlib
    import face_recognition_models

    theirs = dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())
    ours = FaceResNet(Path(face_recognition_models.face_recognition_model_location()))
    noise = np.random.default_rng(3).integers(0, 256, (150, 150, 3), np.uint8)
    for chip in (np.ascontiguousarray(astronaut()[50:200, 150:300]), noise, np.zeros_like(noise)):
        assert np.abs(ours.encode(chip) - np.array(theirs.compute_face_descriptor(chip))).max() < 1e-5


def test_other_weights_are_refused(tmp_path: Path):
    (tmp_path / "weights.dat").write_bytes(bytes(1000))
    for name in ("weights.dat", "missing.dat"):
        with pytest.raises(EngineUnavailable):
            FaceResNet(tmp_path / name)


def test_the_68_point_model_can_be_switched_off():
    engine = load_engine("five-point")
    image = astronaut()
    (box,) = engine.detect(image)
    assert engine.landmark_model is Alignment.FIVE_POINT
    assert engine.landmarks(image, box).shape == (5, 2)
    assert np.array_equal(engine.encode(image, box), load_engine().encode(image, box))
    with pytest.raises(PolicyNotAllowed):
        engine.encode(image, box, Alignment.SIXTY_EIGHT_POINT)


def test_switched_off_it_is_never_read():
    program = """
import sys
from kyc.engine import load_engine
import face_recognition_models
face_recognition_models.pose_predictor_model_location = None
load_engine("five-point")
sys.exit("face_recognition.api" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_two_faces_are_two_and_no_face_is_none(collins: Puppet, hopper: Puppet):
    engine = load_engine()
    both = np.hstack([collins.frame()[:, 100:540], hopper.frame()[:, 100:540]])
    assert len(engine.detect(both)) == 2
    assert engine.detect(np.full((480, 640, 3), 127, np.uint8)) == []


def test_yaw_is_positive_to_the_persons_own_left(collins: Puppet, hopper: Puppet):
    for puppet in (collins, hopper):
        yaw = {turn: measure(puppet, turn=turn)[1].yaw for turn in (-0.8, 0.0, 0.8)}
        assert yaw[-0.8] + 8 < yaw[0.0] < yaw[0.8] - 8


def test_pitch_is_positive_chin_down_and_an_open_mouth_is_open(collins: Puppet, hopper: Puppet):
    for puppet in (collins, hopper):
        points, pose = measure(puppet)
        assert measure(puppet, nod=0.8)[1].pitch > pose.pitch + 4
        assert mouth_opening(measure(puppet, mouth=1.0)[0]) > mouth_opening(points) + 0.3


def test_a_turning_head_is_not_flat(collins: Puppet):
    straight, _ = measure(collins)
    assert relief(straight, straight) < 0.001
    assert relief(straight, measure(collins, turn=1.0)[0]) > 0.03


def measure(puppet: Puppet, **pose: float):
    engine = load_engine()
    image = puppet.frame(**pose)
    points = engine.landmarks(image, engine.detect(image)[0])
    return points, head_pose(points, image.shape[1], image.shape[0])
