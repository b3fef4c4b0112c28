"""The typed terms of each template; their JSON Schema is what a caller fills in."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from contracts.amounts import capital_amount, format_amount
from pki.errors import InvalidIdentifier
from pki.identifiers import parse_uscc


def _visible(text: str) -> str:
    """Refuse what a reader cannot see: control, bidirectional and zero-width characters."""
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise ValueError(f"invisible character U+{ord(character):04X}")
    if text != text.strip():
        raise ValueError("leading or trailing space")
    return text


def _checked_uscc(text: str) -> str:
    try:
        if parse_uscc(text) == text:
            return text
    except InvalidIdentifier as exc:
        raise ValueError(str(exc)) from exc
    raise ValueError("not in canonical form")


Line = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_visible)]
LongLine = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_visible)]
UnifiedSocialCreditCode = Annotated[
    str,
    Field(pattern="^[0-9A-HJ-NPQRTUWXY]{18}$", description="统一社会信用代码 (GB 32100)"),
    AfterValidator(_checked_uscc),
]
Yuan = Annotated[
    int,
    Field(ge=0, le=10**15, description="人民币，单位：分"),
    PlainSerializer(lambda fen: {"figures": format_amount(fen), "capital": capital_amount(fen)}),
]


class Terms(BaseModel):
    """Strict and closed: an unknown or ill-typed term is an error, never ignored."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Party(Terms):
    name: LongLine
    uscc: UnifiedSocialCreditCode
    legal_representative: Line
    address: LongLine


class Product(Terms):
    product: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{1,31}$", description="产品代号")]
    name: Line
    single_limit: Yuan
    daily_limit: Yuan
    custody: Literal["agent", "browser", "platform"]

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.single_limit > self.daily_limit:
            raise ValueError("the limit of a single payment exceeds that of a day")
        return self


class Fee(Terms):
    item: Line
    unit: Line
    amount: Yuan


class Dispute(Terms):
    method: Literal["court", "arbitration"]
    body: Line


class ProductServiceTerms(Terms):
    """产品服务协议: an enterprise (甲方), a bank (乙方) and, where one is used, a platform (丙方)."""

    contract_number: Annotated[str, Field(pattern="^[A-Za-z0-9-]{4,40}$")]
    document_date: date
    enterprise: Party
    bank: Party
    platform: Party | None = None
    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=20)]
    start_date: date
    end_date: date
    automatic_renewal: bool = False
    notice_days: Annotated[int, Field(ge=1, le=180)] = 30
    fees: Annotated[tuple[Fee, ...], Field(max_length=20)] = ()
    settlement_day: Annotated[int, Field(ge=1, le=28)] = 10
    dispute: Dispute

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end_date <= self.start_date:
            raise ValueError("the term ends before it begins")
        if self.platform is None and any(product.custody == "platform" for product in self.products):
            raise ValueError("custody by a platform needs a platform among the parties")
        if len({product.product for product in self.products}) != len(self.products):
            raise ValueError("a product is named twice")
        return self


class ContractTerms(Terms):
    """What every further template has: a number, a day, an enterprise (甲方) and a bank."""

    contract_number: Annotated[str, Field(pattern="^[A-Za-z0-9-]{4,40}$")]
    document_date: date
    enterprise: Party
    bank: Party
    dispute: Dispute


class _Period(ContractTerms):
    start_date: date
    end_date: date

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end_date <= self.start_date:
            raise ValueError("the term ends before it begins")
        return self


ApiScope = Literal["payments", "payroll", "balances", "statements", "receipts", "routing"]


class SaasAccessTerms(_Period):
    """软件服务平台三方接入协议: an enterprise, the platform that acts for it, and a bank."""

    platform: Party
    client_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{4,64}$", description="平台应用标识")]
    scopes: Annotated[tuple[ApiScope, ...], Field(min_length=1, max_length=6)]
    availability_percent: Annotated[str, Field(pattern=r"^(99(\.[0-9]{1,3})?|9[0-8](\.[0-9]{1,2})?)$")] = "99.9"
    incident_hours: Annotated[int, Field(ge=1, le=72)] = 24
    log_months: Annotated[int, Field(ge=6, le=120, description="网络安全法要求不少于六个月")] = 36
    deletion_days: Annotated[int, Field(ge=1, le=180)] = 30
    notice_days: Annotated[int, Field(ge=1, le=180)] = 30
    liability_cap: Yuan

    @model_validator(mode="after")
    def _scopes_are_distinct(self) -> Self:
        if len(set(self.scopes)) != len(self.scopes):
            raise ValueError("a scope is named twice")
        return self


class PayrollTerms(_Period):
    """代发工资授权书: an enterprise lets a bank pay its employees from one account, within limits."""

    platform: Party | None = None
    account: Annotated[str, Field(pattern="^[0-9]{9,32}$", description="扣款账号")]
    account_bank: Line
    single_limit: Yuan
    monthly_limit: Yuan
    payday: Annotated[int, Field(ge=1, le=28)]
    lead_days: Annotated[int, Field(ge=0, le=10)] = 1

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.single_limit > self.monthly_limit:
            raise ValueError("the limit of a single payment exceeds that of a month")
        return self


class NonDisclosureTerms(ContractTerms):
    """保密协议 among two to six parties."""

    others: Annotated[tuple[Party, ...], Field(max_length=4)] = ()
    purpose: LongLine
    return_days: Annotated[int, Field(ge=1, le=180)] = 15
    term_years: Annotated[int, Field(ge=1, le=20)] = 5
    penalty: Yuan
