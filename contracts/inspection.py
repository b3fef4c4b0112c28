"""Refuse PDFs prepared for more than being read: active content, hidden content, room for a later switch.

Mainka, Mladenov, Rohlmann, "Shadow Attacks: Hiding and Replacing Content in Signed PDFs" (NDSS 2021): what a
later increment could reveal must not be there when the document is signed.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from contracts.errors import UnsafeDocument
from contracts.revisions import MAX_DOCUMENT_BYTES, read

MAX_PAGES = 300
MAX_OBJECTS = 50_000
MAX_SECONDS = 10.0

REASONS: dict[str, tuple[str, str]] = {
    "too-large": ("文件过大", "The file is too large"),
    "too-many-pages": ("页数过多", "The document has too many pages"),
    "too-complex": ("文件结构过于复杂", "The file is too complex to inspect"),
    "broken": ("文件损坏或者不是规范的 PDF", "The file is broken or no well-formed PDF"),
    "encrypted": ("文件已加密", "The file is encrypted"),
    "trailing-data": ("文件末尾有多余数据", "There is data after the end of the document"),
    "incremental-update": ("文件含有增量更新", "The file holds incremental updates"),
    "hybrid-reference": ("文件含有混合交叉引用", "The file has hybrid cross-reference tables"),
    "missing-object": ("文件引用了不存在的对象", "The file refers to objects that are not there"),
    "unreferenced-object": ("文件含有未被引用的隐藏对象", "The file holds objects that nothing shows"),
    "javascript": ("文件含有脚本", "The file contains JavaScript"),
    "action": ("文件含有自动执行的动作", "The file contains actions that act by themselves"),
    "embedded-file": ("文件含有附件", "The file contains attachments"),
    "external-reference": ("文件引用了外部资源", "The file refers to something outside itself"),
    "xfa": ("文件含有 XFA 表单", "The file contains an XFA form"),
    "form-field": ("文件含有表单域", "The file contains form fields"),
    "signature": ("文件已有签名", "The file is signed already"),
    "annotation": ("文件含有可遮盖内容的批注", "The file contains annotations that can cover content"),
    "optional-content": ("文件含有可隐藏的图层", "The file contains layers that can be hidden"),
}
"""Stable code -> (Chinese, English)."""

_EXTERNAL_ACTIONS = {"/GoToR", "/GoToE", "/URI", "/SubmitForm", "/ImportData", "/Thread"}
_HARMLESS_ACTIONS = {"/GoTo", "/Named"}
_SHOWABLE = {"/Page", "/Pages", "/Catalog", "/Annot", "/XObject", "/Font"}
_KEYS = {
    "/JS": "javascript",
    "/JavaScript": "javascript",
    "/AA": "action",
    "/EF": "embedded-file",
    "/EmbeddedFiles": "embedded-file",
    "/AF": "embedded-file",
    "/XFA": "xfa",
    "/OCProperties": "optional-content",
    "/Ref": "external-reference",
    "/OPI": "external-reference",
    "/AcroForm": "form-field",
}
_AFTER_THE_END = re.compile(rb"%%EOF[\r\n]*(?P<rest>.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a document."""

    reason: str
    """A key of `REASONS`."""
    detail: str
    """Where, for the technician."""

    @property
    def text_zh(self) -> str:
        return REASONS[self.reason][0]

    @property
    def text_en(self) -> str:
        return REASONS[self.reason][1]


@dataclass(frozen=True, slots=True)
class InspectedDocument:
    """Facts about a document in which nothing was found."""

    sha256: str
    pages: int
    objects: int


def inspect(pdf: bytes) -> InspectedDocument:
    """Inspect an unsigned document before it may be signed. Raises UnsafeDocument for the first finding."""
    findings, document = _examine(pdf)
    for finding in findings:
        raise UnsafeDocument(finding.reason, finding.detail)
    assert document is not None  # nothing found means that the walk came to its end
    return document


def find_hazards(pdf: bytes) -> tuple[Finding, ...]:
    """Everything found, at most one finding per reason; empty for a document that may be signed."""
    return _examine(pdf)[0]


def _examine(pdf: bytes) -> tuple[tuple[Finding, ...], InspectedDocument | None]:
    found: dict[str, Finding] = {}
    document: InspectedDocument | None = None
    try:
        if len(pdf) > MAX_DOCUMENT_BYTES:
            raise UnsafeDocument("too-large", f"{len(pdf)} bytes")
        reader = read(pdf)
        for finding in _file_findings(pdf, reader):
            found.setdefault(finding.reason, finding)
        if "encrypted" not in found:
            walk = _Walk(reader, found)
            walk.run()
            document = InspectedDocument(hashlib.sha256(pdf).hexdigest(), walk.pages, len(walk.seen))
    except UnsafeDocument as exc:
        found.setdefault(exc.reason, Finding(exc.reason, exc.detail))
    except Exception as exc:  # a parser meets hostile input with errors of every kind
        found.setdefault("broken", Finding("broken", f"{type(exc).__name__}: {exc}"))
    return tuple(found.values()), document


