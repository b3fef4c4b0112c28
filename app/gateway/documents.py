"""JSON as the protocol wants it: one meaning per text, one text per meaning."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from pydantic_core import to_json

_TOO_DEEP = 32
_INTEGERS = 1 << 53


class InvalidJson(ValueError):
    """The octets are not one JSON object with a single meaning; `pointer` says where (RFC 6901)."""

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


def parse_object(octets: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8, without duplicate names, NaN or infinities (RFC 8259 §4, §6). Raises InvalidJson."""
    try:
        value = _DECODER.decode(octets.decode())
    except InvalidJson:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise InvalidJson("not JSON in UTF-8") from exc
    if not isinstance(value, dict):
        raise InvalidJson("not a JSON object")
    return value


def compact(value: object) -> str:
    """JSON without white space and escapes. Raises ValueError for what has no JSON."""
    return to_json(value).decode()


def canonical(document: dict[str, Any], *, any_numbers: bool = False) -> bytes:
    """The one text of a document: RFC 8785, for documents whose numbers are integers of at most 53 bits.

    With `any_numbers` others are written as they were read, for whoever looks at each part of the document by itself
    and refuses the part.

    Two documents are the same document exactly where these octets are equal. Raises InvalidJson for fractions,
    for integers that other languages would round, for lone surrogates and for nesting deeper than 32.
    """
    try:
        return compact(_ordered(document, 0, any_numbers)).encode()
    except _Faulty as fault:
        raise InvalidJson(fault.reason, "".join(f"/{_escape(str(part))}" for part in reversed(fault.place))) from None


class _Faulty(Exception):
    """A value that has no canonical form; its place is gathered on the way out, so that good documents pay nothing."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.place: list[str | int] = []


def _ordered(value: Any, depth: int, any_numbers: bool) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value)
    if value is None or kind is bool or (kind is int and -_INTEGERS < value < _INTEGERS):
        return value
    if depth > _TOO_DEEP:
        raise _Faulty("nested-too-deeply")
    if kind is dict:
        names = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf_16)
        return {name: _member(value, name, depth, any_numbers) for name in names}
    if kind is list:
        return [_member(value, index, depth, any_numbers) for index in range(len(value))]
    if any_numbers and (kind is int or isfinite(value)):
        return value
    raise _Faulty("not-an-integer" if kind is float else "too-large")


def _member(value: Any, name: Any, depth: int, any_numbers: bool) -> Any:
    try:
        return _ordered(value[name], depth + 1, any_numbers)
    except _Faulty as fault:
        fault.place.append(name)
        raise


def _utf_16(name: str) -> bytes:
    """RFC 8785 §3.2.3 sorts by UTF-16 code units; beyond the basic plane that is not by code points."""
    return _text(name).encode("utf-16-be")


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Faulty("not-a-character") from None
    return value


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJson("a name occurs twice in one object")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not a JSON number")


# Made once: making them costs as much as using them for a small document.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
