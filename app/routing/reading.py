"""A text taken apart: the bank, the place, what is particular about the branch, and what kind of branch it is.

Names in a directory and what people type are read by the same steps, so that the same words end in the same parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from app.routing.areas import AreaFinding, Gazetteer, Place
from app.routing.banks import BankFinding, BankLexicon
from app.routing.normalise import normalise
from app.routing.sounds import is_sound, read_pinyin, to_sound

_LATIN = re.compile(r"[a-z]+")
_WORD_BEFORE = re.compile(r"([a-z]+) \Z")
_LEAD_IN = re.compile(
    r"(?:收款人|收款方|付款人|对方|账户)?(?:的)?(?:开户银行|开户行|收款银行|收款行)(?:全称|名称|为|是)?"
    r"|^(?:银行|户名|请转|转账到|转到|打到|汇到|汇款到|付到)(?!大厦|街)"
)
_LONG_NUMBER = re.compile(r"[0-9]{6,}")
_NOTE = (
    "电话|手机|联系|备注|附言|烦请|行号|联行|账号|帐号|卡号|户名|开户|基本户|一般户|专户|对公|对私|谢谢|加急|地址|邮编|转账"
    "|汇款|付款|打款|查收|收款|请[核查转注确]"
)
_NOTES = re.compile(
    r"(?:管理机构|本部|机关|本级|辖内汇总)$"
    rf"|(?<=支行|分行|理处|业部|业所|蓄所|用社)(?:{_NOTE}|请|急|收$|注|不对外).*$"
)
_ONLY_NOTES = re.compile(rf"^(?:(?:{_NOTE}).*|收)$")  # what is left of a main office's name
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_ENGLISH = {
    "road": "路", "rd": "路", "street": "街", "avenue": "大道", "district": "区", "city": "", "province": "",
    "branch": "", "sub": "", "subbranch": "", "sales": "营业", "business": "营业", "department": "部", "office": "",
    "main": "", "of": "", "the": "", "china": "", "co": "", "ltd": "", "square": "广场",
}  # fmt: skip


class End(IntEnum):
    """What kind of branch a name says it is."""

    NONE = 0
    SUB_BRANCH = 1
    BRANCH = 2
    OFFICE = 3
    BUSINESS = 4
    BRANCH_BUSINESS = 5
    SUB_BRANCH_BUSINESS = 6
    SAVINGS = 7
    COUNTER = 8
    COOPERATIVE = 9


_ENDS = (
    ("分行营业部", End.BRANCH_BUSINESS),
    ("分行营业室", End.BRANCH_BUSINESS),
    ("支行营业部", End.SUB_BRANCH_BUSINESS),
    ("支行营业室", End.SUB_BRANCH_BUSINESS),
    ("营业部", End.BUSINESS),
    ("营业室", End.BUSINESS),
    ("营业厅", End.BUSINESS),
    ("分理处", End.OFFICE),
    ("储蓄所", End.SAVINGS),
    ("营业所", End.COUNTER),
    ("信用社", End.COOPERATIVE),
    ("分社", End.COOPERATIVE),
    ("支行", End.SUB_BRANCH),
    ("分行", End.BRANCH),
)
# Typed as pinyin these words have to be known before the rest can be told.
_SPOKEN = tuple((to_sound(word), word) for word in (*(end for end, _ in _ENDS), "银行", "支行", "分行"))
_INNER = re.compile(r"(?<=.)(?:支行|分行)(?=.)|^(?:市|省|区|县)?(?:分行|支行)(?=.)")
_TWICE = re.compile(r"(.)\1+")
_SEPARATORS = str.maketrans("", "", "| ")


@dataclass(frozen=True, slots=True)
class Core:
    """What distinguishes a branch within its bank and city: 中山路 of 工商银行苏州中山路支行, and its sound."""

    text: str
    sound: str
    end: End


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text."""

    places: tuple[Place, ...]
    core: Core
    by_sound: bool = False
    by_context: bool = False


