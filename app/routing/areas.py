"""Cities: the four area digits of a clearing code, and finding a city in text."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from app.routing.normalise import DATA

# 北京路 is a street in many cities, not Beijing.
_NOT_A_STREET = r"(?!(?:东|西|南|北|中)?(?:路|街|大街|大道|道|巷|里|桥|广场|村|大厦))"


@dataclass(frozen=True, slots=True)
class Area:
    """A city. `code` is what clearing codes use, not the administrative code of GB/T 2260."""

    code: str
    name: str
    province: str
    pinyin: str


@dataclass(frozen=True, slots=True)
class AreaFinding:
    """`area` where the text names exactly one city; `named` has all; `rest` is the text without them."""

    area: Area | None
    named: tuple[Area, ...]
    rest: str


def _read_areas() -> tuple[Area, ...]:
    with (DATA / "areas.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Area(**row) for row in csv.DictReader(file))


AREAS = _read_areas()
AREAS_BY_CODE = {area.code: area for area in AREAS}
_BY_SPELLING = {spelling: area for area in AREAS for spelling in (area.name, area.pinyin)}
_SPELLINGS = sorted(_BY_SPELLING, key=len, reverse=True)
_PROVINCE = "|".join(
    rf"{province}(?:省|壮族自治区|回族自治区|维吾尔自治区|自治区)"
    for province in sorted({area.province for area in AREAS}, key=len, reverse=True)
)
_CITY = "|".join(
    rf"(?<![a-z]){spelling}(?![a-z])" if spelling.isascii() else spelling + _NOT_A_STREET for spelling in _SPELLINGS
)
# What surrounds a city's name without saying anything: 江苏省 before, 市 or 市分行 or 分行 after.
_PLACE = re.compile(rf"(?:{_PROVINCE})|(?P<city>{_CITY})(?:市(?!场|区|政|[中南北](?:区|支行|$)))?(?:分行(?!营业))?")


def find_areas(text: str) -> AreaFinding:
    """Which city normalised text names; the name of the bank has been taken out before (上海银行 is not
    Shanghai).
    """
    cities = (match.group("city") for match in _PLACE.finditer(text))
    named = tuple(dict.fromkeys(_BY_SPELLING[city] for city in cities if city))
    rest = _PLACE.sub(" ", text).strip()
    return AreaFinding(named[0] if len(named) == 1 else None, named, rest)
