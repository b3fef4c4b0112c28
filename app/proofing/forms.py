"""What the pages of identity proofing send."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.identity.forms import FormMessage, Uscc, fault
from app.proofing.assistance import DocumentKind, Method

Reason = Annotated[str, Field(min_length=4, max_length=500)]


class Reasoned(FormMessage):
    """Whatever an officer decides: why."""

    reason: Reason


class Verdict(FormMessage):
    """POST /proofing/portraits/<id>"""

    verdict: Literal["accept", "refuse"]
    reason: Reason


class Identification(FormMessage):
    """POST /proofing/assistance/<id>/identify: how the officer saw the person."""

    method: Method
    first_document: DocumentKind
    second_document: DocumentKind
    notes: Annotated[str, Field(min_length=10, max_length=4000, repr=False)]

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.first_document == self.second_document:
            raise fault("须查验两种不同的证件", "Two different documents are needed")
        return self


class Enterprise(FormMessage):
    """POST /proofing/register: the four elements."""

    name: Annotated[str, Field(min_length=2, max_length=200)]
    uscc: Uscc
    legal_representative: Annotated[str, Field(min_length=2, max_length=60)]
    identity_number: Annotated[str, Field(max_length=32, repr=False)]


class Contact(FormMessage):
    """POST /sign/<token>/assistance: how officers reach the person."""

    contact: Annotated[str, Field(min_length=5, max_length=100, repr=False)]


class Code(FormMessage):
    """POST /sign/<token>/assistance/code: what the officer told."""

    code: Annotated[str, Field(pattern=r"^[0-9 ]{8,12}$", repr=False)]


class Withdrawal(FormMessage):
    """POST /sign/<token>/privacy."""

    agree: Annotated[str, Field(pattern="^yes$")]
