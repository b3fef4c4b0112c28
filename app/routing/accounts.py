"""What an account number says about its bank, as a second vote beside the text: the issuer's prefix of a card number.

Card numbers have 16 to 19 digits and open with the issuer identification number (ISO/IEC 7812-1). Accounts of companies
have no public prefix, so they do not vote. Only the first eight digits and the length are looked at.
"""

from __future__ import annotations

import csv
import re

from app.routing.banks import BANKS_BY_ID, Bank
from app.routing.normalise import DATA

_CARD = re.compile(r"[0-9]{8}[0-9*]{8,11}\Z")
_SEEN = 8


def _read_prefixes() -> dict[str, Bank]:
    with (DATA / "card_bins.csv").open(encoding="utf-8", newline="") as file:
        return {prefix: BANKS_BY_ID[row["bank"]] for row in csv.DictReader(file) for prefix in row["bins"].split()}


_PREFIXES = _read_prefixes()


def find_bank_of_account(number: str) -> Bank | None:
    """The bank whose card has this number, or None for anything that is no card of a known issuer.

    Works on a masked number too.
    """
    digits = re.sub(r"[ -]", "", number[:40])
    if not _CARD.match(digits):
        return None
    return next((_PREFIXES[digits[:size]] for size in (8, 6, 5) if digits[:size] in _PREFIXES), None)


def mask_account(number: str) -> str:
    """What may be stored of an account number: enough for its vote, not enough to pay."""
    digits = re.sub(r"[ -]", "", number[:40])
    return digits[:_SEEN] + "*" * max(0, len(digits) - _SEEN)
