"""`authorization_details` of type `product_access` (RFC 9396): what exactly an enterprise is asked to allow."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from app.gateway.documents import InvalidJson, parse_object
from app.oauth.scopes import PRODUCT_SCOPES
from pki.errors import InvalidIdentifier
from pki.identifiers import parse_uscc

TYPE = "product_access"
MAX_TERM_DAYS = 366
_MAX_FEN = 10**14

Fen = Annotated[int, Field(gt=0, le=_MAX_FEN)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Limits(_Strict):
    """The most that may be moved, in fen: by one instruction, and by all instructions of one day in Beijing."""

    single_minor: Fen
    daily_minor: Fen

    @model_validator(mode="after")
    def _single_fits_into_daily(self) -> Limits:
        if self.single_minor > self.daily_minor:
            raise ValueError("single_minor is more than daily_minor")
        return self

    def at_most(self, cap: Limits) -> Limits:
        """The smaller of both, limit by limit."""
        daily = min(self.daily_minor, cap.daily_minor)
        return Limits(single_minor=min(self.single_minor, cap.single_minor, daily), daily_minor=daily)


class ProductAccess(_Strict):
    """One product of one enterprise, up to limits, for a number of days."""

    type: Literal["product_access"]
    uscc: str
    product: str
    limits: Limits
    term_days: Annotated[int, Field(ge=1, le=MAX_TERM_DAYS)] = 365

    @field_validator("uscc")
    @classmethod
    def _uscc(cls, value: str) -> str:
        try:
            if parse_uscc(value) == value:
                return value
        except InvalidIdentifier as exc:
            raise ValueError(str(exc)) from exc
        raise ValueError("not in canonical form")

    @field_validator("product")
    @classmethod
    def _product(cls, value: str) -> str:
        if value not in PRODUCT_SCOPES:
            raise ValueError("unknown product")
        return value


class InvalidAuthorizationDetails(ValueError):
    """Not exactly one well-formed `product_access`."""


_ONE = TypeAdapter(Annotated[list[ProductAccess], Field(min_length=1, max_length=1)])


def parse_authorization_details(text: str) -> ProductAccess:
    """The one `product_access` of an authorization_details parameter. Raises InvalidAuthorizationDetails."""
    try:
        members: dict[str, Any] = parse_object(b'{"details":' + text.encode() + b"}")
        return _ONE.validate_python(members.get("details"))[0]
    except (InvalidJson, UnicodeEncodeError) as exc:
        raise InvalidAuthorizationDetails("not JSON") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidAuthorizationDetails(f"{place}: {first['type']}") from exc
