"""The signed JSON documents of the payment endpoints: strict, typed, every fault named by a JSON pointer."""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from app.gateway.typed_documents import Document
from app.payments.account_number import is_account_number
from app.payments.party_text import find_text_fault
from app.routing.clearing_code import InvalidClearingCode, parse_clearing_code

MAX_AMOUNT = 100_000_000_000_00  # one hundred billion yuan in fen; larger is a mistake
MAX_ITEMS = 10_000
_REMEMBERED = 4096
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)  # so that there is a day before and after each
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def _plain_text(text: str) -> str:
    if fault := _text_fault(text):
        raise PydanticCustomError(fault, "text")
    return text


def _own_account(number: str) -> str:
    if not _is_account_number(number):
        raise PydanticCustomError("account-check-digit", "account")
    return number


def _clearing_code(digits: str) -> str:
    if fault := _clearing_code_fault(digits):
        raise PydanticCustomError(fault, "clearing code")
    return digits


# Names, purposes, accounts and codes recur, and each of these looks at every character.
_text_fault = lru_cache(maxsize=_REMEMBERED)(find_text_fault)
_is_account_number = lru_cache(maxsize=_REMEMBERED)(is_account_number)


@lru_cache(maxsize=_REMEMBERED)
def _clearing_code_fault(digits: str) -> str | None:
    try:
        parse_clearing_code(digits)
    except InvalidClearingCode as exc:
        return exc.reason
    return None


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.match(value):
        raise PydanticCustomError("not-a-time", "RFC 3339")
    try:
        return datetime.fromisoformat(value)
    except ValueError as exc:
        raise PydanticCustomError("not-a-time", "RFC 3339") from exc


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.match(value):
        raise PydanticCustomError("not-a-date", "ISO 8601")
    try:
        day = date.fromisoformat(value)
    except ValueError as exc:
        raise PydanticCustomError("not-a-date", "ISO 8601") from exc
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise PydanticCustomError("not-a-date", "a day of this service's life")
    return day


PlainText = Annotated[str, AfterValidator(_plain_text)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Day = Annotated[date, BeforeValidator(_day)]
OwnAccount = Annotated[str, Field(pattern=r"^[0-9]{12,19}\z"), AfterValidator(_own_account)]
InstructionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\z")]


class Payee(Document):
    """Who is paid.

    `clearing_code` (12 digits) overrides `bank_text`; with neither, the account must be the bank's own.
    """

    name: Annotated[PlainText, Field(min_length=1, max_length=100)]
    account: Annotated[str, Field(pattern=r"^[0-9]{6,32}\z")]
    bank_text: Annotated[PlainText, Field(min_length=1, max_length=200)] | None = None
    clearing_code: Annotated[str, AfterValidator(_clearing_code)] | None = None


class PaymentDocument(Document):
    """One payment. `instruction_id` names it for ever within the enterprise; amounts are fen."""

    instruction_id: InstructionId
    amount_minor: Annotated[int, Field(gt=0, le=MAX_AMOUNT)]
    currency: Literal["CNY"]
    payer_account: OwnAccount
    payee: Payee
    purpose: Annotated[PlainText, Field(min_length=1, max_length=140)]
    requested_at: Moment | None = None


class BatchItem(Document):
    """One payment of a batch; the payer's account is the batch's."""

    instruction_id: InstructionId
    amount_minor: Annotated[int, Field(gt=0, le=MAX_AMOUNT)]
    payee: Payee
    purpose: Annotated[PlainText, Field(min_length=1, max_length=140)] | None = None


class BatchDocument(Document):
    """Up to 10,000 payments in one signed document, from one account. `batch_id` names it for ever.

    `items` are checked one by one (`batches.py`), so that a bad one keeps no other from being paid.
    """

    batch_id: InstructionId
    kind: Literal["payments", "payroll"]
    currency: Literal["CNY"]
    payer_account: OwnAccount
    purpose: Annotated[PlainText, Field(min_length=1, max_length=140)]
    requested_at: Moment | None = None
    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_ITEMS)]


class _OneName(Document):
    instruction_id: InstructionId | None = None
    bank_reference: Annotated[str, Field(pattern=r"^[0-9a-z]{26}\z")] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> _OneName:
        if (self.instruction_id is None) == (self.bank_reference is None):
            raise PydanticCustomError("exactly-one-of-instruction_id-and-bank_reference", "one name")
        return self


class StatusDocument(_OneName):
    """Asks for one payment, by the enterprise's name for it or by the bank's reference."""


class CancelDocument(_OneName):
    """Takes one payment back before it leaves."""

    reason: Annotated[PlainText, Field(min_length=1, max_length=140)]


class BatchStatusDocument(Document):
    """Asks for a batch: its state and what became of its items, a page at a time."""

    batch_id: InstructionId
    from_position: Annotated[int, Field(ge=0, lt=MAX_ITEMS)] = 0


class BalanceDocument(Document):
    """Asks for the balance of one account of the enterprise, or of all."""

    account: OwnAccount | None = None


class StatementDocument(Document):
    """Asks for what was booked on an account, oldest first; `cursor` goes on where a page ended.

    `from_date` and `to_date` are days in Beijing, both included.
    """

    account: OwnAccount
    from_date: Day | None = None
    to_date: Day | None = None
    cursor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,120}\z")] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
