"""What the enrolment calls take: strict, and nothing beyond."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)
Code = Annotated[str, Field(min_length=8, max_length=100)]
Csr = Annotated[str, Field(min_length=1, max_length=64 * 1024)]  # PEM


class ApiEnrolment(BaseModel):
    """One API certificate."""

    model_config = _STRICT
    code: Code
    csr: Csr


class ProductEnrolment(BaseModel):
    """One product's pair."""

    model_config = _STRICT
    code: Code
    sign_csr: Csr
    encrypt_csr: Csr


class Enrolment(BaseModel):
    """POST /enrol: either part, or both, which are then issued together or not at all."""

    model_config = _STRICT
    api: ApiEnrolment | None = None
    product: ProductEnrolment | None = None

    @model_validator(mode="after")
    def _some_part(self) -> Self:
        if self.api is None and self.product is None:
            raise ValueError("api or product")
        return self


class ProductRenewal(BaseModel):
    """The claims of POST /enrol/renew, signed by the pair's present signing key."""

    model_config = _STRICT
    aud: str
    iat: int
    exp: int
    jti: Annotated[str, Field(min_length=16, max_length=100)]
    sign_csr: Csr
    encrypt_csr: Csr
