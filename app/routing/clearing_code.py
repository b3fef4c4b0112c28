"""Clearing codes (支付系统行号, CNAPS): 12 digits = 3 bank + 4 area + 4 branch + 1 check digit."""

from __future__ import annotations

from dataclasses import dataclass

LENGTH = 12


class InvalidClearingCode(ValueError):
    """Not a clearing code; `reason` is a stable code: `clearing-code-form` or `clearing-code-check-digit`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ClearingCode:
    """A clearing code whose check digit holds.

    `bank` is a class of banks where several share three digits.
    """

    digits: str

    @property
    def bank(self) -> str:
        """The three digits of the bank, or of its kind (313 is every city commercial bank)."""
        return self.digits[:3]

    @property
    def area(self) -> str:
        """The four digits of the city."""
        return self.digits[3:7]


def check_digit(first11: str) -> str:
    """The twelfth digit for the first eleven: ISO 7064 MOD 11,10."""
    product = 10
    for digit in first11:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def parse_clearing_code(text: str) -> ClearingCode:
    """Raises InvalidClearingCode for anything but 12 ASCII digits with the right check digit."""
    if len(text) != LENGTH or not text.isascii() or not text.isdigit():
        raise InvalidClearingCode("clearing-code-form")
    if check_digit(text[:-1]) != text[-1]:
        raise InvalidClearingCode("clearing-code-check-digit")
    return ClearingCode(text)
