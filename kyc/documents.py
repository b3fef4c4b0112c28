"""Resident identity numbers (公民身份号码) as GB 11643-1999 defines them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from kyc.errors import InvalidIdentityNumber, ObsoleteIdentityNumber

# GB/T 2260: the first two digits of every administrative division. 81 to 83 are on the residence permits of
# people from Hong Kong, Macao and Taiwan, which carry numbers of the same form.
_PROVINCES: Final = frozenset(
    str(code)
    for region in (
        range(11, 16),  # North
        range(21, 24),  # Northeast
        range(31, 38),  # East
        range(41, 47),  # South and central
        range(50, 55),  # Southwest
        range(61, 66),  # Northwest
        (71, 81, 82, 83),  # Taiwan, Hong Kong, Macao, Taiwan by residence permit
    )
    for code in region
)
# ISO 7064 MOD 11-2: weight i is 2^(17-i) mod 11.
_WEIGHTS: Final = tuple(pow(2, 17 - i, 11) for i in range(17))
_CHECK_CHARACTERS: Final = "10X98765432"
_EARLIEST_BIRTH_YEAR: Final = 1900
_DIGITS: Final = frozenset("0123456789")


class Sex(StrEnum):
    """As the 17th digit says: odd for men, even for women."""

    MALE = "male"
    FEMALE = "female"


@dataclass(frozen=True, slots=True)
class IdentityNumber:
    """A well-formed number. That it was ever given to anybody is another question, for a register."""

    digits: str
    area: str
    birth_date: date
    sex: Sex

    def __repr__(self) -> str:
        # The number is personal data; a repr ends in logs and tracebacks.
        return f"IdentityNumber({self.digits[:2]}…)"

    __str__ = __repr__


def parse_identity_number(text: str, today: date) -> IdentityNumber:
    """The parts of an 18-character number; a lower-case x is accepted, anything around it is not.

    Checks province (GB/T 2260), birth date (a real one, from 1900 to `today`) and the check character
    (GB 11643-1999 §4.2.4, ISO 7064 MOD 11-2). Raises ObsoleteIdentityNumber for 15 digits, otherwise
    InvalidIdentityNumber.
    """
    number = text.upper()
    if len(number) == 15 and _DIGITS.issuperset(number):
        raise ObsoleteIdentityNumber("15-digit numbers ended in 2013; the 18-digit number is needed")
    if len(number) != 18 or not _DIGITS.issuperset(number[:17]):
        raise InvalidIdentityNumber("an identity number has 17 digits and a check character")
    if number[:2] not in _PROVINCES:
        raise InvalidIdentityNumber("the area code names no province")
    birth_date = _parse_birth_date(number[6:14], today)
    if number[17] != identity_check_character(number[:17]):
        raise InvalidIdentityNumber("the check character does not fit")
    sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    return IdentityNumber(digits=number, area=number[:6], birth_date=birth_date, sex=sex)


def identity_check_character(first17: str) -> str:
    """The 18th character for 17 digits: '0' to '9' or 'X'."""
    if len(first17) != 17 or not _DIGITS.issuperset(first17):
        raise InvalidIdentityNumber("a check character follows 17 digits")
    total = sum(int(digit) * weight for digit, weight in zip(first17, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def _parse_birth_date(digits: str, today: date) -> date:
    try:
        birth_date = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as exc:
        raise InvalidIdentityNumber("the birth date is not a date") from exc
    if birth_date.year < _EARLIEST_BIRTH_YEAR or birth_date > today:
        raise InvalidIdentityNumber("the birth date is not one of a living person")
    return birth_date
