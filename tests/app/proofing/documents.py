"""Photographs of identity documents for tests: a drawn card with a real, public-domain face, or without one."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from skimage.data import astronaut

CARD = (1280, 800)


@cache
def document(*, face: bool = True, bright: bool = False) -> bytes:
    """A JPEG of a card, with a portrait of the usual size on its right."""
    card = Image.new("RGB", CARD, (214, 226, 236))
    draw = ImageDraw.Draw(card)
    for line in range(5):
        draw.rectangle((80, 120 + 110 * line, 640, 150 + 110 * line), fill=(70, 80, 95))
    if face:
        portrait = Image.fromarray(astronaut()[0:300, 80:380]).resize((420, 420), Image.Resampling.LANCZOS)
        if bright:
            portrait = Image.fromarray(np.clip(np.asarray(portrait).astype(int) + 150, 0, 255).astype(np.uint8))
        card.paste(portrait, (800, 190))
    file = io.BytesIO()
    card.save(file, "JPEG", quality=92)
    return file.getvalue()
