"""Banks: the project's own table, those that a directory names besides, and finding them in text.

City, rural and village banks are legal entities of their own (some 4,000), so most are known only from the names
of a directory's branches. Such a bank's id is its own name; `bank_name` gives the name for any id.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from app.routing.normalise import DATA, normalise
from app.routing.phrases import Found, Phrases
from app.routing.sounds import is_sound, to_sound

MAX_ID = 32
# A name of another bank that no table knows, left over once the known names are taken out.
_OTHER_BANK = re.compile(r"银行(?!街|路|大厦|卡)|农商行|信用社|信用联社|信用合作|\bbank\b|\bbanco\b|\bbanque\b")
_IS_PLACE = re.compile(r"[县市区]")  # 兴业县 and 平安县 are no banks
_RURAL = frozenset({"314", "401", "402"})
_COUNTRY = ("信用", "农村", "村镇")
_OTHER_BANK_OF_COOPERATIVE = re.compile(r"银行(?!街|路|大厦|卡)|农商行|\bbank\b")
# The bank in front of a branch's name; 信用联社 before 信用社, for a cooperative names both.
_LEGAL_NAME = re.compile(
    r"^.{1,24}?(?:银行|农商行|联社联合社|信用(?:合作)?(?:联社|联合社)|合作联社|农信联社|信用合作社|信用社|财务公司|清算中心)"
)
_PROVINCE_HEAD = re.compile(
    r"^(?:黑龙江|内蒙古|(?:河北|山西|辽宁|吉林|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|广西|西藏|宁夏|新疆))"
    r"(?:省|自治区|壮族自治区|回族自治区|维吾尔自治区)?(?=.{4})"
)
_KIND_HEAD = re.compile(r"农村|农商|农信|商业|村镇|银行|信用|城市")  # 农村商业银行 alone names nobody
_COOPERATIVE = (
    "农村信用合作联社", "农村信用联社", "信用合作联社", "信用联社", "农信联社", "农信社", "农村信用社", "信用社",
)  # fmt: skip
_FORMS = (
    ("农村商业银行", ("农村商业银行", "农商银行", "农商行", "农村商行")),
    ("农村合作银行", ("农村合作银行", "农合银行", "农合行")),
    ("农村信用合作联社", _COOPERATIVE),
    ("农村信用联社", _COOPERATIVE),
    ("村镇银行", ("村镇银行", "村镇行")),
    ("城市商业银行", ("城市商业银行", "城商行", "商业银行", "银行")),
    ("商业银行", ("商业银行", "银行", "商行")),
)  # fmt: skip
_ONE_NAME = {"农商银行": "农村商业银行", "农商行": "农村商业银行", "农村信用联社": "农村信用合作联社"}
_ONE_FORM = re.compile("|".join(_ONE_NAME))


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank. `prefix` opens its clearing codes; city and rural banks share one, so it does not name them."""

    id: str
    prefix: str
    kind: str
    name: str
    aliases: tuple[str, ...] = ()
    english: tuple[str, ...] = ()
    home_area: str = ""


class Strength(IntEnum):
    """How surely a spelling names a bank: 光大 may be a street, 工行 may straddle two words, 工商银行 is a
    bank.
    """

    BARE = 1
    ABBREVIATION = 2
    NAME = 3


@dataclass(frozen=True, slots=True)
class BankFinding:
    """`bank` where the text names exactly one; `named` has all that it may name: one spelling may belong to
    several, or (`conflict`) the text names different ones. `rest` is the text with a bar in place of their
    names. `by_sound` says that only the sound fits.
    """

    bank: Bank | None
    named: tuple[Bank, ...]
    unknown_bank: bool
    rest: str
    conflict: bool = False
    by_sound: bool = False


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


BANKS = _read_banks()
BANKS_BY_ID = {bank.id: bank for bank in BANKS}
# 313, 314, 320, 322, 323, 402: kinds of banks, not banks (行别代码), whether or not the table knows more
# than one.
SHARED_PREFIXES = frozenset({"313", "314", "317", "320", "322", "323", "401", "402"})
_BY_PREFIX = {bank.prefix: bank for bank in BANKS if bank.prefix not in SHARED_PREFIXES}
_BY_SPELLING = {normalise(name): bank for bank in BANKS for name in (bank.name, *bank.aliases)}


def bank_name(bank_id: str) -> str:
    """The name of a bank by its id, in the table or not."""
    bank = BANKS_BY_ID.get(bank_id)
    return bank.name if bank is not None else bank_id


def find_bank_of_prefix(prefix: str) -> Bank | None:
    """The bank whose clearing codes open with these three digits, or None where several share them."""
    return _BY_PREFIX.get(prefix)


def bank_of_branch(code: str, name: str) -> Bank:
    """The bank of a directory's row: by its code where the three digits are one bank's, otherwise the legal
    name in front of the branch's name.
    """
    return find_bank_of_prefix(code[:3]) or named_bank(code[:3], name)


