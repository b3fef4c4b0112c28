"""The project's own table of Chinese banks, and finding them in text by name, alias and English name."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from enum import IntEnum

from app.routing.normalise import DATA, normalise

# A name of another bank that the table does not know, left over once the known names are taken out.
_OTHER_BANK = re.compile(r"银行(?!街|路|大厦|卡)|农商行|信用社|信用联社|信用合作|\bbank\b|\bbanco\b|\bbanque\b")


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank. `prefix` opens its clearing codes; city and rural banks share one, so it does not name them."""

    id: str
    prefix: str
    kind: str
    name: str
    aliases: tuple[str, ...]
    english: tuple[str, ...]
    home_area: str


class Strength(IntEnum):
    """How surely a spelling names a bank: 光大 may be a street, 工行 may straddle two words, 工商银行 is a
    bank.
    """

    BARE = 1
    ABBREVIATION = 2
    NAME = 3


@dataclass(frozen=True, slots=True)
class BankMention:
    """One place in normalised text where a bank is named."""

    bank: Bank
    strength: Strength
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BankFinding:
    """`bank` where the text names exactly one; `named` has all that it names; `rest` is the text without
    their names.
    """

    bank: Bank | None
    named: tuple[Bank, ...]
    unknown_bank: bool
    rest: str


def _read_banks() -> tuple[Bank, ...]:
    with (DATA / "banks.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Bank(
                id=row["id"],
                prefix=row["prefix"],
                kind=row["kind"],
                name=row["name"],
                aliases=tuple(filter(None, row["aliases"].split(";"))),
                english=tuple(filter(None, row["english"].split(";"))),
                home_area=row["home_area"],
            )
            for row in csv.DictReader(file)
        )


def _strength(spelling: str) -> Strength:
    if spelling.isascii():
        return Strength.NAME if " " in spelling or len(spelling) > 5 else Strength.ABBREVIATION
    if "银行" in spelling or "农商行" in spelling:
        return Strength.NAME
    return Strength.ABBREVIATION if spelling.endswith("行") else Strength.BARE


def _lexicon() -> dict[str, tuple[Bank, Strength]]:
    spellings: dict[str, tuple[Bank, Strength]] = {}
    for bank in BANKS:
        for name in (bank.name, *bank.aliases, *bank.english):
            spelling = normalise(name)
            spellings[spelling] = (bank, _strength(spelling))
    return spellings


def _pattern(spellings: list[str]) -> re.Pattern[str]:
    # Python takes the first alternative that fits, so longest first means: the longest name at each place.
    parts = [
        rf"(?<![a-z]){re.escape(spelling)}(?![a-z])" if spelling.isascii() else re.escape(spelling)
        for spelling in sorted(spellings, key=len, reverse=True)
    ]
    return re.compile("|".join(parts))


BANKS = _read_banks()
HOME_BANK = "icbc"  # the bank that runs this service, and whose accounts the core holds
BANKS_BY_ID = {bank.id: bank for bank in BANKS}
_LEXICON = _lexicon()
_NAMES = _pattern(list(_LEXICON))
# 313, 314, 320, 322, 323, 402: kinds of banks, not banks (行别代码), whether or not the table knows more
# than one.
SHARED_PREFIXES = frozenset({"313", "314", "317", "320", "322", "323", "401", "402"})


def find_bank_of_prefix(prefix: str) -> Bank | None:
    """The bank whose clearing codes open with these three digits, or None where several share them."""
    if prefix in SHARED_PREFIXES:
        return None
    return next((bank for bank in BANKS if bank.prefix == prefix), None)


def find_banks(text: str) -> BankFinding:
    """Which bank normalised text names.

    Weak spellings count only where no stronger one stands, or at the beginning.
    """
    mentions = [BankMention(*_LEXICON[match.group()], match.start(), match.end()) for match in _NAMES.finditer(text)]
    strongest = max((mention.strength for mention in mentions), default=Strength.BARE)
    counted = [mention for mention in mentions if mention.strength is strongest or mention.start == 0]
    if strongest is Strength.BARE:
        counted = counted[:1]
    rest = text
    for mention in reversed(counted):
        rest = f"{rest[: mention.start]} {rest[mention.end :]}"
    named = tuple(dict.fromkeys(mention.bank for mention in counted))
    unknown_bank = _OTHER_BANK.search(rest) is not None
    return BankFinding(named[0] if len(named) == 1 and not unknown_bank else None, named, unknown_bank, rest.strip())
