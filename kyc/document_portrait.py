"""The portrait on a photographed identity document: found, judged for quality, cut out.

Whoever forges a document puts a face of their own on it. A portrait from here is therefore of low assurance, always:
an officer decides about it, and evidence and signer certificate say so.
"""

from typing import Final

import cv2
import numpy as np

from kyc.errors import (
    DocumentBlurred,
    DocumentFaceMissing,
    DocumentFaceTooSmall,
    DocumentGlare,
    DocumentSeveralFaces,
)
from kyc.geometry import eye_distance
from kyc.images import PORTRAIT, decode_image, encode_jpeg, shrink
from kyc.ports import Assurance, FaceBox, FaceEngine, Image, Portrait

_LONGEST_SIDE: Final = 2000  # pixels; enough for a card that fills half of the picture
_MIN_EYES: Final = 36.0  # pixels between the outer corners; the network reads crops of 150 pixels a side
# The resident identity card repeats no portrait, but passports and permits carry a small second one: a ghost image.
_GHOST: Final = 0.6  # of the width of the portrait, at most
_CHIP_SIDE: Final = 160
# Variance of the Laplacian of the face at 160 pixels: sharp scans lie above 200, a hand that shook below 30.
_MIN_SHARPNESS: Final = 40.0
_WHITE: Final = 250
_MAX_GLARE: Final = 0.04  # of the face
_MARGIN: Final = 0.6  # of the face's width, around it


def cut_portrait(data: bytes, engine: FaceEngine) -> Portrait:
    """The portrait in a photograph of a document, as a JPEG file of low assurance.

    Raises ImageRejected for a file that is not decoded, and DocumentFaceMissing, DocumentSeveralFaces (of a size,
    so that nobody guesses which one is the portrait), DocumentFaceTooSmall, DocumentBlurred or DocumentGlare
    (DocumentRejected), in that order.
    """
    image = shrink(decode_image(data, PORTRAIT), _LONGEST_SIDE)
    boxes = engine.detect(image) or _detect_small(image, engine)
    if not boxes:
        raise DocumentFaceMissing("no face on the document")
    box = boxes[0]
    if any(other.width > _GHOST * box.width for other in boxes[1:]):
        raise DocumentSeveralFaces("several faces of one size")
    if eye_distance(engine.landmarks(image, box)) < _MIN_EYES:
        raise DocumentFaceTooSmall("the portrait has too few pixels")
    face = _cut(image, box, 0.0)
    if _sharpness(face) < _MIN_SHARPNESS:
        raise DocumentBlurred("the portrait is blurred")
    if float(np.mean(face.min(axis=2) >= _WHITE)) > _MAX_GLARE:
        raise DocumentGlare("light is reflected on the portrait")
    return Portrait(encode_jpeg(_cut(image, box, _MARGIN)), Assurance.LOW)


def _detect_small(image: Image, engine: FaceEngine) -> list[FaceBox]:
    """Faces below the detector's 80 pixels, so that the reason told is their size and not their absence."""
    doubled = np.asarray(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    return [FaceBox(box.left // 2, box.top // 2, box.right // 2, box.bottom // 2) for box in engine.detect(doubled)]


def _sharpness(face: Image) -> float:
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    chip = cv2.resize(grey, (_CHIP_SIDE, _CHIP_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(chip, cv2.CV_64F).var())


def _cut(image: Image, box: FaceBox, margin: float) -> Image:
    height, width = image.shape[:2]
    around = round(margin * box.width)
    top, bottom = max(0, box.top - around), min(height, box.bottom + around + 1)
    left, right = max(0, box.left - around), min(width, box.right + around + 1)
    return np.ascontiguousarray(image[top:bottom, left:right])
