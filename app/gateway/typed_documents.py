"""Signed JSON documents to typed values: strict, bounded, every fault named by a JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from app.gateway.documents import InvalidJson, parse_object
from app.gateway.problems import InvalidDocument
from app.problems import Fault

MAX_DOCUMENT = 64 * 1024
MAX_FAULTS = 50


class Document(BaseModel):
    """Base of all documents: no conversions, no unknown members, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


DocumentType = TypeVar("DocumentType", bound=Document)


def parse_document(
    data: bytes, model: type[DocumentType], limit: int = MAX_DOCUMENT, *, members: Mapping[str, Any] | None = None
) -> DocumentType:
    """Signed bytes (at most `limit`) to a typed document; `members` is what they say, where somebody has parsed them.

    Raises InvalidDocument with all faults (RFC 6901 pointers, stable reasons).
    """
    if len(data) > limit:
        raise InvalidDocument("too long", faults=(Fault("", "too-long"),))
    try:
        return model.model_validate(parse_object(data) if members is None else members)
    except InvalidJson as exc:
        raise InvalidDocument(exc.reason, faults=(Fault(exc.pointer, "not-json"),)) from exc
    except ValidationError as exc:
        raise InvalidDocument(f"{exc.error_count()} faults", faults=faults_of(exc)) from exc


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """The first faults that a model found."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(Fault(_pointer(each["loc"]), _reason(each["type"])) for each in errors[:MAX_FAULTS])


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


_REASONS = {
    "missing": "missing",
    "extra_forbidden": "unknown-member",
    "model_type": "not-an-object",
    "model_attributes_type": "not-an-object",
    "string_type": "not-a-string",
    "string_too_short": "too-short",
    "string_too_long": "too-long",
    "string_pattern_mismatch": "wrong-form",
    "int_type": "not-an-integer",
    "int_from_float": "not-an-integer",
    "int_parsing_size": "too-large",
    "greater_than": "not-positive",
    "greater_than_equal": "negative",
    "less_than_equal": "too-large",
    "literal_error": "not-supported",
}


def _reason(pydantic_type: str) -> str:
    return _REASONS.get(pydantic_type, pydantic_type.replace("_", "-") if "-" not in pydantic_type else pydantic_type)
