"""What the pages of the bank's staff send."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from app.identity.forms import FormMessage, Identifier, Name, Uscc, fault
from app.identity.messages import Password
from app.identity.models import Role, TenantKind
from kyc.ports import Assurance

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{2,63}")
_PRODUCT = re.compile(r"[a-z][a-z0-9-]{1,31}")
_YUAN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")


def _check_login(text: str) -> str:
    login = text.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise fault(
            "3 至 64 位小写字母、数字或 . _ @ -",
            "3 to 64 of a-z 0-9 . _ @ -, beginning with a letter or digit",
        )
    return login


def _check_product(text: str) -> str:
    if not _PRODUCT.fullmatch(text):
        raise fault("产品代号为 2 至 32 位小写字母、数字或 -", "A product is 2 to 32 of a-z 0-9 -")
    return text


def _to_fen(text: object) -> int:
    plain = str(text).strip().replace(",", "")
    if not _YUAN.fullmatch(plain):
        raise fault("请填写金额，单位为元，最多两位小数", "An amount in yuan with at most two decimals")
    return int(Decimal(plain) * 100)


def _parse_date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise fault("请填写日期，如 2026-01-31", "A date such as 2026-01-31") from None


Product = Annotated[str, AfterValidator(_check_product)]
Fen = Annotated[int, BeforeValidator(_to_fen)]
Date = Annotated[date, BeforeValidator(_parse_date)]
Reason = Annotated[str, Field(min_length=4, max_length=500)]


class NewTenant(FormMessage):
    """POST /operations/tenants/new"""

    kind: TenantKind
    name: Annotated[str, Field(min_length=2, max_length=200)]
    uscc: Uscc


class NewAccount(FormMessage):
    """POST /operations/accounts/new"""

    model_config = ConfigDict(str_strip_whitespace=False)  # a password may begin with a space
    tenant_id: Identifier
    login: Annotated[str, AfterValidator(_check_login)]
    name: Name
    role: Role
    password: Password


class NewPerson(FormMessage):
    """POST /operations/persons/new"""

    tenant_id: Identifier
    name: Annotated[str, Field(min_length=2, max_length=60)]
    identity_number: Annotated[str, Field(max_length=32, repr=False)]


class NewPortrait(FormMessage):
    """POST /operations/persons/<id>/portrait, beside the file"""

    assurance: Assurance


class NewContract(FormMessage):
    """POST /operations/contracts/new"""

    person_id: Identifier
    template: Annotated[str, Field(max_length=64)]
    address: Annotated[str, Field(min_length=2, max_length=120)]
    product: Product
    product_name: Annotated[str, Field(min_length=2, max_length=60)]
    single_limit: Fen
    daily_limit: Fen
    custody: Literal["agent", "browser"]
    start_date: Date
    end_date: Date
    dispute_method: Literal["court", "arbitration"]
    dispute_body: Annotated[str, Field(min_length=2, max_length=60)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.single_limit > self.daily_limit:
            raise fault("单笔限额不能超过每日限额", "The single limit exceeds the daily limit")
        if self.end_date <= self.start_date:
            raise fault("终止日期须晚于起始日期", "The contract ends before it begins")
        return self


class Withdrawal(FormMessage):
    """POST /operations/contracts/<id>/void"""

    reason: Reason


class ApiEnrolment(FormMessage):
    """POST /operations/enrolments/api"""

    application_id: Identifier


class ProductEnrolment(FormMessage):
    """POST /operations/enrolments/product"""

    tenant_id: Identifier
    product: Product
    custody: Literal["agent", "browser", "platform"]


class Suspension(FormMessage):
    """POST /operations/certificates/<x5t>/hold and …/release"""

    reason: Reason


class Revocation(FormMessage):
    """POST /operations/certificates/<x5t>/revoke: asks for the second pair of eyes."""

    # RFC 5280 §5.3.1, those that an officer may give; a hold has a page of its own.
    code: Literal[
        "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation", "privilege_withdrawn"
    ]
    reason: Reason
