"""A company seal across the edges of all pages (骑缝章): each page bears one strip, and none can be exchanged.

It is painted before the first signature, as part of what is read and signed.
"""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader

from contracts.errors import SigningFailed
from contracts.revisions import RevisionWriter
from contracts.signing import pyhanko_errors

MAX_STRIPS = 20
"""More strips would be too narrow to tell apart; longer documents bear several seals, one after the other."""
_NAME = "/YunlianEdgeSeal"


def paint_edge_seals(pdf: bytes, seal: bytes) -> bytes:
    """Paint the one-page PDF `seal` in strips along the right edges, half-way up, in one revision. Reproducible.

    Raises SigningFailed for fewer than two pages, a rotated page, a signed or unreadable file.
    """
    with pyhanko_errors():
        writer = RevisionWriter.of(pdf)
        source = PdfFileReader(BytesIO(seal))
        box = source.root["/Pages"]["/Kids"][0]["/MediaBox"]
        width, height = (float(box[2]) - float(box[0]), float(box[3]) - float(box[1]))
        reference = writer.import_page_as_xobject(source)
        count = int(writer.root["/Pages"]["/Count"])
        if count < 2:
            raise SigningFailed("a seal across edges needs at least two pages")
        if writer.prev.embedded_signatures:
            raise SigningFailed("a seal across edges is painted before the first signature")
        opening = writer.add_object(generic.StreamObject(stream_data=b"q\n"))
        for group in _groups(count):
            strip = width / len(group)
            for position, number in enumerate(group):
                page, _ = writer.find_page_for_modification(number)  # type: ignore[no-untyped-call]
                _paint(writer, page.get_object(), reference, opening, (position * strip, strip, height))
                writer.mark_update(page)
        return writer.finished()


def _groups(count: int) -> list[range]:
    """Pages in groups as equal as can be, none of a single page."""
    groups = -(-count // MAX_STRIPS)
    bounds = [count * index // groups for index in range(groups + 1)]
    return [range(start, end) for start, end in pairwise(bounds)]


def _paint(
    writer: RevisionWriter,
    page: generic.DictionaryObject,
    seal: generic.IndirectObject,
    opening: generic.IndirectObject,
    cut: tuple[float, float, float],
) -> None:
    if int(_inherited(page, "/Rotate") or 0) % 360:
        raise SigningFailed("a rotated page bears no seal across its edge")
    _, bottom, right, top = (float(n) for n in _inherited(page, "/CropBox") or _inherited(page, "/MediaBox"))
    start, strip, height = cut
    x, y = right - strip, (bottom + top - height) / 2
    drawing = f"Q q {x:.3f} {y:.3f} {strip:.3f} {height:.3f} re W n 1 0 0 1 {x - start:.3f} {y:.3f} cm {_NAME} Do Q\n"
    closing = writer.add_object(generic.StreamObject(stream_data=drawing.encode()))
    contents = page.raw_get("/Contents")
    present: Any = contents
    if isinstance(contents, generic.IndirectObject):
        present = contents.get_object()  # type: ignore[no-untyped-call]
    streams = list(present) if isinstance(present, generic.ArrayObject) else [contents]
    page[pdf_name("/Contents")] = generic.ArrayObject([opening, *streams, closing])
    resources = _copy(_inherited(page, "/Resources"))
    objects = _copy(resources["/XObject"] if "/XObject" in resources else {})  # noqa: SIM401 - follows references
    objects[pdf_name(_NAME)] = seal
    resources[pdf_name("/XObject")] = objects
    page[pdf_name("/Resources")] = resources


def _copy(dictionary: Any) -> generic.DictionaryObject:
    """Its own entries, so that nothing that other pages share is changed."""
    entries = {key: dictionary.raw_get(key) for key in dictionary}
    return generic.DictionaryObject(entries)  # type: ignore[no-untyped-call]


def _inherited(page: generic.DictionaryObject, key: str) -> Any:
    """A page's attribute, or that of the page tree above it (ISO 32000-1 §7.7.3.4)."""
    node, depth = page, 0
    while key not in node:
        depth += 1
        if "/Parent" not in node or depth > 32:
            return None
        node = node["/Parent"]
    return node[key]
