"""Between what is before a camera and the file that the page sends: a hand that shakes, light, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np

from clients.demo.puppet import HEIGHT, WIDTH, Rgb, jpeg


@dataclass(slots=True)
class Camera:
    """One camera in one place, held by one hand; every frame differs a little from the one before."""

    dice: np.random.Generator
    scale: float = field(init=False)
    exposure: float = field(init=False)
    noise: float = field(init=False)
    quality: int = field(init=False)
    _shift: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.scale = self.dice.uniform(0.88, 1.12)
        self.exposure = self.dice.uniform(0.75, 1.05)
        self.noise = self.dice.uniform(1.0, 4.0)
        self.quality = int(self.dice.integers(78, 93))
        self._shift = self.dice.normal(0, 6, 2)

    def shoot(self, picture: Rgb) -> bytes:
        """A JPEG file of the picture."""
        self._shift = 0.8 * self._shift + self.dice.normal(0, 2.5, 2)
        turn = np.radians(self.dice.normal(0, 0.6))
        scale = self.scale * self.dice.normal(1, 0.006)
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        x, y = WIDTH / 2, HEIGHT / 2
        matrix = np.array(
            [
                [cos, -sin, x - cos * x + sin * y + self._shift[0]],
                [sin, cos, y - sin * x - cos * y + self._shift[1]],
            ]
        )
        moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        light = self.exposure * self.dice.normal(1, 0.01)
        seen = cv2.addWeighted(moved.astype(np.float32), light, grain(self.dice), self.noise, 0, dtype=cv2.CV_8U)
        return jpeg(np.asarray(seen, np.uint8), self.quality)


def grain(dice: np.random.Generator) -> np.ndarray:
    """Sensor noise of deviation 1, (HEIGHT, WIDTH, 3) float32: a random cut from one large sheet."""
    sheet = _sheet()
    y, x = (int(dice.integers(size - wanted)) for size, wanted in zip(sheet.shape, (HEIGHT, WIDTH), strict=False))
    return sheet[y : y + HEIGHT, x : x + WIDTH]


@cache
def _sheet() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((HEIGHT + 199, WIDTH + 211, 3), dtype=np.float32)


def on_screen(picture: Rgb, dice: np.random.Generator) -> Rgb:
    """The picture as a screen shows it to a camera: seen at an angle, lines of pixels, less contrast, a pale veil."""
    corners = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], np.float32)
    skewed = corners + dice.uniform(-14, 14, (4, 2)).astype(np.float32)
    seen = cv2.warpPerspective(
        picture, cv2.getPerspectiveTransform(corners, skewed), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
    )
    rows = 1 + 0.03 * np.sin(np.arange(HEIGHT, dtype=np.float32)[:, None, None] * dice.uniform(1.5, 3.0))
    veiled = cv2.multiply(seen, np.broadcast_to(rows * 0.88, seen.shape), dtype=cv2.CV_32F) + np.float32(18)
    return np.clip(veiled, 0, 255).astype(np.uint8)


def tinted(picture: Rgb, colour: str, strength: float) -> Rgb:
    """The whole picture as a filter of this colour would change it, the room no less than the face."""
    primaries = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)], np.float32)
    return np.clip(picture * (1 + strength * primaries) ** np.float32(1 / 2.2), 0, 255).astype(np.uint8)
