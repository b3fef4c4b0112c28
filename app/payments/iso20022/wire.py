"""Bytes <-> the classes of pyiso20022. Everything hostile in XML ends here, before any class sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from lxml import etree
from xsdata.exceptions import ConverterWarning, ParserError
from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig

from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.writing import write

MOST_OCTETS = 4 * 1024 * 1024
MOST_DEPTH = 24  # the deepest message here has 12
MOST_ELEMENTS = 200_000
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"

T = TypeVar("T")
_CONTEXT = XmlContext()
_PARSER = ParserConfig(
    fail_on_unknown_properties=True, fail_on_unknown_attributes=True, fail_on_converter_warnings=True
)


def to_xml(document: Any, kind: str) -> bytes:
    """A document of pyiso20022 as UTF-8 XML. Raises MessageRefused where it is none that the schema allows."""
    verify_facets(document)
    return write(document, NAMESPACE + kind)


def find_kind(root: etree._Element) -> str:
    """The message kind, such as pacs.008.001.08, of a checked tree. Raises MessageRefused."""
    name = etree.QName(root)
    if name.localname != "Document" or not (name.namespace or "").startswith(NAMESPACE):
        raise MessageRefused("not-iso-20022")
    return str(name.namespace).removeprefix(NAMESPACE)


def read_tree(xml: bytes) -> etree._Element:
    """Parse untrusted bytes. No DTD, no entities, no network; bounded in octets, depth and elements.

    Raises MessageRefused.
    """
    if len(xml) > MOST_OCTETS:
        raise MessageRefused("too-large")
    # Looked for in the bytes as well, so that nothing of a DTD is even read; other encodings could hide it.
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", xml, re.IGNORECASE):
        raise MessageRefused("has-dtd")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise MessageRefused("not-xml") from exc
    if root.getroottree().docinfo.doctype:
        raise MessageRefused("has-dtd")
    _verify_size(root)
    return root


def from_tree(root: etree._Element, kind: type[T]) -> T:
    """The checked tree as a class of pyiso20022, every facet of its schema checked. Raises MessageRefused."""
    try:
        document = XmlParser(context=_CONTEXT, config=_PARSER).parse(root, kind)
    except (ParserError, ConverterWarning, ValueError, TypeError) as exc:
        raise MessageRefused("not-in-schema", type(exc).__name__) from exc
    verify_facets(document)
    return document


def verify_facets(document: Any) -> None:
    """The facets of the schema (required, lengths, patterns, digits), which xsdata keeps but does not enforce.

    Raises MessageRefused with the path of the first fault.
    """
    members = _members(type(document))  # type: ignore[arg-type] # a class is hashable
    _verify(document, members or (), ())


@dataclass(frozen=True, slots=True)
class _Member:
    """One field of a class, with what its schema says of it."""

    field: str
    name: str
    required: bool
    least: int
    most: int | None
    facets: Mapping[str, Any]


def _verify(value: Any, members: tuple[_Member, ...], path: tuple[str, ...]) -> None:
    for member in members:
        found = getattr(value, member.field)
        if isinstance(found, list):
            if len(found) < member.least or (member.most is not None and len(found) > member.most):
                raise MessageRefused("wrong-number-of-elements", _place(path, member))
            for each in found:
                _verify_one(each, member, path)
        elif found is not None:
            _verify_one(found, member, path)
        elif member.required:
            raise MessageRefused("missing", _place(path, member))


def _verify_one(value: Any, member: _Member, path: tuple[str, ...]) -> None:
    inner = _members(type(value))  # type: ignore[arg-type] # a class is hashable
    if inner is not None:
        _verify(value, inner, (*path, member.name))
        return
    reason = None
    if isinstance(value, str):
        reason = _text_fault(value, member.facets)
    elif isinstance(value, Decimal):
        reason = "wrong-number" if _is_wrong_number(value, member.facets) else None
    if reason is not None:
        raise MessageRefused(reason, _place(path, member))


def _text_fault(value: str, facets: Mapping[str, Any]) -> str | None:
    if not facets.get("min_length", 0) <= len(value) <= facets.get("max_length", len(value)):
        return "wrong-length"
    pattern = facets.get("pattern")
    return "wrong-form" if pattern is not None and re.fullmatch(pattern, value) is None else None


def _is_wrong_number(value: Decimal, facets: Mapping[str, Any]) -> bool:
    if not value.is_finite():
        return True
    _, digits, exponent = value.as_tuple()
    places = max(0, -int(exponent))
    whole = max(len(digits) + int(exponent), 0)
    if places > facets.get("fraction_digits", places) or whole + places > facets.get("total_digits", 18):
        return True
    return "min_inclusive" in facets and value < facets["min_inclusive"]


def _place(path: tuple[str, ...], member: _Member) -> str:
    return "".join(f"/{name}" for name in (*path, member.name))


@cache
def _members(kind: type) -> tuple[_Member, ...] | None:
    """The fields of a class of pyiso20022; None where the value is text or a number itself."""
    if not is_dataclass(kind):
        return None
    found = []
    for each in fields(kind):
        facets = each.metadata
        required, most = facets.get("required", False), facets.get("max_occurs")
        found.append(
            _Member(each.name, facets.get("name", each.name), required, facets.get("min_occurs", 0), most, facets)
        )
    return tuple(found)


def _verify_size(root: etree._Element) -> None:
    elements = depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        elements += event == "start"
        if depth > MOST_DEPTH or elements > MOST_ELEMENTS:
            raise MessageRefused("too-deep" if depth > MOST_DEPTH else "too-large")
