"""The form of each contract template: text fields -> who signs and the terms that the service does not know itself.

A party's signer names the person, and with the person the organization; number, day and the parties' registered names
are filled in by `app.signing.tasks.complete_terms`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from app.identity.forms import FormMessage, Identifier, fault
from app.operations.messages import Date, Fen, Product
from app.signing.making import ENTERPRISE
from contracts.ceremony import SigningOrder
from contracts.terms import ApiScope

Line = Annotated[str, Field(min_length=2, max_length=60)]
Address = Annotated[str, Field(min_length=2, max_length=120)]
Days = Annotated[int, Field(ge=1, le=180)]

PLATFORM = "platform"
MOST_OTHERS = 4


class ContractForm(FormMessage):
    """What every template asks for."""

    template: ClassVar[str]

    person_id: Identifier
    address: Address
    order: SigningOrder = SigningOrder.IN_ORDER
    dispute_method: Literal["court", "arbitration"]
    dispute_body: Line

    def signers(self) -> dict[str, str]:
        """The persons who sign, by party, in signing order."""
        return {ENTERPRISE: self.person_id}

    def terms(self) -> dict[str, Any]:
        """The terms of `contracts.terms`, as JSON."""
        return {
            "enterprise_address": self.address,
            "dispute": {"method": self.dispute_method, "body": self.dispute_body},
        }


class _Period(ContractForm):
    start_date: Date
    end_date: Date

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end_date <= self.start_date:
            raise fault("终止日期须晚于起始日期", "The contract ends before it begins")
        return self

    def terms(self) -> dict[str, Any]:
        dates = {"start_date": self.start_date.isoformat(), "end_date": self.end_date.isoformat()}
        return {**super().terms(), **dates}


class _WithPlatform(_Period):
    """Where a platform takes part, its representative signs after the enterprise's."""

    platform_person_id: Identifier | None = None
    platform_address: Address | None = None

    def signers(self) -> dict[str, str]:
        return {**super().signers(), **({PLATFORM: self.platform_person_id} if self.platform_person_id else {})}

    def terms(self) -> dict[str, Any]:
        return {**super().terms(), **({"platform_address": self.platform_address} if self.platform_address else {})}


class ProductServiceForm(_WithPlatform):
    """产品服务协议"""

    template: ClassVar[str] = "product-service-agreement"

    product: Product
    product_name: Line
    single_limit: Fen
    daily_limit: Fen
    custody: Literal["agent", "browser", "platform"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.single_limit > self.daily_limit:
            raise fault("单笔限额不能超过每日限额", "The single limit exceeds the daily limit")
        if self.custody == "platform" and self.platform_person_id is None:
            raise fault("平台保管私钥时须有平台签署人", "Custody by a platform needs a platform that signs")
        return self

    def terms(self) -> dict[str, Any]:
        product = {
            "product": self.product,
            "name": self.product_name,
            "single_limit": self.single_limit,
            "daily_limit": self.daily_limit,
            "custody": self.custody,
        }
        return {**super().terms(), "products": [product]}


class SaasAccessForm(_WithPlatform):
    """软件服务平台三方接入协议"""

    template: ClassVar[str] = "saas-access-agreement"

    platform_person_id: Identifier
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
    scopes: Annotated[list[ApiScope], Field(min_length=1)]
    availability_percent: Annotated[str, Field(pattern=r"^(99(\.[0-9]{1,3})?|9[0-8](\.[0-9]{1,2})?)$")]
    incident_hours: Annotated[int, Field(ge=1, le=72)]
    log_months: Annotated[int, Field(ge=6, le=120)]
    deletion_days: Days
    notice_days: Days
    liability_cap: Fen

    def terms(self) -> dict[str, Any]:
        own = {
            "client_id", "scopes", "availability_percent", "incident_hours", "log_months", "deletion_days",
            "notice_days", "liability_cap",
        }  # fmt: skip
        return {**super().terms(), **self.model_dump(include=own)}


class PayrollForm(_WithPlatform):
    """代发工资授权书"""

    template: ClassVar[str] = "payroll-authorization"

    account: Annotated[str, Field(pattern=r"^[0-9]{9,32}$")]
    account_bank: Line
    single_limit: Fen
    monthly_limit: Fen
    payday: Annotated[int, Field(ge=1, le=28)]
    lead_days: Annotated[int, Field(ge=0, le=10)]

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.single_limit > self.monthly_limit:
            raise fault("单笔限额不能超过每月限额", "The single limit exceeds the monthly limit")
        return self

    def terms(self) -> dict[str, Any]:
        own = {"account", "account_bank", "single_limit", "monthly_limit", "payday", "lead_days"}
        return {**super().terms(), **self.model_dump(include=own)}


class NonDisclosureForm(ContractForm):
    """保密协议; up to MOST_OTHERS parties beside the enterprise and the bank."""

    template: ClassVar[str] = "non-disclosure-agreement"

    other_1: Identifier | None = None
    other_2: Identifier | None = None
    other_3: Identifier | None = None
    other_4: Identifier | None = None
    purpose: Address
    return_days: Days
    term_years: Annotated[int, Field(ge=1, le=20)]
    penalty: Fen

    @model_validator(mode="after")
    def _signers_differ(self) -> Self:
        everybody = [self.person_id, *self._others()]
        if len(set(everybody)) != len(everybody):
            raise fault("同一签署人不能代表两方", "One person cannot sign for two parties")
        return self

    def _others(self) -> list[str]:
        chosen = (getattr(self, f"other_{number}") for number in range(1, MOST_OTHERS + 1))
        return [person for person in chosen if person is not None]

    def signers(self) -> dict[str, str]:
        others = {f"party-{number}": person for number, person in enumerate(self._others(), start=1)}
        return {**super().signers(), **others}

    def terms(self) -> dict[str, Any]:
        own = {"purpose", "return_days", "term_years", "penalty"}
        return {**super().terms(), **self.model_dump(include=own)}


FORMS: dict[str, type[ContractForm]] = {
    form.template: form for form in (ProductServiceForm, SaasAccessForm, PayrollForm, NonDisclosureForm)
}
