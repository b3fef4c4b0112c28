import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from kyc.engine import load_engine
from kyc.errors import (
    ImageAnimated,
    ImageRejected,
    ImageTooLarge,
    ImageTooSmall,
    ImageTruncated,
    UnsupportedImage,
)
from kyc.images import FRAME, PORTRAIT, decode_image, shrink


def encoded(picture: Pillow.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def half_red(width: int = 300, height: int = 200) -> Pillow.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return Pillow.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 64) + b"IDAT"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_rgb_comes_out_as_it_went_in(form: str):
    image = decode_image(encoded(half_red(), form))
    assert image.shape == (200, 300, 3)
    assert image.dtype == np.uint8
    assert image[100, 50, 0] > 240
    assert image[100, 250, 2] > 240


def test_exif_orientation_is_applied():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to stand upright
    image = decode_image(encoded(half_red(), "JPEG", exif=exif))
    assert image.shape == (300, 200, 3)
    assert image[50, 100, 0] > 240
    assert image[250, 100, 2] > 240


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16", "CMYK"])
def test_other_modes_become_rgb(mode: str):
    if mode == "I;16":
        data = encoded(Pillow.fromarray(np.full((200, 300), 40_000, np.uint16)))
    else:
        data = encoded(half_red().convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    image = decode_image(data)
    assert image.shape == (200, 300, 3)
    if mode == "I;16":
        assert image[0, 0].tolist() == [156, 156, 156]


def test_transparency_is_laid_on_white():
    assert decode_image(encoded(Pillow.new("RGBA", (200, 200), (9, 9, 9, 0))))[0, 0].tolist() == [
        255,
        255,
        255,
    ]


def test_bytes_are_counted_before_anything_else():
    with pytest.raises(ImageTooLarge):
        decode_image(b"\xff\xd8\xff" + bytes(40 * 1024 * 1024))


@pytest.mark.parametrize("size", [(20_000, 20_000), (100_000, 200), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int]):
    # No pixel follows: reading a single pixel would raise ImageTruncated instead.
    with pytest.raises(ImageTooLarge):
        decode_image(png_header(*size))


def test_the_limits_of_a_frame_are_tighter():
    data = encoded(Pillow.new("RGB", (2000, 1500)))
    assert decode_image(data, PORTRAIT).shape == (1500, 2000, 3)
    with pytest.raises(ImageTooLarge):
        decode_image(data, FRAME)


def test_one_pixel_holds_no_face():
    with pytest.raises(ImageTooSmall):
        decode_image(encoded(Pillow.new("RGB", (1, 1))))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused_even_after_the_engine_was_loaded(form: str, kept: float):
    load_engine()
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    data = encoded(Pillow.fromarray(noise), form)
    with pytest.raises(ImageTruncated):
        decode_image(data[: int(len(data) * kept)])


def test_an_animated_png_is_refused():
    data = encoded(half_red(), "PNG", save_all=True, append_images=[Pillow.new("RGB", (300, 200))])
    with pytest.raises(ImageAnimated):
        decode_image(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"%PDF-1.7",
        b"<svg/>",
        b"\xff\xd8",
        encoded(half_red(), "GIF"),
        encoded(half_red(), "WEBP"),
    ],
)
def test_other_formats_are_refused(data: bytes):
    with pytest.raises(UnsupportedImage):
        decode_image(data)


@settings(max_examples=150)
@given(st.sampled_from(["PNG", "JPEG"]), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_damage_is_decoded_or_typed(form: str, position: int, damage: bytes):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = encoded(half_red(), form, exif=exif)
    position %= len(data)
    try:
        image = decode_image(data[:position] + damage + data[position + len(damage) :])
    except ImageRejected:
        return
    assert image.ndim == 3
    assert image.shape[2] == 3


def test_shrinking_keeps_the_proportions_and_never_enlarges():
    image = np.zeros((400, 800, 3), np.uint8)
    assert shrink(image, 640).shape == (320, 640, 3)
    assert shrink(image, 1000) is image
