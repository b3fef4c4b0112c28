"""Whatever arrives as frames or portrait is judged or refused with a typed reason, in bounded memory."""

import io
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from clients.demo.puppet import astronaut, jpeg
from kyc.capture import Frame
from kyc.engine import load_engine
from kyc.errors import FaceCheckFailed, FrameRejected, FramesIncomplete, NoFace, PolicyNotAllowed, PortraitRejected
from kyc.facecheck import check_face
from kyc.images import FRAME, decode_image
from kyc.ports import Alignment, Assurance, Portrait

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def genuine(perform, collins):
    return perform(collins)


def png(picture: Pillow.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A well-formed PNG of one colour: a few kilobytes that would become side * side pixels."""
    return png(Pillow.new("L", (side, side)), compress_level=9)


def upright(picture: np.ndarray) -> bytes:
    """The frame as a phone writes it that was held upright: pixels on their side, and EXIF that says so."""
    exif = Pillow.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Pillow.fromarray(np.rot90(picture)).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def test_harmless_forms_of_a_frame_pass(genuine):
    """Grey, with alpha, as PNG, rotated by EXIF: one frame of each among the others."""
    frames = list(genuine.request.frames)
    picture = decode_image(frames[1].jpeg, FRAME)
    forms = {
        0: png(Pillow.fromarray(picture).convert("L")),
        1: png(Pillow.fromarray(picture).convert("RGBA")),
        2: png(Pillow.fromarray(picture)),
        3: upright(picture),
    }
    for position, data in forms.items():
        frames[position] = replace(frames[position], jpeg=data)
    assert check_face(genuine.with_frames(frames)).match.passed


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"\xff\xd8\xff" + bytes(40 * 1024 * 1024), "image-too-large"),
        (lambda: bomb(20_000), "image-too-large"),
        (lambda: bomb(3_000), "image-too-large"),
        (lambda: png(Pillow.new("RGB", (1, 1))), "image-too-small"),
        (lambda: jpeg(astronaut())[:20_000], "image-truncated"),
        (
            lambda: png(
                Pillow.new("RGB", (300, 300)), save_all=True, append_images=[Pillow.new("RGB", (300, 300), "red")]
            ),
            "image-animated",
        ),
        (lambda: b"GIF89a" + bytes(100), "image-unsupported"),
        (lambda: b"", "image-unsupported"),
    ],
)
def test_what_no_camera_page_sends(genuine, make, reason):
    data = make()
    frames = list(genuine.request.frames)
    frames[4] = replace(frames[4], jpeg=data)
    with pytest.raises(FrameRejected) as caught:
        check_face(genuine.with_frames(frames))
    assert (caught.value.position, caught.value.reason) == (4, reason)
    if reason != "image-too-large" or len(data) > 10 * 1024 * 1024:
        with pytest.raises(PortraitRejected) as refused:
            check_face(replace(genuine.request, portrait=Portrait(data, Assurance.HIGH)))
        assert refused.value.reason == reason


def test_a_thousand_frames_are_counted_before_any_is_decoded(genuine):
    frames = [Frame(0, at, b"\xff\xd8\xff") for at in range(1000)]
    with pytest.raises(FramesIncomplete):
        check_face(genuine.with_frames(frames))


def test_frames_of_nobody(genuine):
    wall = [
        replace(frame, jpeg=jpeg(np.random.default_rng(i).integers(90, 110, (480, 640, 3), np.uint8)))
        for i, frame in enumerate(genuine.request.frames)
    ]
    with pytest.raises(NoFace):
        check_face(genuine.with_frames(wall))


def test_frames_of_a_crowd(genuine, collins):
    face = cv2.resize(collins.frame()[60:420, 160:480], None, fx=0.6, fy=0.6)
    crowd = jpeg(np.tile(face, (2, 3, 1)))
    frames = [replace(frame, jpeg=crowd) for frame in genuine.request.frames]
    with pytest.raises(FaceCheckFailed) as caught:
        check_face(genuine.with_frames(frames))
    assert caught.value.code == "several-faces"


def test_policies_that_need_68_landmarks_are_refused_without_them(genuine):
    with pytest.raises(PolicyNotAllowed):
        check_face(replace(genuine.request, landmarks=Alignment.FIVE_POINT))


def test_bombs_take_no_memory():
    """In a process of its own, because a peak never goes down again."""
    program = """
import io, resource, sys
from PIL import Image
from kyc.errors import ImageRejected
from kyc.images import FRAME, PORTRAIT, decode_image
file = io.BytesIO()
Image.new("L", (9000, 9000)).save(file, "PNG")
small = io.BytesIO()
Image.new("L", (200, 200)).save(small, "PNG")
decode_image(small.getvalue())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for limits in (FRAME, PORTRAIT):
    for data in (file.getvalue(), b"\\xff\\xd8\\xff" + bytes(40_000_000)):
        try:
            decode_image(data, limits)
        except ImageRejected:
            continue
        sys.exit(1)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
sys.exit(grown > 100_000)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_session_of_the_largest_frames_stays_within_bounds(genuine):
    large = [
        replace(frame, jpeg=jpeg(cv2.resize(decode_image(frame.jpeg, FRAME), (1680, 1260))))
        for frame in genuine.request.frames
    ]
    load_engine()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check_face(genuine.with_frames(large)).match.passed
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
