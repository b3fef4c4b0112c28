"""Places: the four area digits of clearing codes, and finding a city, county or province in text.

The digits are those of the payment system, not the administrative codes of GB/T 2260. A prefecture's code ends in 0 and
its counties' codes follow it, so a prefecture with its counties is a range of codes, and so is nearly every province.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from app.routing.normalise import DATA, normalise
from app.routing.phrases import Found, Phrases
from app.routing.sounds import read_pinyin, spell, to_sound

# 北京路 is a street in many cities, not Beijing.
_NOT_A_STREET = re.compile(r"(?:东|西|南|北|中)?(?:路|街|大街|大道|道(?!外|里|真|县))|巷|里|桥|广场|村|大厦|湾|湖|新城")
_SUFFIX = re.compile(r"市(?!场|政|民|[中南北](?:区|支行|$))|地区|县(?!政府)|盟")
_BRANCH_OF = re.compile(r"(?:市|省|县|区)?(?:分行|支行)(?=.{2})(?!营业)")
_PROVINCE_SUFFIX = re.compile(r"省|壮族自治区|回族自治区|维吾尔自治区|自治区")
_ETHNIC = re.compile(r"(?:[\u4e00-\u9fff]{1,4}族)+自治[县州旗]$|(?:蒙古|哈萨克|柯尔克孜)自治[县州]$")
_LEVEL = re.compile(r"(?:市|县|区|盟|地区|特别行政区|林区|矿区|旗)$")
MUNICIPALITIES = frozenset({"北京", "天津", "上海", "重庆"})


@dataclass(frozen=True, slots=True)
class Area:
    """A city or county. `code` is what clearing codes use."""

    code: str
    name: str
    province: str
    pinyin: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a text names: an area, or a province (`area` None). `ranges` are the area codes (inclusive) of it,
    its counties and, for a county, its prefecture, where its branches may be listed too.
    """

    area: Area | None
    province: str
    ranges: tuple[tuple[int, int], ...]

    def holds(self, area_code: int) -> bool:
        """Whether a branch listed under this area code may be meant."""
        return any(low <= area_code <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class AreaFinding:
    """`places` is what the text may name (several for one sound), `also` other places it names that do not go
    together with them; `rest` is the text without the first.
    """

    places: tuple[Place, ...]
    also: tuple[Place, ...]
    rest: str
    by_sound: bool = False


def _read_areas() -> tuple[Area, ...]:
    with (DATA / "areas.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Area(**row) for row in csv.DictReader(file))


AREAS = _read_areas()
AREAS_BY_CODE = {area.code: area for area in AREAS}


def short_name(name: str) -> str:
    """A place as people say it: 苏州 for 苏州市, 宽城 for 宽城满族自治县; 滦县 stays."""
    for pattern in (_ETHNIC, _LEVEL):
        short = pattern.sub("", name)
        if len(short) >= 2 and short != name:
            return short
    return name


def short_province(name: str) -> str:
    """江苏 for 江苏省, 广西 for 广西壮族自治区, 北京 for 北京市."""
    return re.sub(r"(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)$", "", name)


class Gazetteer:
    """The areas of a directory, or of the project's own table."""

    def __init__(self, areas: Iterable[Area]) -> None:
        self.areas = tuple(sorted(areas, key=lambda area: area.code))
        self._by_code = {area.code: area for area in self.areas}
        self._heads = sorted(int(area.code) for area in self.areas if area.code.endswith("0"))

    def find_code(self, code: str) -> Area | None:
        """The area with these four digits."""
        return self._by_code.get(code)

    def prefecture_of(self, area: Area) -> Area:
        """The prefecture whose code a county's follows, or the area itself."""
        place = bisect_right(self._heads, int(area.code)) - 1
        head = self._by_code[f"{self._heads[place]:04d}"] if place >= 0 else area
        return head if head.province == area.province else area

    def family(self, area: Area) -> tuple[tuple[int, int], ...]:
        """The code ranges of an area's prefecture and all its counties; of a municipality, all of it."""
        if short_province(area.province) in MUNICIPALITIES:
            return self._province_ranges[short_province(area.province)]
        head = int(self.prefecture_of(area).code)
        place = bisect_right(self._heads, head)
        following = self._heads[place] - 1 if place < len(self._heads) else 9999
        return ((head, following),)

    @cached_property
    def _province_ranges(self) -> dict[str, tuple[tuple[int, int], ...]]:
        ranges: dict[str, list[tuple[int, int]]] = {}
        before = ""
        for area in self.areas:
            province, code = short_province(area.province), int(area.code)
            found = ranges.setdefault(province, [])
            if found and before == province:
                found[-1] = (found[-1][0], code)
            else:
                found.append((code, code))
            before = province
        return {province: tuple(found) for province, found in ranges.items()}

    def _entries(self) -> Iterable[tuple[str, Place]]:
        for area in self.areas:
            place = Place(area, short_province(area.province), self.family(area))
            name = normalise(area.name)
            for spelling in {name, short_name(name), area.pinyin} - {""}:
                yield spelling, place
        for province, ranges in self._province_ranges.items():
            if province not in MUNICIPALITIES:
                yield province, Place(None, province, ranges)

    @cached_property
    def _written(self) -> Phrases[Place]:
        return Phrases((spelling, place) for spelling, place in self._entries() if len(spelling) > 1)

    @cached_property
    def _sounding(self) -> Phrases[Place]:
        typed = ((read_pinyin(s) or "" if s.isascii() else to_sound(s), place) for s, place in self._entries())
        return Phrases((sound, place) for sound, place in typed if len(sound) > 1)

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Names whose letters read otherwise by themselves: `yanan` is 延安 and not ya nan. Cities before counties."""
        found: dict[str, str] = {}
        for area in sorted(self.areas, key=lambda area: (not area.code.endswith("0"), area.code)):
            sound = to_sound(short_name(normalise(area.name)))
            letters = spell(sound)
            if letters is not None and read_pinyin(letters) != sound:
                found.setdefault(letters, sound)
        return found

    def read_spelled(self, letters: str) -> str | None:
        """The sound of a place whose name in pinyin is this word, where the word by itself reads otherwise."""
        return self._spelled.get(letters)

    def find_name(self, text: str) -> tuple[Place, ...]:
        """What a text that is (or opens with) the name of a place means; empty where it is none."""
        found = self.find(normalise(text))
        return found.places

    def find(self, text: str) -> AreaFinding:
        """Which place a text names, once banks are bars in it: 上海银行 is not Shanghai.

        A place counts where it stands at the beginning, at the end or beside the bank; elsewhere 朝阳 is a
        branch. Places that belong together (江苏省 苏州市 昆山) are one; the most exact counts.
        """
        mentions = [found for found in self._written.scan(text) if not _NOT_A_STREET.match(text, found.end)]
        finding = self._take(text, mentions)
        if finding.places:
            return finding
        heard = self._hear(text, typed_only=True)
        return heard if heard.places else finding

    def find_by_sound(self, text: str) -> AreaFinding:
        """As `find`, by sound alone: 苏洲 sounds like 苏州 (and like 宿州)."""
        return self._hear(text, typed_only=False)

    def _hear(self, text: str, *, typed_only: bool) -> AreaFinding:
        # Among typed syllables written characters are not heard: sihui石 is 四会 and a stone, not 四会市.
        heard = self._take(text, self._sounding.scan(text if typed_only else to_sound(text)))
        return AreaFinding(heard.places, heard.also, heard.rest, by_sound=True)

    def _take(self, text: str, mentions: list[Found[Place]]) -> AreaFinding:
        taken: list[tuple[int, int]] = []
        places: tuple[Place, ...] = ()
        also: list[Place] = []
        for found in mentions:
            start, end = found.start, _end_of(text, found)
            meanings = found.meanings
            if len(meanings) > 1 and _PROVINCE_SUFFIX.match(text, found.end):
                meanings = tuple(place for place in meanings if place.area is None) or meanings
            beside = _is_edge(text, start - 1) or (bool(taken) and taken[-1][1] == start) or _is_edge(text, end)
            together = _together(places, meanings)
            if not beside or (places and not together):
                if beside:
                    also.extend(meanings)
                continue
            places = together or meanings
            taken.append((start, end))
        rest = text
        for start, end in reversed(taken):
            rest = f"{rest[:start]}|{rest[end:]}"
        return AreaFinding(places, tuple(also), rest)


def _is_edge(text: str, place: int) -> bool:
    return place < 0 or place >= len(text) or text[place] in "| "


def _end_of(text: str, found: Found[Place]) -> int:
    """Where 苏州, 苏州市, 江苏省 or 苏州市分行 ends."""
    end = found.end
    for pattern in (_PROVINCE_SUFFIX, _SUFFIX, _BRANCH_OF):
        match = pattern.match(text, end)
        if match and (pattern is not _SUFFIX or not text[found.start : end].endswith(("市", "县"))):
            end = match.end()
    twice = end < len(text) and text[end] == text[end - 1] and _is_edge(text, end + 1)  # a key pressed twice
    return end + twice


def _together(known: tuple[Place, ...], more: tuple[Place, ...]) -> tuple[Place, ...]:
    """Those of `more` that lie within what is known, or of the known that lie within more; empty otherwise."""
    inner = tuple(m for m in more if any(_within(m, k) for k in known))
    return inner or tuple(k for k in known if any(_within(k, m) for m in more))


def _within(inner: Place, outer: Place) -> bool:
    if inner.province != outer.province:
        return False
    return outer.area is None or inner.ranges == outer.ranges


TABLE_GAZETTEER = Gazetteer(AREAS)
