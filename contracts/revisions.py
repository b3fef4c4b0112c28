"""Revisions of a PDF: reading one within limits, appending the next, cutting a file into those it holds."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits, StreamDecodeLimits
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfStreamError
from pyhanko.pdf_utils.reader import PdfFileReader

MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
MAX_REVISIONS = 64
MAX_OBJECTS = 200_000
_MIB = 1024 * 1024
_XREF_SIZES = re.compile(rb"/(?:Size|Index)\s*\[?\s*([0-9][0-9\s]*)")
_LAST_STARTXREF = re.compile(rb"startxref\s{1,2}([0-9]{1,10})\s{1,2}%%EOF(?:\r\n|\r|\n)?\Z")
_END_OF_REVISION = re.compile(rb"%%EOF(?:\r\n|\r|\n)?")

_WHITE_SPACE = b"\0\t\n\f\r "  # ISO 32000-1 table 1

DECODE_LIMITS = DecodeLimits(per_stream=StreamDecodeLimits(max_output_size=16 * _MIB))


def _read_hex_string(stream: Any) -> Any:
    """A hexadecimal string (ISO 32000-1 §7.3.4.3), read in blocks.

    pyHanko reads it a byte at a time, which made the 32 KiB of /Contents more than half of every validation.
    """
    stream.read(1)
    digits = bytearray()
    while True:
        block = stream.read(8192)
        end = block.find(b">")
        digits += (block if end < 0 else block[:end]).translate(None, _WHITE_SPACE)
        if end >= 0:
            stream.seek(end + 1 - len(block), 1)
            break
        if not block:
            raise PdfStreamError("the stream ends within a hexadecimal string")
    try:
        return generic.pdf_string(binascii.unhexlify(digits + b"0" * (len(digits) % 2)))
    except binascii.Error as exc:
        raise PdfStreamError("unexpected token in a hexadecimal string") from exc


generic.read_hex_string_from_stream = _read_hex_string  # looked up there by every reader


class RevisionWriter(IncrementalPdfFileWriter):
    """Appends one revision, reproducibly: nothing of it depends on the clock or on chance.

    pyHanko would draw a random file identifier and rewrite the XMP metadata with the time of day, which also
    disturbs the PDF/A identification that the document was made with.
    """

    @classmethod
    def of(cls, pdf: bytes) -> RevisionWriter:
        return cls(BytesIO(pdf), decode_limits=DECODE_LIMITS)

    @classmethod
    def _handle_id(cls, prev: Any) -> generic.ArrayObject:
        derived = hashlib.sha256(b"revision of " + prev.stream.getvalue()).digest()[:16]
        permanent = prev.trailer["/ID"][0].original_bytes if "/ID" in prev.trailer else derived
        return generic.ArrayObject(map(generic.ByteStringObject, (permanent, derived)))

    def _update_meta(self) -> None:
        """Leave Info and XMP as the document was made."""

    def finished(self) -> bytes:
        """The whole file with the new revision."""
        output = BytesIO()
        self.write(output)  # type: ignore[no-untyped-call]
        return output.getvalue()


def read(pdf: bytes) -> PdfFileReader:
    """A strict reader with bounds on what streams may expand to. Raises whatever pyHanko raises.

    Also ValueError for a cross-reference stream of more than MAX_OBJECTS entries, which pyHanko would walk before
    anything else is looked at.
    """
    for numbers in _XREF_SIZES.finditer(pdf):
        if any(int(number[:10]) > MAX_OBJECTS for number in numbers[1].split()):
            raise ValueError("too many objects")
    return PdfFileReader(BytesIO(pdf), strict=True, decode_limits=DECODE_LIMITS)


def revision_digests(pdf: bytes, before: int) -> Iterator[tuple[int, bytes]]:
    """(end, SHA-256 of the bytes up to there) of every revision that ends at or before offset `before`.

    A marker may be followed by a line end or not, and a writer may have added one: both cuts are given.
    """
    digest, position = hashlib.sha256(), 0
    for count, marker in enumerate(_END_OF_REVISION.finditer(pdf)):
        if count >= MAX_REVISIONS or marker.start() + 5 > before:
            return
        for end in sorted({marker.start() + 5, marker.end()}):
            digest.update(pdf[position:end])
            position = end
            yield end, digest.copy().digest()


def find_revision(sha256: bytes, pdf: bytes, reader: PdfFileReader, before: int) -> int | None:
    """The number of the revision (0 the first) that a prefix of the file with this SHA-256 ends; None without such.

    The prefix must be the document that its last cross-reference section describes, and hold no later one: what was
    shown from those bytes is then what the reader calls that revision.
    """
    for end, digest in revision_digests(pdf, before):
        if digest != sha256:
            continue
        sections = [reader.xrefs.get_xref_container_info(n).end_location for n in range(reader.xrefs.total_revisions)]
        number = sum(section <= end for section in sections) - 1
        last = _LAST_STARTXREF.search(pdf, max(0, end - 64), end)
        if (
            number >= 0
            and all(section <= end for section in sections[: number + 1])
            and last is not None
            and int(last[1]) == reader.xrefs.get_startxref_for_revision(number)
        ):
            return number
    return None


def is_revision_of(sha256: bytes, pdf: bytes, before: int | None = None) -> bool:
    """Whether a revision that ends at or before `before` (default: the file's end) has this SHA-256."""
    limit = len(pdf) if before is None else before
    return any(digest == sha256 for _, digest in revision_digests(pdf, limit))
