"""The rules of PDF/A-2b (ISO 19005-2) that signing, sealing and archiving could break, checked on raw objects.

No validator of the whole standard is to be had from the registries that this project draws on; these are the rules of
the veraPDF profile that concern structure, fonts, annotations, forms, actions, metadata and output intent.
"""

# ruff: noqa: SIM401  (a dictionary of the library follows references in [] alone)

import re
from io import BytesIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

_INVISIBLE, _HIDDEN, _PRINT, _NO_VIEW, _TOGGLE = 1, 2, 4, 32, 256
_ACTIONS = {"/GoTo", "/GoToR", "/Thread", "/URI", "/Named", "/SubmitForm"}


def violations(pdf):
    """Every rule that is broken, as "clause: what"."""
    reader = PdfFileReader(BytesIO(pdf))
    found = [*_file(pdf, reader), *_catalog(reader)]
    for value in _reachable(reader):
        if isinstance(value, generic.DictionaryObject):
            found += _dictionary(value)
    return found


def _file(pdf, reader):
    if not re.match(rb"%PDF-1\.[0-7][\r\n]+%[\x80-\xff]{4}", pdf):
        yield "6.1.2: header"
    if "/ID" not in reader.trailer or "/Encrypt" in reader.trailer:
        yield "6.1.3: trailer"
    if not re.search(rb"%%EOF(?:\r\n|\n|\r)?\Z", pdf):
        yield "6.1.3: data after the end"
    for digits in re.findall(rb"<([0-9A-Fa-f\s]{2,200})>", pdf[-4000:]):
        if len(re.sub(rb"\s", b"", digits)) % 2:
            yield "6.1.6: a hexadecimal string of odd length"
    if any(len(entry) != 20 for entry in re.findall(rb"(?m)^\d{10} \d{5} [fn][ \r]?[\r\n]", pdf)):
        yield "6.1.4: a cross-reference entry"


def _catalog(reader):
    catalog = reader.root
    metadata = catalog["/Metadata"].data if "/Metadata" in catalog else b""
    if not re.search(rb"<pdfaid:part>2</pdfaid:part>", metadata):
        yield "6.6.4: no identification as part 2"
    if not re.search(rb"<pdfaid:conformance>[BUA]</pdfaid:conformance>", metadata):
        yield "6.6.4: no conformance level"
    intents = catalog["/OutputIntents"] if "/OutputIntents" in catalog else []
    if not any(intent.get_object()["/S"] == "/GTS_PDFA1" for intent in intents):
        yield "6.2.3: no output intent"
    if not all("/DestOutputProfile" in intent.get_object() for intent in intents):
        yield "6.2.3: an output intent without profile"
    if "/AA" in catalog or "/NeedsRendering" in catalog or "/Requirements" in catalog:
        yield "6.5.2, 6.4.2, 6.11: catalog"
    form = catalog["/AcroForm"] if "/AcroForm" in catalog else {}
    if "/XFA" in form or (form.get("/NeedAppearances")):
        yield "6.4.1: the form"


def _dictionary(value):
    kind, subtype = value.get("/Type"), value.get("/Subtype")
    if isinstance(value, generic.StreamObject):
        filters = value["/Filter"] if "/Filter" in value else []
        if {"/LZWDecode", "/Crypt"} & set(filters if isinstance(filters, list) else [filters]):
            yield "6.1.7.2: a filter"
        if {"/F", "/FFilter", "/FDecodeParms"} & set(value):
            yield "6.1.7.1: an external stream"
        if subtype == "/Image" and ("/Alternates" in value or "/OPI" in value):
            yield "6.2.8: an image"
        if subtype == "/PS" or "/PS" in value or (subtype == "/Form" and "/Ref" in value):
            yield "6.2.9: a form"
    if kind == "/FontDescriptor" and not {"/FontFile", "/FontFile2", "/FontFile3"} & set(value):
        yield "6.2.11.4.1: a font that is not embedded"
    if subtype == "/CIDFontType2" and "/CIDToGIDMap" not in value:
        yield "6.2.11.3.2: no CIDToGIDMap"
    if kind == "/Action" and value["/S"] not in _ACTIONS:
        yield f"6.5.1: an action {value['/S']}"
    if kind == "/Annot" or (subtype == "/Widget" and "/Rect" in value):
        yield from _annotation(value)
    if kind == "/ExtGState" and ("/TR" in value or ("/TR2" in value and value["/TR2"] != "/Default")):
        yield "6.2.5: a transfer function"
    if kind == "/Filespec" and "/EF" in value:
        yield "6.8: an embedded file"


def _annotation(value):
    flags = int(value["/F"]) if "/F" in value else 0
    if not flags & _PRINT or flags & (_INVISIBLE | _HIDDEN | _NO_VIEW | _TOGGLE):
        yield "6.3.2: flags of an annotation"
    left, bottom, right, top = (float(n) for n in value["/Rect"])
    if "/AP" in value and set(value["/AP"]) != {"/N"}:
        yield "6.3.3: appearances beside the normal one"
    if "/AP" not in value and left != right and bottom != top:
        yield "6.3.3: no appearance"
    if "/A" in value or "/AA" in value:
        yield "6.4.1: a widget with an action"


def _reachable(reader):
    pending, seen = [reader.root], set()
    while pending:
        value = pending.pop()
        if isinstance(value, generic.IndirectObject):
            if value.reference in seen:
                continue
            seen.add(value.reference)
            value = value.get_object()
        yield value
        if isinstance(value, generic.DictionaryObject):
            pending.extend(value.raw_get(key) for key in value)
        elif isinstance(value, generic.ArrayObject):
            pending.extend(value.raw_get(index) for index in range(len(value)))
