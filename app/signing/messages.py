"""What the signing page sends, strictly typed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from app.messages import Base64, Message, Sha256Hex


def _readable(text: str) -> str:
    if not text.strip() or not text.replace("\n", "").isprintable():
        raise ValueError("not a readable text")
    return text


def _agreed(value: bool) -> bool:
    if not value:
        raise ValueError("not agreed")
    return value


Agreed = Annotated[bool, AfterValidator(_agreed)]  # not Literal[True], to which the number 1 is equal


class Identify(Message):
    """The last six characters of the identity number."""

    identity_last6: str = Field(pattern=r"^[0-9]{5}[0-9Xx]$")


class Read(Message):
    """The document was read to its end."""

    document_sha256: Sha256Hex


class Consent(Message):
    """Agreement to exactly this wording for exactly this document."""

    consent_sha256: Sha256Hex
    document_sha256: Sha256Hex
    agree: Agreed


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
