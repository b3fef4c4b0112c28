"""What a signature shows on the page: a seal, drawn once elsewhere, placed into the field's box."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.reader import PdfFileReader

from contracts.revisions import RevisionWriter


def apply_seal(writer: RevisionWriter, widget: generic.DictionaryObject, seal: bytes) -> None:
    """Make the one page of the PDF `seal` the widget's normal appearance (ISO 32000-1 §12.5.5).

    It is scaled down to fit where it must be, never up, and stands at the left, vertically centred.
    """
    reader = _reader(seal)
    left, bottom, right, top = (float(number) for number in widget["/Rect"])
    width, height = right - left, top - bottom
    page = reader.root["/Pages"]["/Kids"][0]
    _, _, seal_width, seal_height = (float(number) for number in page["/MediaBox"])
    scale = min(1.0, width / seal_width, height / seal_height)
    upwards = (height - seal_height * scale) / 2
    form = generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject(map(generic.FloatObject, (0, 0, width, height))),
            pdf_name("/Resources"): _dictionary(
                "/XObject", _dictionary("/Seal", writer.import_page_as_xobject(reader))
            ),
        },
        stream_data=f"q {scale:.5f} 0 0 {scale:.5f} 0 {upwards:.3f} cm /Seal Do Q".encode(),
    )
    widget["/AP"] = _dictionary("/N", writer.add_object(form))
    writer.update_container(widget)


def _dictionary(key: str, value: generic.PdfObject) -> generic.DictionaryObject:
    return generic.DictionaryObject({pdf_name(key): value})  # type: ignore[no-untyped-call]


@lru_cache(maxsize=32)
def _reader(seal: bytes) -> PdfFileReader:
    return PdfFileReader(BytesIO(seal))
