"""dlib through face_recognition: the one place that imports either.

Detection is HOG on half-size grey (5-21 ms for 640 x 480; the CNN detector takes seconds on a CPU). The
68-point landmark model was trained on data whose licence excludes commercial use; it stays behind the
FaceEngine interface so that another can take its place.
"""

import importlib
import warnings
from functools import cache
from types import ModuleType
from typing import Any, Final

import cv2
import numpy as np
from PIL import ImageFile

from kyc.errors import EngineUnavailable
from kyc.ports import Alignment, Encoding, FaceBox, Image, Points

# HOG scores of real faces lie above 0.5, of buttons and folds of cloth just above 0.
_MIN_SCORE: Final = 0.2
# face_recognition prints and calls quit() - status 0 - when one of these cannot be imported.
_NEEDED_FIRST: Final = ("pkg_resources", "face_recognition_models")


@cache
def load_engine() -> "DlibEngine":
    """The engine of this process, loaded on first use (about a second, 100 MB of models) and then kept.

    Raises EngineUnavailable when face_recognition, its models or pkg_resources cannot be imported.
    """
    return DlibEngine(_import_face_recognition())


class DlibEngine:
    """FaceEngine on dlib's HOG detector, shape predictors and ResNet. Use `load_engine()`."""

    def __init__(self, face_recognition: ModuleType) -> None:
        import dlib  # noqa: PLC0415 - proven importable by face_recognition, and only wanted with it

        self._dlib = dlib
        self._detector = face_recognition.face_detector
        self._encoder = face_recognition.face_encoder
        self._predictors = {
            Alignment.FIVE_POINT: face_recognition.pose_predictor_5_point,
            Alignment.SIXTY_EIGHT_POINT: face_recognition.pose_predictor_68_point,
        }

    def detect(self, image: Image) -> list[FaceBox]:
        """Upright, roughly frontal faces of 160 pixels or more, of 80 where there is none; largest first."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        boxes = self._detect_grey(half, 2) or self._detect_grey(grey, 1)
        return sorted(boxes, key=lambda box: box.width, reverse=True)

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """The 68 points of the iBUG 300-W mark-up, (68, 2) float64 pixels."""
        shape = self._shape(image, box, Alignment.SIXTY_EIGHT_POINT)
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)

    def encode(self, image: Image, box: FaceBox, alignment: Alignment = Alignment.FIVE_POINT) -> Encoding:
        """dlib's ResNet descriptor of the aligned 150 x 150 crop, (128,) float64; 75-190 ms on one core."""
        shape = self._shape(image, box, alignment)
        return np.array(self._encoder.compute_face_descriptor(image, shape), dtype=np.float64)

    def _detect_grey(self, grey: cv2.typing.MatLike, scale: int) -> list[FaceBox]:
        return [
            FaceBox(*(side * scale for side in (found.left(), found.top(), found.right(), found.bottom())))
            for found in self._detector.run(grey, 0, _MIN_SCORE)[0]
        ]

    def _shape(self, image: Image, box: FaceBox, alignment: Alignment) -> Any:
        rectangle = self._dlib.rectangle(box.left, box.top, box.right, box.bottom)
        return self._predictors[alignment](image, rectangle)


def _import_face_recognition() -> ModuleType:
    truncated_allowed = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources announces its end on every import
            for name in _NEEDED_FIRST:
                importlib.import_module(name)
            return importlib.import_module("face_recognition.api")
    except ImportError as exc:
        raise EngineUnavailable(f"{exc.name or 'something'} is missing for face recognition") from exc
    finally:
        # Importing face_recognition tells Pillow, for the whole process, to pass truncated images as whole.
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated_allowed
