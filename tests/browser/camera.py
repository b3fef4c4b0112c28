"""A camera for Chromium that shows what the test wants: a Y4M file whose pictures are replaced while it plays.

Chromium plays the file of --use-file-for-fake-video-capture in a loop and reads every picture from the disk when its
turn comes, so that a picture written over another one is seen with the next round.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from clients.demo.puppet import HEIGHT, WIDTH, Puppet, Rgb

FRAMES = 8  # in the loop; each with sensor noise of its own, so that few of those taken are the same
FRAME_RATE = 20
_HEADER = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAME_RATE}:1 Ip A1:1 C420jpeg\n".encode()
_FRAME = b"FRAME\n"
_POSES: Mapping[str, Mapping[str, float]] = {
    "look-straight": {},
    "turn-left": {"turn": 1.0},
    "turn-right": {"turn": -1.0},
    "open-mouth": {"mouth": 1.0},
    "nod": {"nod": 1.0},
}


class Actor:
    """A portrait in every pose that the face check can ask for, as the bytes of the camera's pictures."""

    def __init__(self, portrait: Rgb) -> None:
        puppet = Puppet(portrait)
        self._pictures = {cue: _loop(puppet.frame(**pose)) for cue, pose in _POSES.items()}

    def pictures(self, cue: str) -> bytes:
        """The whole loop; looking straight for a cue that asks for nothing."""
        return self._pictures.get(cue, self._pictures["look-straight"])


class FakeCamera:
    """The file that Chromium takes for a camera. The file never changes its size or its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.actor: Actor | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def look(self, actor: Actor) -> None:
        """This person steps before the camera and looks straight."""
        self.actor = actor
        self.show("look-straight")

    def show(self, cue: str) -> None:
        """The person does as told."""
        if self.actor is None:
            raise RuntimeError("nobody is before the camera")
        os.pwrite(self._file, self.actor.pictures(cue), 0)


def _loop(picture: Rgb) -> bytes:
    noise = np.random.default_rng(7)
    pictures = (picture + noise.normal(0, 1.5, picture.shape) for _ in range(FRAMES))
    return _HEADER + b"".join(_FRAME + _i420(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)) for noisy in pictures)


def _i420(picture: Rgb) -> bytes:
    return bytes(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
