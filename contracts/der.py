"""Strict DER, read shallowly: elements with their exact bytes (ITU-T X.690 §8, §10).

Parsers that read leniently, or write back something else than they read, have no place between a signature and its
verdict; what nobody signed is compared byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1
PRIMITIVE_0 = 0x80
_MAX_LENGTH_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Element:
    tag: int
    """The identifier octet; tag numbers above 30 occur nowhere here and are refused."""
    content: bytes
    whole: bytes


def elements(data: bytes, *tags: int) -> list[Element]:
    """The DER elements that `data` consists of, with these identifier octets where given. Raises ValueError."""
    found, position = list[Element](), 0
    while position < len(data):
        element = first(data, position)
        found.append(element)
        position += len(element.whole)
    if tags and [element.tag for element in found] != list(tags):
        raise ValueError("unexpected element")
    return found


def first(data: bytes, position: int = 0) -> Element:
    """The element at this position; what follows is not looked at. Raises ValueError."""
    if position + 2 > len(data):
        raise ValueError("truncated")
    tag, length = data[position], data[position + 1]
    start = position + 2
    if length >= 0x80:
        octets = length & 0x7F
        if not 0 < octets <= _MAX_LENGTH_OCTETS or start + octets > len(data):
            raise ValueError("not a DER length")
        length = int.from_bytes(data[start : start + octets], "big")
        if length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise ValueError("not the shortest length")
        start += octets
    if tag & 0x1F == 0x1F or start + length > len(data):
        raise ValueError("truncated, or a long tag")
    return Element(tag, data[start : start + length], data[position : start + length])
