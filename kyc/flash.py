"""The light of the screen on a face: did it follow the colours, and does it fall as on a head?

While the page shows eight colours in a random order, one frame is taken under each. The screen lights what is near
and turned to it: a face follows the colours more than the room behind it, its middle more than its sides. A
recording follows other colours or none, a picture that is tinted as a whole follows them no more than its own
background, and a flat photograph follows them everywhere alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from kyc.geometry import outer_eyes
from kyc.ports import Image, Points

Floats = npt.NDArray[np.float64]


class Colour(StrEnum):
    """A screen colour as CSS writes it. The eight are every combination of the three primaries, so that in any
    order each primary is lit for half of the frames, independently of the other two."""

    BLACK = "#000000"
    RED = "#ff0000"
    GREEN = "#00ff00"
    BLUE = "#0000ff"
    YELLOW = "#ffff00"
    MAGENTA = "#ff00ff"
    CYAN = "#00ffff"
    WHITE = "#ffffff"

    @property
    def primaries(self) -> tuple[int, int, int]:
        """Red, green, blue: 1 where lit."""
        red, green, blue = (int(self.value[at : at + 2], 16) // 255 for at in (1, 3, 5))
        return red, green, blue


# The part of the face that is looked at: x along the line between the outer corners of the eyes, y across it
# downwards, in distances between them, from their middle. In so many cells each way, from so many pixels each.
_LEFT, _TOP, _SIDE = -0.8, -0.55, 1.6
_CELLS: Final = 32
_OVERSAMPLED: Final = 4
_BLUR: Final = 2.0  # cells
# A head as an ellipsoid: its middle and its half axes across, downwards and towards the camera, in the same unit.
_HEAD_MIDDLE_Y: Final = 0.25
_HEAD_AXES: Final = (0.85, 1.2, 0.8)
_RIM: Final = 0.92  # of the ellipsoid's outline; beyond it a head is seen too obliquely
# The room: what lies beside the head, this far from the middle of the eyes.
_ROOM_FROM: Final = 1.25
_GAMMA: Final = 2.2
_LINEAR: Final = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)
_DARKEST: Final = 2e-3  # of full scale; below it a ratio says nothing
_BRIGHTEST: Final = 0.92  # above it a camera clips
_FEWEST_CELLS: Final = 150
# A frame whose pattern of light and dark differs so much from the others' (root mean square, natural logarithm) shows
# slipped landmarks or a face that moved, and says nothing of where on the face light falls. Most frames differ by 0.02.
_SLIPPED: Final = 0.25
_MOST_SLIPPED: Final = 2


@dataclass(frozen=True, slots=True)
class LitFace:
    """Linear light of one frame, 0 to 1: (32, 32, 3) of the upright face, and (3,), the mean, of the room beside it."""

    skin: Floats
    room: Floats


@dataclass(frozen=True, slots=True)
class FlashFigures:
    """What eight lit frames show.

    `response`: correlation of the face's colour with the colours asked for. `strength`: how much brighter a lit
    primary makes the face than the other two, natural logarithm, less what it does to the room beside it.
    `shading`: how far the strength falls off towards the sides of the face, as a share of how far it would on an
    ellipsoid before a lamp at the camera; 0 for a plane, about 1 for a head.
    """

    response: float
    strength: float
    shading: float


NOTHING_SEEN: Final = FlashFigures(response=0.0, strength=0.0, shading=0.0)


def measure_light(image: Image, points: Points) -> LitFace:
    """The light on the face whose landmarks (68 or 5) are `points`, and on the room beside it."""
    first, second = outer_eyes(points)
    middle, across = (first + second) / 2, second - first
    down = np.array([-across[1], across[0]])
    side = _CELLS * _OVERSAMPLED
    origin = middle + _LEFT * across + _TOP * down
    to_image = np.stack([across * _SIDE / side, down * _SIDE / side, origin], axis=1)
    face = cv2.warpAffine(image, to_image, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    skin = cv2.resize(cv2.LUT(face, _LINEAR), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    # Landmarks tremble by a pixel or two: what has an edge there must not look like light.
    skin = cv2.GaussianBlur(skin, (0, 0), _BLUR)
    room = _room(image, middle, _ROOM_FROM * float(np.linalg.norm(across)))
    return LitFace(skin=np.asarray(skin, dtype=np.float64), room=room)


def flash_figures(lit: Sequence[LitFace], colours: Sequence[Colour]) -> FlashFigures:
    """Compare frames with the colours that were on the screen when each was taken; both in the same order.

    All figures are 0, which passes nothing, where the numbers differ, where the colours are not all eight, or where
    too little of the face is neither black nor dazzled.
    """
    if len(lit) != len(colours) or set(colours) != set(Colour):
        return NOTHING_SEEN
    skin = np.array([face.skin for face in lit])  # (frames, rows, columns, 3)
    usable = _FACE & (skin.min(axis=(0, 3)) > _DARKEST) & (skin.max(axis=(0, 3)) < _BRIGHTEST)
    if usable.sum() < _FEWEST_CELLS:
        return NOTHING_SEEN
    room = np.maximum([face.room for face in lit], _DARKEST)
    primaries = np.array([colour.primaries for colour in colours], dtype=np.float64)
    asked = _chroma(primaries)
    cells = _chroma(np.log(skin[:, usable]))  # (frames, cells, 3)
    face = cells.mean(axis=1)
    strength = float(_rises(cells, asked).mean()) - _rise(_chroma(np.log(room)), asked)
    still = _still(skin[:, usable])
    settled = _rises(_chroma(np.log(skin[still][:, usable])), _chroma(primaries[still]))
    return FlashFigures(_correlation(face, asked), strength, _shading(settled, _FACING[usable]))


def _chroma(values: Floats) -> Floats:
    """What differs between the primaries, and between frames: (frames, ..., 3) without the means of either.

    So neither exposure, which changes all three alike, nor the colour of the skin looks like an answer.
    """
    of_frames = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(of_frames - of_frames.mean(axis=0, keepdims=True), dtype=np.float64)


def _still(skin: Floats) -> npt.NDArray[np.bool_]:
    """Which frames, (frames,), show the face in one place; all of them where too many do not."""
    pattern = np.log(skin).mean(axis=2)
    pattern -= pattern.mean(axis=1, keepdims=True)
    slipped = np.sqrt(((pattern - np.median(pattern, axis=0)) ** 2).mean(axis=1)) > _SLIPPED
    return np.asarray(~slipped if slipped.sum() <= _MOST_SLIPPED else np.ones_like(slipped), dtype=np.bool_)


def _rises(cells: Floats, asked: Floats) -> Floats:
    """How far each cell follows the colours, (cells,): least squares over frames and primaries."""
    return np.asarray(np.einsum("fcp,fp->c", cells, asked) / (asked**2).sum(), dtype=np.float64)


def _rise(seen: Floats, asked: Floats) -> float:
    return float((seen * asked).sum() / (asked**2).sum())


def _shading(rise: Floats, facing: Floats) -> float:
    """Slope of the rise over the cosine of the ellipsoid, both relative to their middle values."""
    centre = max(float(np.median(rise)), _DARKEST)
    # Glasses and wet lips shine: what differs by more than the whole of the middle value is cut there.
    a, b = facing / facing.mean() - 1, np.clip(rise / centre, 0, 2)
    return float(a @ (b - b.mean()) / (a @ a))


def _correlation(first: Floats, second: Floats) -> float:
    return float((first * second).sum() / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-9))


def _room(image: Image, middle: Floats, distance: float) -> Floats:
    """Mean over both strips beside the head; the outermost columns where the head fills the picture."""
    width = image.shape[1]
    left = max(4, int(middle[0] - distance))
    right = min(width - 4, int(middle[0] + distance))
    # Every fourth row and column is plenty for a mean.
    strips = [image[::4, :left:4], image[::4, right::4]]
    return _mean_light(np.concatenate([strip.reshape(1, -1, 3) for strip in strips], axis=1))


def _mean_light(pixels: Image) -> Floats:
    linear = cv2.LUT(np.ascontiguousarray(pixels), _LINEAR)
    return np.asarray(np.mean(linear.reshape(-1, 3), axis=0), dtype=np.float64)


def _head() -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which cells show the head, (32, 32), and the cosine between its surface there and the camera's direction."""
    steps = (np.arange(_CELLS) + 0.5) / _CELLS * _SIDE
    x, y = np.meshgrid(_LEFT + steps, _TOP + steps - _HEAD_MIDDLE_Y)
    across, down, depth = _HEAD_AXES
    radius2 = (x / across) ** 2 + (y / down) ** 2
    z = np.sqrt(np.clip(1 - radius2, 1e-6, None))
    normal = np.stack([x / across**2, y / down**2, z / depth], axis=-1)
    return radius2 < _RIM**2, np.asarray(normal[..., 2] / np.linalg.norm(normal, axis=-1), dtype=np.float64)


_FACE, _FACING = _head()
