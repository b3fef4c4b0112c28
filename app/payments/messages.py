"""The signed JSON documents of the payment endpoints: strict, typed, every fault named by a JSON pointer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.gateway.documents import InvalidJson, parse_object
from app.gateway.problems import InvalidDocument
from app.payments.account_number import is_account_number
from app.payments.party_text import find_text_fault
from app.problems import Fault
from app.routing.clearing_code import InvalidClearingCode, parse_clearing_code

MAX_DOCUMENT = 64 * 1024
MAX_AMOUNT = 100_000_000_000_00  # one hundred billion yuan in fen; larger is a mistake
MAX_FAULTS = 50
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def _plain_text(text: str) -> str:
    if fault := find_text_fault(text):
        raise PydanticCustomError(fault, "text")
    return text


def _own_account(number: str) -> str:
    if not is_account_number(number):
        raise PydanticCustomError("account-check-digit", "account")
    return number


def _clearing_code(digits: str) -> str:
    try:
        parse_clearing_code(digits)
    except InvalidClearingCode as exc:
        raise PydanticCustomError(exc.reason, "clearing code") from exc
    return digits


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.match(value):
        raise PydanticCustomError("not-a-time", "RFC 3339")
    try:
        return datetime.fromisoformat(value)
    except ValueError as exc:
        raise PydanticCustomError("not-a-time", "RFC 3339") from exc


PlainText = Annotated[str, AfterValidator(_plain_text)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
InstructionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\z")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Payee(_Document):
    """Who is paid.

    `clearing_code` (12 digits) overrides `bank_text`; with neither, the account must be the bank's own.
    """

    name: Annotated[PlainText, Field(min_length=1, max_length=100)]
    account: Annotated[str, Field(pattern=r"^[0-9]{6,32}\z")]
    bank_text: Annotated[PlainText, Field(min_length=1, max_length=200)] | None = None
    clearing_code: Annotated[str, AfterValidator(_clearing_code)] | None = None


class PaymentDocument(_Document):
    """One payment. `instruction_id` names it for ever within the enterprise; amounts are fen."""

    instruction_id: InstructionId
    amount_minor: Annotated[int, Field(gt=0, le=MAX_AMOUNT)]
    currency: Literal["CNY"]
    payer_account: Annotated[str, Field(pattern=r"^[0-9]{12,19}\z"), AfterValidator(_own_account)]
    payee: Payee
    purpose: Annotated[PlainText, Field(min_length=1, max_length=140)]
    requested_at: Moment | None = None


class StatusDocument(_Document):
    """Asks for one payment, by the enterprise's name for it or by the bank's reference."""

    instruction_id: InstructionId | None = None
    bank_reference: Annotated[str, Field(pattern=r"^[0-9a-z]{26}\z")] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> StatusDocument:
        if (self.instruction_id is None) == (self.bank_reference is None):
            raise PydanticCustomError("exactly-one-of-instruction_id-and-bank_reference", "one name")
        return self


DocumentType = TypeVar("DocumentType", bound=_Document)


def parse_document(data: bytes, model: type[DocumentType]) -> DocumentType:
    """Signed bytes to a typed document.

    Raises InvalidDocument with all faults (RFC 6901 pointers, stable reasons).
    """
    if len(data) > MAX_DOCUMENT:
        raise InvalidDocument("too long", faults=(Fault("", "too-long"),))
    try:
        return model.model_validate(parse_object(data))
    except InvalidJson as exc:
        raise InvalidDocument(exc.reason, faults=(Fault(exc.pointer, "not-json"),)) from exc
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        faults = tuple(Fault(_pointer(error["loc"]), _reason(error["type"])) for error in errors[:MAX_FAULTS])
        raise InvalidDocument(f"{len(errors)} faults", faults=faults) from exc


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
    "less_than_equal": "too-large",
    "literal_error": "not-supported",
}


def _reason(pydantic_type: str) -> str:
    return _REASONS.get(
        pydantic_type, pydantic_type.replace("_", "-") if "-" not in pydantic_type else pydantic_type
    )