@dataclass(frozen=True, slots=True)
class TextReading:
    """All of a text: the banks it names, the rest without them, and the ways to read it, the likeliest first."""

    banks: BankFinding
    areas: AreaFinding
    rest: str
    readings: tuple[Reading, ...]
    spoken: bool
    context: tuple[Place, ...] = ()


def read_core(rest: str) -> Core:
    """The particular part of what is left without bank and city. Bars and spaces go."""
    text = rest.translate(_SEPARATORS)
    text = _ONLY_NOTES.sub("", _NOTES.sub("", text))
    text, end = _cut_end(text)
    text = _INNER.sub("", text).translate(_DIGITS)
    return Core(text, to_sound(text), end)


def _cut_end(text: str) -> tuple[str, End]:
    for ending in (text, text[:-6] + _TWICE.sub(r"\1", text[-6:])):  # a key pressed twice: 支行行, 支支行
        for word, kind in _ENDS:
            if ending.endswith(word):
                return ending[: -len(word)].removesuffix(word[0]), kind
    return text, End.NONE


def spell_out(text: str, find_place: Callable[[str], str | None]) -> str:
    """Latin words turned into what they stand for: pinyin into syllables, `road` into 路; `find_place` knows places
    that their letters alone do not tell (`xian`: 西安).
    """
    if not _LATIN.search(text):
        return text

    def read(match: re.Match[str]) -> str:
        before = _WORD_BEFORE.search(text, 0, match.start())
        # Among single syllables (wu xian) a word is a syllable, too.
        whole = before is None or len(read_pinyin(before[1]) or "..") > 1
        return (find_place(match.group()) if whole else None) or _word(match.group())

    text = _LATIN.sub(read, text)
    text = re.sub(r"(?<![a-z0-9]) | (?![a-z0-9])", "", text)
    for sound, word in _SPOKEN:
        text = text.replace(sound, word)
    return text


def _word(letters: str) -> str:
    known = _ENGLISH.get(letters)
    if known is not None:
        return known
    return read_pinyin(letters) or letters


class Reader:
    """Reads with the banks and places of one directory."""

    def __init__(self, lexicon: BankLexicon, gazetteer: Gazetteer) -> None:
        self._lexicon = lexicon
        self._gazetteer = gazetteer

    def read(self, text: str, context: tuple[Place, ...] = ()) -> TextReading:
        """Read normalised text; `context` is where the payee is, used where the text names no place or another
        reading with it makes sense.
        """
        text = _LONG_NUMBER.sub("", _LEAD_IN.sub("|", text)) if len(text) > 5 else text
        banks = self._lexicon.find(text)
        spoken = False
        if not banks.named and (spelled := spell_out(text, self._gazetteer.read_spelled)) != text:
            banks = self._lexicon.find(spelled)
            spoken = True
        rest = _NOTES.sub("", spell_out(banks.rest, self._gazetteer.read_spelled))
        spoken = spoken or any(map(is_sound, rest))
        areas = self._gazetteer.find(rest)
        by_context = bool(context) and not areas.places
        first = Reading(areas.places or context, read_core(areas.rest), areas.by_sound, by_context)
        readings = [first]
        if areas.places:
            whole = Reading(context, read_core(rest), by_context=bool(context))  # 朝阳 may be the branch, not the city
            readings.append(whole)
        return TextReading(banks, areas, rest, tuple(readings), spoken, context)

    @cached_property
    def nothing(self) -> TextReading:
        """The reading of an empty text."""
        return self.read("")

    def read_by_sound(self, text: TextReading) -> Reading | None:
        """With a place that only sounds like what is written: 苏洲 for 苏州."""
        areas = self._gazetteer.find_by_sound(text.rest)
        return Reading(areas.places, read_core(areas.rest), by_sound=True) if areas.places else None

    def read_branch(self, name: str, family: Place) -> Core:
        """The core of a branch's own name, whose area is known."""
        text = normalise(name)
        rest = self._lexicon.find(text).rest
        areas = self._gazetteer.find(rest)
        own = [place for place in areas.places if place.province == family.province]
        return read_core(areas.rest if own or not areas.places else rest)
