"""Untrusted bytes -> one RGB picture, with everything bounded before a pixel is decoded."""

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from kyc.errors import (
    ImageAnimated,
    ImageRejected,
    ImageTooLarge,
    ImageTooSmall,
    ImageTruncated,
    UnsupportedImage,
)
from kyc.ports import Image

_FORMATS = ("JPEG", "PNG")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


# Pillow reports damaged data and damaged EXIF by any of these, a broken PNG chunk as SyntaxError.
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, struct.error)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may cost: bytes of the file, pixels of the picture, pixels of the shorter side."""

    max_bytes: int
    max_pixels: int
    min_side: int


PORTRAIT = ImageLimits(max_bytes=10 * 1024 * 1024, max_pixels=12_000_000, min_side=96)
FRAME = ImageLimits(max_bytes=1024 * 1024, max_pixels=2_200_000, min_side=240)


def decode_image(data: bytes, limits: ImageLimits = PORTRAIT) -> Image:
    """The picture in `data` as RGB uint8 (height, width, 3), upright (EXIF orientation applied).

    Transparency is laid on white, grey becomes RGB, all metadata is dropped. Raises ImageTooLarge,
    ImageTooSmall, UnsupportedImage (neither JPEG nor PNG), ImageAnimated or ImageTruncated (ImageRejected).
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"{len(data)} bytes, at most {limits.max_bytes}")
    if not data.startswith(_SIGNATURES):
        raise UnsupportedImage("neither JPEG nor PNG")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, where our limits are tighter, and of odd EXIF, which is dropped.
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=_FORMATS) as picture:
                _check_header(picture, limits)
                picture.load()
                return _upright_rgb(picture)
    except ImageRejected:
        raise
    except UnidentifiedImageError as exc:
        raise UnsupportedImage("not readable as JPEG or PNG") from exc
    except Pillow.DecompressionBombError as exc:
        raise ImageTooLarge("far more pixels than allowed") from exc
    except _DAMAGED as exc:
        raise ImageTruncated("the image data is damaged or ends early") from exc


def shrink(image: Image, longest: int) -> Image:
    """The picture with its longer side at most `longest` pixels; never enlarged."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BOX), dtype=np.uint8)


def encode_jpeg(image: Image) -> bytes:
    """The picture as a JPEG file of high quality without any metadata."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def mirror(image: Image) -> Image:
    """The picture as in a mirror (left and right exchanged), contiguous as the engine needs it."""
    return np.ascontiguousarray(image[:, ::-1])


def _check_header(picture: Pillow.Image, limits: ImageLimits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(f"{width} x {height} pixels, at most {limits.max_pixels} in all")
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(f"{width} x {height} pixels, at least {limits.min_side} on each side")
    # A phone's JPEG may carry a second picture (MPO: depth, gain map) that no reader shows; the first counts.
    if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
        raise ImageAnimated("more than one picture in the file")


def _upright_rgb(picture: Pillow.Image) -> Image:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        # 16-bit grey: Pillow would clip rather than scale.
        grey = np.asarray(upright, dtype=np.uint32) >> 8
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        paper = Pillow.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = Pillow.alpha_composite(paper, layer)
    return np.array(upright.convert("RGB"), dtype=np.uint8)
