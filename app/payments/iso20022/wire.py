"""Bytes <-> the classes of pyiso20022. Everything hostile in XML ends here, before any class sees it."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
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
    verify_facets(document, "")
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
    verify_facets(document, "")
    return document


def verify_facets(value: Any, path: str) -> None:
    """The facets of the schema (required, lengths, patterns, digits), which xsdata keeps but does not enforce.

    Raises MessageRefused with the path of the first fault.
    """
    for name, metadata, may_be_none in _facets(type(value)):  # type: ignore[arg-type] # a class is hashable
        member = getattr(value, name)
        if member is None and may_be_none:
            continue
        here = f"{path}/{metadata.get('name', name)}"
        members = member if isinstance(member, list) else [member]
        if len(members) < metadata.get("min_occurs", 0) or len(members) > metadata.get("max_occurs", len(members)):
            raise MessageRefused("wrong-number-of-elements", here)
        for each in members:
            if each is None:
                if metadata.get("required"):
                    raise MessageRefused("missing", here)
            elif is_dataclass(each):
                verify_facets(each, here)
            else:
                _verify_facet(each, metadata, here)


def _verify_facet(value: Any, metadata: Any, here: str) -> None:
    if isinstance(value, str):
        if not metadata.get("min_length", 0) <= len(value) <= metadata.get("max_length", len(value)):
            raise MessageRefused("wrong-length", here)
        pattern = metadata.get("pattern")
        if pattern is not None and re.fullmatch(pattern, value) is None:
            raise MessageRefused("wrong-form", here)
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise MessageRefused("wrong-number", here)
        _, digits, exponent = value.as_tuple()
        places = max(0, -int(exponent))
        whole = max(len(digits) + int(exponent), 0)
        if places > metadata.get("fraction_digits", places) or whole + places > metadata.get("total_digits", 18):
            raise MessageRefused("wrong-number", here)
        if "min_inclusive" in metadata and value < metadata["min_inclusive"]:
            raise MessageRefused("wrong-number", here)


@cache
def _facets(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    """(field, its facets, whether nothing is a good value) of a class."""
    if not is_dataclass(kind):
        return ()
    return tuple((each.name, each.metadata, not each.metadata.get("required")) for each in fields(kind))


def _verify_size(root: etree._Element) -> None:
    elements = depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        elements += event == "start"
        if depth > MOST_DEPTH or elements > MOST_ELEMENTS:
            raise MessageRefused("too-deep" if depth > MOST_DEPTH else "too-large")
