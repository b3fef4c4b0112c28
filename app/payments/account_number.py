"""Account numbers of the embedded ledger: 12 to 19 digits, the last one by Luhn (ISO/IEC 7812-1 Annex B)."""

from __future__ import annotations

import re

_FORM = re.compile(r"[0-9]{12,19}\Z")


def luhn_digit(body: str) -> str:
    """The check digit to put behind the ASCII digits of `body`."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def is_account_number(text: str) -> bool:
    """Whether form and check digit are right; says nothing about whether the account exists."""
    return _FORM.match(text) is not None and luhn_digit(text[:-1]) == text[-1]
