"""What the log-in and account pages send."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.identity.forms import FormMessage, fault
from app.identity.passwords import MOST

# Hashing has to read all of it: a limit keeps a megabyte of "password" away.
Password = Annotated[str, Field(max_length=8 * MOST, repr=False)]


def _check_code(text: str) -> str:
    digits = text.replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        raise fault("动态码为 6 位数字", "The code has six digits")
    return digits


class LogIn(FormMessage):
    """POST /login"""

    model_config = ConfigDict(str_strip_whitespace=False)
    login: Annotated[str, Field(max_length=100)]
    password: Password
    code: Annotated[str, AfterValidator(_check_code)]


class MakeOwn(FormMessage):
    """POST /account/first"""

    model_config = ConfigDict(str_strip_whitespace=False)
    new: Password
    repeated: Password
    code: Annotated[str, AfterValidator(_check_code)]
    offer: Annotated[str, Field(max_length=400, pattern="^[0-9a-f]+$", repr=False)]

    @model_validator(mode="after")
    def _same(self) -> MakeOwn:
        if self.new != self.repeated:
            raise fault("两次输入的新密码不一致", "The two new passwords differ")
        return self


class ChangePassword(FormMessage):
    """POST /account/password"""

    model_config = ConfigDict(str_strip_whitespace=False)
    current: Password
    new: Password
    repeated: Password

    @model_validator(mode="after")
    def _same(self) -> ChangePassword:
        if self.new != self.repeated:
            raise fault("两次输入的新密码不一致", "The two new passwords differ")
        return self
