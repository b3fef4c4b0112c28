"""Contracts that somebody brings along as PDF: inspected, flattened where the officer chooses so, and given places.

Flattening turns every page into a picture of itself. Whatever could act, hide or change later is gone; so are text that
can be searched and the claim to PDF/A, which is why it is a choice and no default.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pypdfium2
from PIL import Image

from contracts.edge_seal import paint_edge_seals
from contracts.errors import InvalidPlace, UnsafeDocument
from contracts.inspection import Finding, find_hazards, inspect
from contracts.signing import Place, prepare_document

FLATTEN_DPI = 150
MAX_PAGE_INCHES = 40
_MARGIN = 0.5  # points by which a place may reach over its page: rounding in browsers


@dataclass(frozen=True, slots=True)
class PreparedUpload:
    """A document with all its signature fields, ready to be read and signed."""

    pdf: bytes
    sha256: str
    pages: int
    flattened: bool
    hazards: tuple[Finding, ...]
    """What was found in the file as it was brought; not empty only where it was flattened."""


def prepare_upload(
    pdf: bytes, places: Sequence[Place], *, flatten: bool = False, edge_seal: bytes | None = None
) -> PreparedUpload:
    """Inspect an uploaded PDF and give it a signature field, one annotation each, at each place.

    `places` in points from the lower left corner of pages counted from 0; `edge_seal` is a one-page PDF to paint
    across all edges (骑缝章). Raises UnsafeDocument for anything found, unless it is flattened; InvalidPlace for a
    place beyond its page, over another or of a name that is taken; SigningFailed.
    """
    hazards = find_hazards(pdf)
    if hazards and not flatten:
        raise UnsafeDocument(hazards[0].reason, hazards[0].detail)
    document = flatten_pages(pdf) if flatten else pdf
    inspected = inspect(document)
    _check_places(places, _page_boxes(document))
    if edge_seal is not None and inspected.pages > 1:
        document = paint_edge_seals(document, edge_seal)
    prepared = prepare_document(document, places)
    return PreparedUpload(
        prepared, hashlib.sha256(prepared).hexdigest(), inspected.pages, flatten, hazards if flatten else ()
    )


def flatten_pages(pdf: bytes) -> bytes:
    """Every page as a picture of FLATTEN_DPI, in a new file. The same file gives the same bytes on the same machine.

    Run it within bounds (`contracts.bounded`): a renderer meets hostile input here. Raises UnsafeDocument for a file
    that cannot be rendered, an encrypted one or pages of absurd size.
    """
    try:
        with pypdfium2.PdfDocument(pdf) as document:
            document.init_forms()  # what fields show is part of the page
            pages = [_picture(page) for page in document]
    except pypdfium2.PdfiumError as exc:
        raise UnsafeDocument("broken", "the pages cannot be rendered") from exc
    if not pages:
        raise UnsafeDocument("broken", "there are no pages")
    return _picture_document(pages)


@dataclass(frozen=True, slots=True)
class _Picture:
    width: float
    height: float
    """In points."""
    pixels: tuple[int, int]
    jpeg: bytes


def _picture(page: pypdfium2.PdfPage) -> _Picture:
    width, height = page.get_size()
    if not 0 < max(width, height) <= 72 * MAX_PAGE_INCHES:
        raise UnsafeDocument("too-complex", f"a page of {width:.0f} by {height:.0f} points")
    image: Image.Image = page.render(scale=FLATTEN_DPI / 72, may_draw_forms=True).to_pil().convert("RGB")
    output = BytesIO()
    image.save(output, "JPEG", quality=88, subsampling=0)
    return _Picture(width, height, image.size, output.getvalue())


def _picture_document(pages: Sequence[_Picture]) -> bytes:
    """A PDF of nothing but pictures, written out by hand: nothing in it depends on the clock or on chance."""
    kids = " ".join(f"{3 + 3 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
    ]
    for number, page in enumerate(pages):
        first = 3 + 3 * number
        drawing = f"q {page.width:.3f} 0 0 {page.height:.3f} 0 0 cm /Page Do Q".encode()
        objects += [
            (
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {page.width:.3f} {page.height:.3f}]"
                f"/Resources<</XObject<</Page {first + 2} 0 R>>>>/Contents {first + 1} 0 R>>"
            ).encode(),
            f"<</Length {len(drawing)}>>\nstream\n".encode() + drawing + b"\nendstream",
            (
                f"<</Type/XObject/Subtype/Image/Width {page.pixels[0]}/Height {page.pixels[1]}/ColorSpace/DeviceRGB"
                f"/BitsPerComponent 8/Filter/DCTDecode/Length {len(page.jpeg)}>>\nstream\n"
            ).encode()
            + page.jpeg
            + b"\nendstream",
        ]
    return _assembled(objects)


def _assembled(objects: Sequence[bytes]) -> bytes:
    output, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(output))
        output += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, identifier = len(output), hashlib.sha256(output).hexdigest()[:32]
    output += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    output += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = f"<</Size {len(objects) + 1}/Root 1 0 R/ID[<{identifier}><{identifier}>]>>"
    return bytes(output + f"trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n".encode())


def _page_boxes(pdf: bytes) -> list[tuple[float, float, float, float, int]]:
    """(left, bottom, right, top, rotation) of every page as readers show it."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [(*page.get_cropbox(), page.get_rotation()) for page in document]


def _check_places(places: Sequence[Place], pages: Sequence[tuple[float, float, float, float, int]]) -> None:
    if not places or len({place.name for place in places}) != len(places):
        raise InvalidPlace("places need names of their own, and there is at least one")
    for number, place in enumerate(places):
        if not 0 <= place.page < len(pages):
            raise InvalidPlace(f"{place.name}: there is no page {place.page + 1}")
        left, bottom, right, top, rotation = pages[place.page]
        if rotation:
            raise InvalidPlace(f"{place.name}: the page is rotated; flatten the document first")
        numbers = (place.x, place.y, place.width, place.height)
        inside = left - _MARGIN <= place.x and place.x + place.width <= right + _MARGIN
        inside = inside and bottom - _MARGIN <= place.y and place.y + place.height <= top + _MARGIN
        if not all(map(math.isfinite, numbers)) or min(place.width, place.height) < 20 or not inside:
            raise InvalidPlace(f"{place.name}: beyond its page, or too small")
        if any(_overlap(place, other) for other in places[:number]):
            raise InvalidPlace(f"{place.name}: over another place")


def _overlap(one: Place, other: Place) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    apart = apart or one.y + one.height <= other.y or other.y + other.height <= one.y
    return one.page == other.page and not apart
