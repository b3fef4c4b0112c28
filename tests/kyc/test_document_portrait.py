"""Two photographs in the public domain, printed on cards that were never issued."""

import cv2
import numpy as np
import pytest

from clients.demo.puppet import Rgb, astronaut, grace_hopper, jpeg
from kyc.document_portrait import cut_portrait
from kyc.engine import load_engine
from kyc.errors import (
    DocumentBlurred,
    DocumentFaceMissing,
    DocumentFaceTooSmall,
    DocumentGlare,
    DocumentSeveralFaces,
    UnsupportedImage,
)
from kyc.images import decode_image
from kyc.matching import STANDARD, encode_face, face_distance
from kyc.ports import Assurance


def card(*portraits: Rgb, heights: tuple[int, ...] = (420, 420)) -> Rgb:
    """A card with lines of text on the left and portraits on the right, on a table."""
    table = np.full((900, 1400, 3), (120, 96, 70), np.uint8)
    table[100:800, 100:1300] = (225, 232, 240)
    for row in range(200, 700, 90):
        cv2.putText(table, "YUNLIAN SPECIMEN", (140, row), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (60, 60, 70), 2)
    left = 620
    for portrait, height in zip(portraits, heights, strict=False):
        width = portrait.shape[1] * height // portrait.shape[0]
        small = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
        table[160 : 160 + height, left : left + width] = small[:, : 1400 - left]
        left += width + 20
    return table


@pytest.fixture(scope="module")
def engine():
    return load_engine()


@pytest.mark.parametrize("photograph", [astronaut, grace_hopper])
def test_the_portrait_is_found_and_cut(engine, photograph):
    portrait = cut_portrait(jpeg(card(photograph())), engine)
    assert portrait.assurance is Assurance.LOW
    cut, original = decode_image(portrait.image), photograph()
    assert max(cut.shape) < 500
    encodings = [encode_face(engine, image, engine.detect(image)[0], STANDARD) for image in (cut, original)]
    assert face_distance(*encodings) < 0.25


def test_it_is_found_without_the_68_point_model():
    assert cut_portrait(jpeg(card(astronaut())), load_engine("five-point")).assurance is Assurance.LOW


def test_a_small_ghost_image_beside_it_is_no_second_face(engine):
    assert cut_portrait(jpeg(card(astronaut(), astronaut(), heights=(500, 200))), engine)


def reflection(image: Rgb) -> Rgb:
    shining = image.copy()
    (box,) = load_engine().detect(image)
    middle = (int(box.centre[0]) - 20, int(box.centre[1]) - 15)
    cv2.circle(shining, middle, box.width // 5, (255, 255, 255), -1)
    return shining


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (card(), DocumentFaceMissing),
        (card(astronaut(), grace_hopper(), heights=(340, 340)), DocumentSeveralFaces),
        (card(astronaut(), heights=(200,)), DocumentFaceTooSmall),
        (cv2.GaussianBlur(card(astronaut(), heights=(600,)), (0, 0), 2), DocumentBlurred),
        (reflection(card(astronaut())), DocumentGlare),
    ],
)
def test_a_portrait_that_nobody_should_compare_with(engine, image, error):
    with pytest.raises(error):
        cut_portrait(jpeg(image), engine)


def test_something_else_than_a_picture(engine):
    with pytest.raises(UnsupportedImage):
        cut_portrait(b"%PDF-1.7", engine)