def named_bank(prefix: str, name: str) -> Bank:
    """The bank in front of a branch's name, which may be one that its clearing code no longer shows."""
    spelling = normalise(name)
    match = _LEGAL_NAME.match(spelling)
    legal = match.group() if match else spelling
    legal = _ONE_FORM.sub(lambda found: _ONE_NAME[found.group()], legal)
    known = _BY_SPELLING.get(legal)
    if known is not None:
        return known
    return Bank(id=legal[:MAX_ID], prefix=prefix, kind="local", name=legal[:MAX_ID])


def spellings_of(bank: Bank) -> set[str]:
    """Every normalised spelling under which people know a bank."""
    names = {normalise(name) for name in (bank.name, *bank.aliases, *bank.english)}
    if bank.id not in BANKS_BY_ID or bank.kind in {"city", "rural"}:
        names |= {short for name in tuple(names) for short in _local_forms(name)}
    return {name for name in names if len(name) > 1}


def _local_forms(name: str) -> set[str]:
    """安徽太湖农村商业银行 is 太湖农商行 to people: without the province, in the short form of its kind."""
    bare = _PROVINCE_HEAD.sub("", name)
    heads = {name} if _KIND_HEAD.match(bare) else {name, bare}
    found = set(heads)
    for kind, forms in _FORMS:
        if name.endswith(kind):
            stems = {head.removesuffix(kind) for head in heads}
            stems |= {stem[:-1] for stem in stems if len(stem) > 2 and stem[-1] in "市县区"}
            found |= {stem + form for stem in stems for form in forms if len(stem) > 1}
            break
    return found


def _strength(spelling: str) -> Strength:
    if spelling.isascii():
        return Strength.NAME if " " in spelling or len(spelling) > 5 else Strength.ABBREVIATION
    if "银行" in spelling or "农商行" in spelling or "信用" in spelling:
        return Strength.NAME
    return Strength.ABBREVIATION if spelling.endswith(("行", "社")) else Strength.BARE


class BankLexicon:
    """All spellings of a set of banks, by character and by sound."""

    def __init__(self, banks: Iterable[Bank]) -> None:
        spellings = [(spelling, bank) for bank in banks for spelling in spellings_of(bank)]
        self._written: Phrases[Bank] = Phrases(spellings)
        # 中信 sounds like 中心, so only what ends like a bank's name is listened for.
        sounds = ((to_sound(s), bank) for s, bank in spellings if _strength(s) > Strength.BARE and not s.isascii())
        self._sounding: Phrases[Bank] = Phrases((s, bank) for s, bank in sounds if len(s) > 1)

    def find(self, text: str) -> BankFinding:
        """Which bank normalised text names. Weak spellings count only where no stronger one stands, or at the
        beginning; sound counts only where nothing is written.
        """
        written = [(found, _strength(text[found.start : found.end])) for found in self._written.scan(text)]
        strongest = max((strength for _, strength in written), default=None)
        if strongest is None or strongest is Strength.BARE:
            heard = self._hear(text)
            if heard:
                return _finding(text, heard, by_sound=True)
        if strongest is None:
            return _finding(text, [])
        counted = [
            found
            for found, strength in written
            if strength is strongest or (found.start == 0 and not _IS_PLACE.match(text, found.end))
        ]
        if len(counted) == 2 and all(bank.prefix in _RURAL for bank in counted[0].meanings):
            # Branches of a rural bank are cooperatives: 武平信用社 is one of 错那农商银行, not a bank besides.
            counted = counted[:1] if text[: counted[1].end].endswith("信用社") else counted
        return _finding(text, counted[:1] if strongest is Strength.BARE else counted)

    def _hear(self, text: str) -> list[Found[Bank]]:
        # Two written syllables may be anything (中航 sounds like 中行); typed as pinyin they are a name.
        found = self._sounding.scan(to_sound(text))
        return [f for f in found if f.end - f.start > 3 or all(map(is_sound, text[f.start : f.end]))]


def _finding(text: str, counted: list[Found[Bank]], *, by_sound: bool = False) -> BankFinding:
    rest = text
    for found in reversed(counted):
        rest = f"{rest[: found.start]}|{rest[found.end :]}"
    choices = [found.meanings for found in counted]
    # 农商行 of one place may be several banks; a second, fuller mention says which.
    common = [bank for bank in choices[0] if all(bank in others for others in choices[1:])] if choices else []
    named = tuple(common or dict.fromkeys(bank for meanings in choices for bank in meanings))
    cooperative = bool(named) and any(word in named[0].name for word in _COUNTRY)  # its branches are 信用社 too
    unknown_bank = (_OTHER_BANK_OF_COOPERATIVE if cooperative else _OTHER_BANK).search(rest) is not None
    one = named[0] if len(named) == 1 and not unknown_bank else None
    return BankFinding(one, named, unknown_bank, rest, bool(choices) and not common, by_sound)


TABLE_LEXICON = BankLexicon(BANKS)


def find_banks(text: str) -> BankFinding:
    """Which bank of the table normalised text names."""
    return TABLE_LEXICON.find(text)
