"""What making a receipt takes in CPU: plain functions over plain values, for the workshop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import segno
from cryptography import x509

from contracts import signing
from contracts.seals import company_seal
from contracts.signing import PendingSignature
from contracts.typesetting import Typesetter

_TEMPLATE = Path(__file__).parent / "receipt_template"
_FIELD = "bank-seal"
_SIDE = 96.4  # points: 34 mm, the seal's box in the template


@dataclass(frozen=True, slots=True)
class ReceiptStart:
    """What the first step needs: `facts` as the template reads them; certificates in DER, the issuer first."""

    facts: dict[str, Any]
    seal_name: str
    seal_code: str
    certificate: bytes
    chain: tuple[bytes, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class StartedReceipt:
    """The pending signature in its stored form, and what the bank's key has to sign (DER)."""

    pending: bytes
    signed_attributes: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    page: int
    x: float
    y: float
    width: float
    height: float


def begin(start: ReceiptStart) -> StartedReceipt:
    """Typeset the receipt and prepare the bank's signature with its seal, all but the value.

    Raises MissingGlyph, FontMissing, RenderingFailed, SigningFailed.
    """
    drawing = BytesIO()
    segno.make(start.facts["verify-url"], error="m").save(drawing, kind="svg", border=0, xmldecl=False)
    inputs = {"receipt": start.facts, "code": drawing.getvalue().decode()}
    pdf, [found] = _typesetter().typeset(inputs, created_at=start.at.replace(microsecond=0), label="seal-place")
    bottom = found["page-height"] - found["top"] - _SIDE
    place = _Place(_FIELD, found["page"] - 1, found["left"], bottom, _SIDE, _SIDE)
    pending = signing.begin_signature(
        signing.prepare_document(pdf, [place]),
        _FIELD,
        x509.load_der_x509_certificate(start.certificate),
        [x509.load_der_x509_certificate(der) for der in start.chain],
        seal=company_seal(start.seal_name, start.seal_code),
        at=start.at,
    )
    return StartedReceipt(pending.dump(), pending.signed_attributes)


def finish(pending: bytes, signature: bytes, timestamp: bytes) -> bytes:
    """The signed PDF. `timestamp` is a token over the SHA-256 of the signature value. Raises what signing raises."""
    return signing.finish_signature(PendingSignature.load(pending), signature, _Given(timestamp))


class _Given:
    """A TimestampSource that answers with the token that the caller fetched."""

    def __init__(self, token: bytes) -> None:
        self._token = token

    def timestamp(self, digest_sha256: bytes) -> bytes:
        return self._token


@cache
def _typesetter() -> Typesetter:
    return Typesetter(_TEMPLATE / "receipt.typ", root=_TEMPLATE)
