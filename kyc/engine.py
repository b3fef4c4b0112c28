"""Detection and landmarks by dlib through face_recognition, encoding by OpenCV: the one importer of either.

Detection is HOG on half-size grey (5-21 ms for 640 x 480; the CNN detector takes seconds on a CPU). The
68-point landmark model was trained on data whose licence excludes commercial use: `load_engine("five-point")`
never reads it, and refuses what needs it.
"""

import importlib
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from PIL import ImageFile

from kyc.errors import EngineUnavailable, PolicyNotAllowed
from kyc.ports import Alignment, Encoding, FaceBox, Image, Points
from kyc.resnet import CHIP_SIDE, FaceResNet

# HOG scores of real faces lie above 0.5, of buttons and folds of cloth just above 0.
_MIN_SCORE: Final = 0.2
_CHIP_PADDING: Final = 0.25  # the crop that dlib's network was trained on
# face_recognition prints and calls quit() - status 0 - when one of these cannot be imported.
_NEEDED_FIRST: Final = ("pkg_resources", "face_recognition_models")

_Predictors: TypeAlias = dict[Alignment, Any]


def load_engine(landmarks: Alignment | str = Alignment.SIXTY_EIGHT_POINT) -> "DlibEngine":
    """The engine of this process, loaded on first use and then kept: one for each landmark model.

    Called before a process forks, its models are shared by the children. Raises EngineUnavailable when
    face_recognition, its models or pkg_resources cannot be imported, and ValueError for another name.
    """
    return _load_engine(Alignment(landmarks))


@cache
def _load_engine(landmarks: Alignment) -> "DlibEngine":
    models = _import_quietly("face_recognition_models")
    _import_quietly("dlib")
    import dlib  # noqa: PLC0415 - proven importable, and only wanted here

    if landmarks is Alignment.SIXTY_EIGHT_POINT:
        face_recognition = _import_quietly("face_recognition.api")
        predictors = {
            Alignment.FIVE_POINT: face_recognition.pose_predictor_5_point,
            Alignment.SIXTY_EIGHT_POINT: face_recognition.pose_predictor_68_point,
        }
    else:
        # Not through face_recognition: importing it reads every model, the one switched off among them.
        predictors = {Alignment.FIVE_POINT: dlib.shape_predictor(models.pose_predictor_five_point_model_location())}
    return DlibEngine(dlib, predictors, FaceResNet(Path(models.face_recognition_model_location())))


class DlibEngine:
    """FaceEngine on dlib's HOG detector and shape predictors, and its ResNet in OpenCV. Use `load_engine()`."""

    def __init__(self, dlib: ModuleType, predictors: _Predictors, encoder: FaceResNet) -> None:
        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._predictors = predictors
        self._encoder = encoder

    @property
    def landmark_model(self) -> Alignment:
        """The largest landmark model that is switched on; `landmarks` gives its points."""
        full = Alignment.SIXTY_EIGHT_POINT
        return full if full in self._predictors else Alignment.FIVE_POINT

    def detect(self, image: Image) -> list[FaceBox]:
        """Upright, roughly frontal faces of 160 pixels or more, of 80 where there is none; largest first."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        boxes = self._detect_grey(half, 2) or self._detect_grey(grey, 1)
        return sorted(boxes, key=lambda box: box.width, reverse=True)

    def landmarks(self, image: Image, box: FaceBox) -> Points:
        """The points of the largest landmark model that is on, float64 pixels.

        (68, 2) in the order of the iBUG 300-W mark-up, or (5, 2): outer and inner corner of the eye on the right
        of the picture, of the one on the left, then the base of the nose.
        """
        shape = self._shape(image, box, self.landmark_model)
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)

    def encode(self, image: Image, box: FaceBox, alignment: Alignment = Alignment.FIVE_POINT) -> Encoding:
        """dlib's ResNet descriptor of the aligned 150 x 150 crop, (128,) float64; 8 ms on one core.

        Raises PolicyNotAllowed for an alignment whose model is switched off.
        """
        shape = self._shape(image, box, alignment)
        return self._encoder.encode(self._dlib.get_face_chip(image, shape, size=CHIP_SIDE, padding=_CHIP_PADDING))

    def _detect_grey(self, grey: cv2.typing.MatLike, scale: int) -> list[FaceBox]:
        return [
            FaceBox(*(side * scale for side in (found.left(), found.top(), found.right(), found.bottom())))
            for found in self._detector.run(grey, 0, _MIN_SCORE)[0]
        ]

    def _shape(self, image: Image, box: FaceBox, alignment: Alignment) -> Any:
        if alignment not in self._predictors:
            raise PolicyNotAllowed(f"the {alignment} landmark model is switched off")
        rectangle = self._dlib.rectangle(box.left, box.top, box.right, box.bottom)
        return self._predictors[alignment](image, rectangle)


def _import_quietly(module: str) -> ModuleType:
    truncated_allowed = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources announces its end on every import
            for name in _NEEDED_FIRST:
                importlib.import_module(name)
            return importlib.import_module(module)
    except ImportError as exc:
        raise EngineUnavailable(f"{exc.name or 'something'} is missing for face recognition") from exc
    finally:
        # Importing face_recognition tells Pillow, for the whole process, to pass truncated images as whole.
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated_allowed
