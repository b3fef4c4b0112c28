"""A bank directory that the service makes up, so that it routes before anybody imports the official one.

Its banks, cities and code form are real, its branches are not: no code of it may be used for real money.
The version is named `sandbox-…` and its kind travels with every answer.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from app.routing.areas import AREAS, AREAS_BY_CODE, Area
from app.routing.banks import BANKS, Bank
from app.routing.clearing_code import check_digit
from app.routing.directory import Branch
from app.routing.normalise import DATA

SANDBOX_VERSION = "sandbox-1"
SANDBOX_KIND = "sandbox"

_STREETS = (DATA / "sandbox_streets.txt").read_text(encoding="utf-8").split()
_BRANCHES_PER_CITY = {
    "state": 8,
    "joint-stock": 4,
    "policy": 0,
    "city": 12,
    "rural": 12,
    "private": 0,
    "foreign": 2,
}
_EVERYWHERE = frozenset({"state", "joint-stock", "policy"})


def generate_sandbox() -> Iterator[Branch]:
    """The same branches every time, about nine thousand: each bank's main office and some streets a city."""
    used: Counter[str] = Counter()
    for bank in BANKS:
        areas = AREAS if bank.kind in _EVERYWHERE else (AREAS_BY_CODE[bank.home_area],)
        for area in areas:
            for name in _branch_names(bank, area):
                place = bank.prefix + area.code
                used[place] += 1
                first11 = f"{place}{used[place]:04d}"
                full_name = f"{bank.name}股份有限公司{area.name}{name}"
                yield Branch(first11 + check_digit(first11), full_name, bank.id, area.code)


def _branch_names(bank: Bank, area: Area) -> Iterator[str]:
    yield "分行营业部"
    order = sorted(_STREETS, key=lambda street: hashlib.sha256(f"{bank.id}{area.code}{street}".encode()).digest())
    for street in order[: _BRANCHES_PER_CITY[bank.kind]]:
        yield f"{street}支行"
