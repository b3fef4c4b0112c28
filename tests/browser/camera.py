"""A camera for Chromium that shows what the test wants: a Y4M file whose pictures are replaced while it plays.

Chromium plays the file of --use-file-for-fake-video-capture in a loop and reads every picture from the disk when its
turn comes, so that a picture written over another one is seen with the next of them, within 50 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from clients.demo.puppet import HEIGHT, WIDTH, Puppet, Rgb
from kyc.flash import Colour

FRAMES = 90  # in the loop, longer than any action lasts; each with sensor noise of its own
FRAME_RATE = 20
_HEADER = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAME_RATE}:1 Ip A1:1 C420jpeg\n".encode()
_FRAME = b"FRAME\n"
_LUMA = WIDTH * HEIGHT
_GRAIN = 5  # levels of luma
POSES: Mapping[str, Mapping[str, float]] = {
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
        straight = self._puppet.frame()
        self._pictures = {cue: self._puppet.frame(**pose) for cue, pose in POSES.items()}
        self._pictures |= {str(colour): self._puppet.lit(straight, colour) for colour in Colour}
        self._planes: dict[str, np.ndarray] = {}
        self.step_up()

    def step_up(self) -> None:
        """Come before the camera anew: nobody holds a phone twice in the same place."""
        scale, (x, y) = self._dice.uniform(0.9, 1.1), self._dice.uniform(-30, 30, 2)
        stance = np.array(
            [[scale, 0, (1 - scale) * WIDTH / 2 + x], [0, scale, (1 - scale) * HEIGHT / 2 + y]], np.float32
        )
        for cue, picture in self._pictures.items():
            moved = cv2.warpAffine(picture, stance, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            planes = cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420).reshape(-1)
            planes[:_LUMA] = np.minimum(planes[:_LUMA], 255 - _GRAIN)
            self._planes[cue] = planes

    def planes(self, cue: str) -> np.ndarray:
        """I420 for an action or a colour (#rrggbb); looking straight for a cue that asks for nothing."""
        return self._planes.get(cue, self._planes["look-straight"])


class FakeCamera:
    """The file that Chromium takes for a camera. The file never changes its size or its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.actor: Actor | None = None
        size = len(_FRAME) + _LUMA * 3 // 2
        with path.open("wb") as file:
            file.write(_HEADER + (_FRAME + bytes(_LUMA * 3 // 2)) * FRAMES)
        self._frames = np.memmap(path, np.uint8, "r+", len(_HEADER), (FRAMES, size))[:, len(_FRAME) :]
        self._dice = np.random.default_rng(8)
        self._grain = self._dice.integers(0, _GRAIN, (FRAMES + 1) * _LUMA, np.uint8)

    def look(self, actor: Actor) -> None:
        """This person steps before the camera and looks straight."""
        actor.step_up()
        self.actor = actor
        self.show("look-straight")

    def show(self, cue: str) -> None:
        """The person does as told, or is lit by the screen. Quick, because the page does not wait for it."""
        if self.actor is None:
            raise RuntimeError("nobody is before the camera")
        planes, start = self.actor.planes(cue), int(self._dice.integers(_LUMA))
        grain = self._grain[start : start + FRAMES * _LUMA].reshape(FRAMES, _LUMA)
        np.add(planes[:_LUMA], grain, out=self._frames[:, :_LUMA])
        self._frames[:, _LUMA:] = planes[_LUMA:]