def _file_findings(pdf: bytes, reader: PdfFileReader) -> Iterator[Finding]:
    if reader.encrypted:
        yield Finding("encrypted", "")
    if not pdf.startswith(b"%PDF-"):
        yield Finding("broken", "the header is not at the beginning")
    if pdf.count(b"startxref") > 1 or reader.total_revisions != 1:
        yield Finding("incremental-update", f"{reader.total_revisions} revisions")
    if reader.xrefs.hybrid_xrefs_present:
        yield Finding("hybrid-reference", "")
    tail = _AFTER_THE_END.search(pdf, max(0, pdf.rfind(b"%%EOF")))
    if tail is None or tail["rest"]:
        yield Finding("trailing-data", "")


class _Walk:
    """Visits everything reachable from the trailer once, within bounds."""

    def __init__(self, reader: PdfFileReader, found: dict[str, Finding]) -> None:
        self.reader = reader
        self.found = found
        self.seen: set[tuple[int, int]] = set()
        self.pages = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    def run(self) -> None:
        stack: list[tuple[Any, str]] = [(self.reader.trailer_view, "trailer")]
        visited = 0
        while stack:
            visited += 1
            if visited > 20 * MAX_OBJECTS or time.monotonic() > self._deadline:
                raise UnsafeDocument("too-complex", f"after {visited} values")
            value, where = stack.pop()
            if isinstance(value, generic.IndirectObject):
                key = (value.idnum, value.generation)
                if key in self.seen:
                    continue
                self.seen.add(key)
                if len(self.seen) > MAX_OBJECTS:
                    raise UnsafeDocument("too-complex", f"more than {MAX_OBJECTS} objects")
                where = f"object {value.idnum}"
                value = self._resolve(value)
            if isinstance(value, generic.DictionaryObject):
                self._check_dictionary(value, where)
                stack.extend((item, where) for item in value.values())
            elif isinstance(value, generic.ArrayObject):
                stack.extend((item, where) for item in value)
        self._check_unreferenced()

    def _resolve(self, reference: generic.IndirectObject) -> Any:
        entry = self.reader.xrefs[reference.reference]
        if entry is None:
            self._find("missing-object", f"object {reference.idnum}")
            return None
        return self.reader.get_object(reference.reference)  # type: ignore[no-untyped-call]

    def _check_dictionary(self, value: generic.DictionaryObject, where: str) -> None:
        kind = _name(value, "/Type")
        for key in value:
            if key in _KEYS and not (key == "/AcroForm" and not _fields(value)):
                self._find(_KEYS[key], where)
        if kind == "/Page":
            self.pages += 1
            if self.pages > MAX_PAGES:
                raise UnsafeDocument("too-many-pages", f"more than {MAX_PAGES}")
        if kind == "/Filespec":
            self._find("embedded-file", where)
        if kind in {"/Sig", "/DocTimeStamp"} or "/ByteRange" in value:
            self._find("signature", where)
        if isinstance(value, generic.StreamObject) and "/F" in value:
            self._find("external-reference", f"{where}: external stream")
        if kind == "/Annot" or ("/Subtype" in value and "/Rect" in value):
            self._check_annotation(value, where)
        if kind == "/Catalog" and "/OpenAction" in value:
            self._check_action(value["/OpenAction"], where)
        action = _name(value, "/S")
        if kind == "/Action" or action in _EXTERNAL_ACTIONS or action in {"/JavaScript", "/Launch"}:
            self._check_action(value, where)

    def _check_annotation(self, annotation: generic.DictionaryObject, where: str) -> None:
        subtype = _name(annotation, "/Subtype")
        if subtype == "/Widget":
            self._find("form-field", where)
        elif subtype != "/Link" or "/AP" in annotation:
            self._find("annotation", f"{where}: {subtype}")
        if "/A" in annotation:
            self._check_action(annotation["/A"], where)

    def _check_action(self, action: Any, where: str) -> None:
        if not isinstance(action, generic.DictionaryObject):
            return  # a destination, which only moves the view
        kind = _name(action, "/S")
        if kind == "/JavaScript":
            self._find("javascript", where)
        elif kind in _EXTERNAL_ACTIONS:
            self._find("external-reference", f"{where}: {kind}")
        elif kind not in _HARMLESS_ACTIONS:
            self._find("action", f"{where}: {kind}")

    def _check_unreferenced(self) -> None:
        for reference in self.reader.xrefs.explicit_refs_in_revision(0):
            if (reference.idnum, reference.generation) in self.seen:
                continue
            value = self.reader.get_object(reference)  # type: ignore[no-untyped-call]
            kind = _name(value, "/Type") if isinstance(value, generic.DictionaryObject) else ""
            infrastructure = kind in {"/XRef", "/ObjStm"}
            if (isinstance(value, generic.StreamObject) and not infrastructure) or kind in _SHOWABLE:
                self._find("unreferenced-object", f"object {reference.idnum}")
                return

    def _find(self, reason: str, detail: str) -> None:
        self.found.setdefault(reason, Finding(reason, detail))


def _name(value: generic.DictionaryObject, key: str) -> str:
    try:
        item = value[key]
    except KeyError:
        return ""
    return str(item) if isinstance(item, generic.NameObject) else ""


def _fields(catalog: generic.DictionaryObject) -> bool:
    """Whether a form in the catalog holds anything; an empty one is harmless."""
    form = catalog["/AcroForm"]
    return not isinstance(form, generic.DictionaryObject) or bool(form.get("/Fields", None)) or "/XFA" in form
