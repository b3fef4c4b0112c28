"""A camera for Chromium that shows what the test wants: a Y4M file whose pictures are replaced while it plays.

Chromium plays the file of --use-file-for-fake-video-capture in a loop and reads every picture from the disk when its
turn comes, so that a picture written over another one is seen with the next of them, within 50 ms.
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

FRAMES = 48  # in the loop, each with sensor noise of its own
FRAME_RATE = 20
_HEADER = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAME_RATE}:1 Ip A1:1 C420jpeg\n".encode()
_FRAME = b"FRAME\n"
_GRAIN = 5  # levels of luma
_POSES: Mapping[str, Mapping[str, float]] = {
    "look-straight": {},
    "turn-left": {"turn": 1.0},
    "turn-right": {"turn": -1.0},
    "open-mouth": {"mouth": 1.0},
    "nod": {"nod": 1.0},
}


class Actor:
    """A portrait in every pose and under every colour that the face check can ask for, as planes of a Y4M file."""

    def __init__(self, portrait: Rgb) -> None:
        self._puppet = Puppet(portrait)
        self._dice = np.random.default_rng(7)
        self._planes: dict[str, np.ndarray] = {}
        self.step_up()

    def step_up(self) -> None:
        """Come before the camera anew: nobody holds a phone twice in the same place."""
        scale, (x, y) = self._dice.uniform(0.9, 1.1), self._dice.uniform(-30, 30, 2)
        self._stance = np.array(
            [[scale, 0, (1 - scale) * WIDTH / 2 + x], [0, scale, (1 - scale) * HEIGHT / 2 + y]], np.float32
        )
        self._planes.clear()

    def pictures(self, cue: str) -> bytes:
        """The whole loop for an action or a colour (#rrggbb); looking straight for a cue that asks for nothing."""
        if cue not in self._planes:
            self._planes[cue] = self._seen(cue)
        loop = np.repeat(self._planes[cue][None], FRAMES, axis=0)
        loop[:, :HEIGHT] += self._dice.integers(0, _GRAIN, (FRAMES, HEIGHT, WIDTH), np.uint8)
        return _HEADER + b"".join(_FRAME + frame.tobytes() for frame in loop)

    def _seen(self, cue: str) -> np.ndarray:
        picture = self._puppet.frame(**_POSES.get(cue, {}))
        if cue.startswith("#"):
            picture = self._puppet.lit(picture, cue)
        moved = cv2.warpAffine(picture, self._stance, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        planes = cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420)
        planes[:HEIGHT] = np.clip(planes[:HEIGHT], 0, 255 - _GRAIN)
        return np.asarray(planes)


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
        actor.step_up()
        self.actor = actor
        self.show("look-straight")

    def show(self, cue: str) -> None:
        """The person does as told, or is lit by the screen."""
        if self.actor is None:
            raise RuntimeError("nobody is before the camera")
        os.pwrite(self._file, self.actor.pictures(cue), 0)
