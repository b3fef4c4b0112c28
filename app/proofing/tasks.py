"""What proofing does with untrusted pictures: plain functions over plain values, for the workshop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kyc.document_portrait import cut_portrait
from kyc.engine import load_engine
from kyc.images import PORTRAIT, decode_image, encode_jpeg, shrink

_LONGEST_SIDE: Final = 1600  # pixels: an officer reads a document on a screen


@dataclass(frozen=True, slots=True)
class TakenPortrait:
    """JPEG files without metadata: the portrait cut out, and the whole photograph as an officer looks at it."""

    portrait: bytes
    document: bytes


def take_portrait(photograph: bytes) -> TakenPortrait:
    """Cut the portrait from a photographed document. Raises ImageRejected, DocumentRejected, EngineUnavailable."""
    portrait = cut_portrait(photograph, load_engine())
    return TakenPortrait(portrait.image, encode_jpeg(shrink(decode_image(photograph, PORTRAIT), _LONGEST_SIDE)))
