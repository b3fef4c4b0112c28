"""What platforms send to have a contract verified."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, field_validator

from app.gateway.typed_documents import Document

MAX_FILE = 5 * 1024 * 1024  # octets of the PDF


class VerifyDocument(Document):
    """POST /api/v1/contracts/verify. `file` is the PDF in Base64 (RFC 4648 §4); `at` is when the signatures are to be
    judged (RFC 3339, with its offset), now unless given."""

    file: Annotated[str, Field(min_length=8, max_length=MAX_FILE * 4 // 3 + 4, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    at: Annotated[str, Field(max_length=40)] | None = None

    @field_validator("at")
    @classmethod
    def _check_at(cls, text: str | None) -> str | None:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("a time without its offset")
        return text
