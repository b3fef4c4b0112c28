"""What the signing page sends, strictly typed. Base64 and hexadecimal become bytes here and nowhere else."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.problems import Fault, InvalidInput

M = TypeVar("M", bound=BaseModel)


def _from_base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not a Base64 text")
    padded = value + "=" * (-len(value) % 4)
    try:
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a Base64 text") from None


def _readable(text: str) -> str:
    if not text.strip() or not text.replace("\n", "").isprintable():
        raise ValueError("not a readable text")
    return text


def _agreed(value: bool) -> bool:
    if not value:
        raise ValueError("not agreed")
    return value


Agreed = Annotated[bool, AfterValidator(_agreed)]  # not Literal[True], to which the number 1 is equal
Base64 = Annotated[bytes, BeforeValidator(_from_base64)]
Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Message(BaseModel):
    """Base: nothing is coerced, nothing unknown is let in."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Identify(Message):
    """The last six characters of the identity number."""

    identity_last6: str = Field(pattern=r"^[0-9]{5}[0-9Xx]$")


class Read(Message):
    """The document was read to its end."""

    document_sha256: Sha256Hex


class Consent(Message):
    """Agreement to exactly this wording for exactly this document, and the separate consent to face information."""

    consent_sha256: Sha256Hex
    document_sha256: Sha256Hex
    agree: Agreed
    face_information: Agreed


class CapturedFrame(Message):
    """Which action a frame belongs to, and when it was taken, in milliseconds since the capture began."""

    action: int = Field(ge=0, le=15)
    at_ms: int = Field(ge=0, le=600_000)


class FaceMeta(Message):
    """What accompanies the frames: the challenge's nonce and the end of the hash chain over nonce and frames."""

    nonce: Annotated[Base64, Field(min_length=32, max_length=32)]
    chain: Sha256Hex
    frames: list[CapturedFrame] = Field(min_length=1, max_length=60)


class Key(Message):
    """The browser's public key (SPKI, DER) and its signature (P1363) over the server's challenge."""

    spki: Annotated[Base64, Field(min_length=1, max_length=1024)]
    proof: Annotated[Base64, Field(min_length=64, max_length=64)]


class SignatureValue(Message):
    """The signature (P1363) over the signed attributes."""

    signature_id: str = Field(pattern=r"^[0-9a-z]{26}$")
    signature: Annotated[Base64, Field(min_length=64, max_length=64)]


class Decline(Message):
    """Why the party does not sign."""

    reason: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_readable)]


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
