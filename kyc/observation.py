"""Frame by frame: decode, find the one face, measure it. Pictures are held one at a time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kyc.capture import Frame
from kyc.duplicates import hash_picture
from kyc.errors import FrameRejected, ImageRejected, NoFace, SeveralFaces
from kyc.flash import LitFace, measure_light
from kyc.geometry import Pose, head_pose, mouth_opening
from kyc.images import FRAME, decode_image, shrink
from kyc.liveness import TURNS, Action, LivenessChallenge, LivenessPolicy
from kyc.ports import Alignment, Encoding, FaceBox, FaceEngine, Image, Points

_FRAME_SIDE: Final = 640  # pixels; larger frames are shrunk, which costs no accuracy at arm's length
# The frontal detector may lose a face for a moment during these.
_MOVING: Final = (*TURNS, Action.NOD)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """The one face of a frame; `light` is measured while the screen shows colours, `encoding` where it looks
    straight enough to be compared."""

    box: FaceBox
    points: Points
    pose: Pose
    mouth: float
    light: LitFace | None = None
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A frame after measuring; `face` is None where the detector lost the face during a turn or a nod."""

    action: int
    at_ms: int
    sha256: bytes
    face: SeenFace | None
    picture_hash: bytes = b""


def observe(
    engine: FaceEngine, frames: Sequence[Frame], challenge: LivenessChallenge, policy: LivenessPolicy
) -> list[Observation]:
    """Measure every frame; stops at the first that cannot be used.

    Raises FrameRejected, NoFace or SeveralFaces with the position of the frame.
    """
    observations: list[Observation] = []
    lost = dict.fromkeys(range(len(challenge.actions)), 0)
    for position, frame in enumerate(frames):
        image = decode_frame(frame, position)
        action = challenge.actions[frame.action]
        face = _measure(engine, image, position, policy, lit=action is Action.WATCH_COLOURS)
        if face is None:
            lost[frame.action] += 1
            if action not in _MOVING or lost[frame.action] > policy.max_lost_frames_per_action:
                raise NoFace(position)
        digest = hashlib.sha256(frame.jpeg).digest()
        observations.append(Observation(frame.action, frame.at_ms, digest, face, hash_picture(image)))
    return observations


def decode_frame(frame: Frame, position: int) -> Image:
    """The picture of a frame. Raises FrameRejected."""
    try:
        return shrink(decode_image(frame.jpeg, FRAME), _FRAME_SIDE)
    except ImageRejected as exc:
        raise FrameRejected(position, exc.code) from exc


def _measure(engine: FaceEngine, image: Image, position: int, policy: LivenessPolicy, *, lit: bool) -> SeenFace | None:
    boxes = engine.detect(image)
    if len(boxes) > 1:
        raise SeveralFaces(position)
    if not boxes:
        return None
    box = boxes[0]
    points = engine.landmarks(image, box)
    height, width = image.shape[:2]
    pose = head_pose(points, width, height)
    near_frontal = abs(pose.yaw) <= policy.max_straight_yaw
    return SeenFace(
        box=box,
        points=points,
        pose=pose,
        mouth=mouth_opening(points),
        light=measure_light(image, points) if lit else None,
        # Every such frame: a face swapped for a part of the session must not fall between the frames looked at.
        encoding=engine.encode(image, box, Alignment.FIVE_POINT) if near_frontal else None,
    )
