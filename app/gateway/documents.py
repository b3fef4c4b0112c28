"""JSON as the protocol wants it: one meaning per text, one text per meaning."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_TOO_DEEP = 32


class InvalidJson(ValueError):
    """The octets are not one JSON object with a single meaning; `pointer` says where (RFC 6901)."""

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


def parse_object(octets: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8, without duplicate names, NaN or infinities (RFC 8259 §4, §6). Raises InvalidJson."""
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except InvalidJson:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise InvalidJson("not JSON in UTF-8") from exc
    if not isinstance(value, dict):
        raise InvalidJson("not a JSON object")
    return value


def canonical(document: dict[str, Any]) -> bytes:
    """The one text of a document: RFC 8785, for documents whose numbers are integers of at most 53 bits.

    Two documents are the same document exactly where these octets are equal. Raises InvalidJson for fractions,
    for integers that other languages would round, for lone surrogates and for nesting deeper than 32.
    """
    return json.dumps(_ordered(document, "", 0), ensure_ascii=False, separators=(",", ":")).encode()


def _ordered(value: Any, pointer: str, depth: int) -> Any:
    if depth > _TOO_DEEP:
        raise InvalidJson("nested too deeply", pointer)
    match value:
        case dict():
            # RFC 8785 §3.2.3 sorts by UTF-16 code units; beyond the basic plane that is not by code points
            names = sorted(value, key=lambda name: _text(name, pointer).encode("utf-16-be"))
            return {name: _ordered(value[name], f"{pointer}/{_escape(name)}", depth + 1) for name in names}
        case list():
            return [_ordered(item, f"{pointer}/{index}", depth + 1) for index, item in enumerate(value)]
        case bool() | None:
            return value
        case int() if abs(value) < 1 << 53:
            return value
        case str():
            return _text(value, pointer)
    raise InvalidJson("not an integer of at most 53 bits", pointer)


def _text(value: str, pointer: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidJson("a lone surrogate is not a character", pointer) from exc
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
