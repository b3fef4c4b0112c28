"""Figures read from the landmarks of a face: how it is turned, how open the mouth is, whether it is flat.

Left and right are the person's own, as in the instruction "turn to your left". Frames are uploaded as the
camera sees them and not as in a mirror, so the person's left is on the right of the picture.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from kyc.ports import Points

# A generic head in millimetres (x to the right of the picture, y down, z away from the camera) with its nose
# tip at the origin, and the landmarks that show its points: nose tip, chin, outer eye and mouth corners.
_HEAD: Final = np.array(
    [
        (0, 0, 0),
        (0, 63.6, 12.5),
        (-43.3, -32.7, 26),
        (43.3, -32.7, 26),
        (-28.9, 28.9, 24.1),
        (28.9, 28.9, 24.1),
    ],
    dtype=np.float64,
)
_HEAD_LANDMARKS: Final = [30, 8, 36, 45, 48, 54]
_OUTER_EYES: Final = (36, 45)
_OUTER_EYES_OF_FIVE: Final = (2, 0)
_INNER_LIPS: Final = ((61, 67), (62, 66), (63, 65))
_INNER_CORNERS: Final = (60, 64)


@dataclass(frozen=True, slots=True)
class Pose:
    """Rotation of the head in degrees: yaw positive to the person's own left, pitch positive chin down."""

    yaw: float
    pitch: float


def outer_eyes(points: Points) -> tuple[Points, Points]:
    """The outer corners of the eyes, (2,) each: the left one of the picture first. For 68 points and for 5."""
    first, second = _OUTER_EYES_OF_FIVE if len(points) == 5 else _OUTER_EYES
    return points[first], points[second]


def eye_distance(points: Points) -> float:
    """Distance between the outer corners of the eyes, in pixels. For 68 points and for 5."""
    first, second = outer_eyes(points)
    return float(np.linalg.norm(second - first))


def head_pose(points: Points, width: int, height: int) -> Pose:
    """The pose in which a generic head fits the landmarks best; focal length = width of the picture."""
    camera = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], dtype=np.float64)
    seen = np.ascontiguousarray(points[_HEAD_LANDMARKS])
    _, rotation, shift = cv2.solvePnP(_HEAD, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    _, rotation, _ = cv2.solvePnP(_HEAD, seen, camera, None, rotation, shift, True, cv2.SOLVEPNP_ITERATIVE)
    r = cv2.Rodrigues(rotation)[0]
    yaw = np.degrees(np.arctan2(r[2, 0], np.hypot(r[2, 1], r[2, 2])))
    pitch = np.degrees(np.arctan2(r[2, 1], r[2, 2]))
    return Pose(yaw=float(yaw), pitch=float(pitch))


def mouth_opening(points: Points) -> float:
    """Mean height of the inner lips over their width: about 0 closed, above 0.5 wide open."""
    heights = [float(np.linalg.norm(points[a] - points[b])) for a, b in _INNER_LIPS]
    width = float(np.linalg.norm(points[_INNER_CORNERS[1]] - points[_INNER_CORNERS[0]]))
    return float(np.mean(heights)) / max(width, 1.0)


def relief(first: Points, second: Points) -> float:
    """How far a plane fails to explain the movement of the landmarks from one frame to another.

    Root mean square residual of the best homography over the eye distance: near 0 for a photograph however it
    is held or tilted, larger for a head that turns.
    """
    homography, _ = cv2.findHomography(first, second, 0)
    if homography is None:
        return 0.0
    residual = cv2.perspectiveTransform(first[None], homography)[0] - second
    return float(np.sqrt((residual**2).sum(axis=1).mean())) / max(eye_distance(second), 1.0)
