"""Strict input from JSON: the base of messages, the types that recur in them, and how they are read."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.problems import Fault, InvalidInput

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """Base: nothing is coerced, nothing unknown is let in."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _from_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not a Base64 text")
    padded = value + "=" * (-len(value) % 4)
    try:
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a Base64 text") from None


Base64 = Annotated[bytes, BeforeValidator(_from_base64)]
Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def parse(kind: type[M], data: bytes | str) -> M:
    """Strictly typed input from JSON. Raises InvalidInput with the pointer of every fault."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as exc:
        faults = tuple(
            Fault("/" + "/".join(str(part) for part in error["loc"]), error["msg"])
            for error in exc.errors(include_url=False, include_input=False, include_context=False)
        )
        raise InvalidInput("the request does not have the expected form", faults=faults) from None
