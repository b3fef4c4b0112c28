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
from app.signing.uploads import Corner, Spot
from contracts.ceremony import SigningOrder
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


class Withdrawal(FormMessage):
    """POST /operations/contracts/<id>/void"""

    reason: Reason


class NewUpload(FormMessage):
    """POST /operations/contracts/uploads, beside the file"""

    title: Annotated[str, Field(min_length=2, max_length=200)]


MOST_SIGNERS = 4
CornerName = Literal["bottom-left", "bottom-right", "top-left", "top-right"]
PageNumber = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}$")]
Fraction = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?|)$")]


class Placement(FormMessage):
    """POST /operations/contracts/uploads/<id>/send: who signs where. A point on the picture goes before a corner."""

    order: SigningOrder = SigningOrder.IN_ORDER
    bank_seals: Literal["yes", ""] = ""
    bank_page: PageNumber = "1"
    bank_corner: CornerName = "bottom-left"
    bank_x: Fraction = ""
    bank_y: Fraction = ""
    person_1: Identifier
    page_1: PageNumber = "1"
    corner_1: CornerName = "bottom-right"
    x_1: Fraction = ""
    y_1: Fraction = ""
    person_2: Identifier | None = None
    page_2: PageNumber = "1"
    corner_2: CornerName = "bottom-left"
    x_2: Fraction = ""
    y_2: Fraction = ""
    person_3: Identifier | None = None
    page_3: PageNumber = "1"
    corner_3: CornerName = "top-right"
    x_3: Fraction = ""
    y_3: Fraction = ""
    person_4: Identifier | None = None
    page_4: PageNumber = "1"
    corner_4: CornerName = "top-left"
    x_4: Fraction = ""
    y_4: Fraction = ""

    @property
    def signers(self) -> dict[str, str]:
        """Persons by party, in signing order."""
        people = {f"party-{n}": getattr(self, f"person_{n}") for n in range(1, MOST_SIGNERS + 1)}
        return {party: person for party, person in people.items() if person is not None}

    @property
    def spots(self) -> dict[str, Spot]:
        """Where each of them signs."""
        return {party: self._spot(party[-1], "{name}_{of}") for party in self.signers}

    @property
    def bank_spot(self) -> Spot | None:
        """Where the bank seals, if it does."""
        return self._spot("bank", "{of}_{name}") if self.bank_seals else None

    def _spot(self, of: str, pattern: str) -> Spot:
        page, corner, x, y = (getattr(self, pattern.format(name=name, of=of)) for name in ("page", "corner", "x", "y"))
        return Spot(int(page), Corner(corner), (float(x), float(y)) if x and y else None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        people = list(self.signers.values())
        if len(set(people)) != len(people):
            raise fault("同一签署人不能签署两次", "The same person cannot sign twice")
        return self


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
