"""What a page with a face check sends, strictly typed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.messages import Base64, Message, Sha256Hex


class FaceConsent(Message):
    """The separate consent to face information, given before the camera opens: exactly this wording."""

    face_wording_sha256: Sha256Hex
    decision: Literal["agree"]


class CapturedFrame(Message):
    """Which action a frame belongs to, and when it was taken, in milliseconds since the capture began."""

    action: int = Field(ge=0, le=15)
    at_ms: int = Field(ge=0, le=600_000)


class FaceMeta(Message):
    """What accompanies the frames: the challenge's nonce and the end of the hash chain over nonce and frames."""

    nonce: Annotated[Base64, Field(min_length=32, max_length=32)]
    chain: Sha256Hex
    frames: list[CapturedFrame] = Field(min_length=1, max_length=60)
