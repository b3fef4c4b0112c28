"""What people make of a branch's name: the kinds of slips and habits that the model learns from.

Each kind is a function from the parts of a name to what somebody may type; all draw from the same random source, so a
seed gives the same training set. The benchmark tests with kinds of its own that are not here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.routing.areas import Place, short_name
from app.routing.banks import Bank, spellings_of
from app.routing.directory import Directory
from app.routing.normalise import TO_SIMPLIFIED, normalise
from app.routing.reading import Core, End
from app.routing.sounds import spell, to_sound

END_WORDS = {
    End.NONE: "", End.SUB_BRANCH: "支行", End.BRANCH: "分行", End.OFFICE: "分理处", End.BUSINESS: "营业部",
    End.BRANCH_BUSINESS: "分行营业部", End.SUB_BRANCH_BUSINESS: "支行营业部", End.SAVINGS: "储蓄所",
    End.COUNTER: "营业所", End.COOPERATIVE: "信用社",
}  # fmt: skip
_TRADITIONAL = {simplified: chr(code) for code, simplified in TO_SIMPLIFIED.items()}


@dataclass(frozen=True, slots=True)
class Parts:
    """A branch's name taken apart. `city` is what people say (empty where the name of the bank has it)."""

    name: str
    bank: Bank
    city: str
    place: Place
    core: str
    end: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed and, where it is known, in which city the payee is."""

    text: str
    city: str | None = None


Kind = Callable[[Parts, random.Random], Typed]
Slip = Callable[[str, random.Random], str]  # the particular part, not empty, with a slip in it


class Characters:
    """The characters of a directory's names by sound, as often as they occur: what a keyboard would offer."""

    def __init__(self, directory: Directory, sample: int = 20_000) -> None:
        step = max(1, len(directory) // sample)
        self.all = "".join(directory.cores[row] for row in range(0, len(directory), step)) or "中山路"
        self._by_sound: dict[str, list[str]] = {}
        for char in sorted(set(self.all)):
            self._by_sound.setdefault(to_sound(char), []).append(char)

    def homophone(self, char: str, chance: random.Random) -> str:
        """Another character of the same sound, or the same one where there is none."""
        others = [other for other in self._by_sound.get(to_sound(char), ()) if other != char]
        return chance.choice(others) if others else char


def take_apart(directory: Directory, row: int) -> Parts:
    """The parts of a row's own name."""
    name = directory.names[row]
    text = normalise(name)
    finding = directory.lexicon.find(text)
    core: Core = directory.core(row)
    place = directory.place(row)
    bank = finding.bank or directory.banks[int(directory.row_banks[row])]
    city = short_name(normalise(place.area.name)) if place.area else ""
    head = text[: len(text) - len(finding.rest.rsplit("|", 1)[-1])]
    if bank.kind == "local" and city and city in head and core.text:
        city = ""
    return Parts(name, bank, city, place, core.text, END_WORDS[core.end])


def casual_bank(bank: Bank, chance: random.Random) -> str:
    """One of the Chinese names under which people know a bank."""
    names = sorted(name for name in spellings_of(bank) if not name.isascii() and len(name) > 1 and name[-1] in "行社")
    return chance.choice(names or [bank.name])


def pinyin_of(text: str) -> str:
    """Syllables with spaces, Latin text and digits as they are."""
    return " ".join(spell(sound) or sound for sound in to_sound(text))


def plain(parts: Parts, chance: random.Random) -> str:
    """As people write it down without a slip."""
    return f"{casual_bank(parts.bank, chance)}{parts.city}{parts.core}{parts.end}"


def official(parts: Parts, chance: random.Random) -> Typed:
    """The full name."""
    return Typed(parts.name)


def casual(parts: Parts, chance: random.Random) -> Typed:
    """The bank's short name, no legal form."""
    return Typed(plain(parts, chance))


def spaced(parts: Parts, chance: random.Random) -> Typed:
    """Spaces and punctuation anywhere, some of it full width."""
    text = "".join(char + chance.choice(("", "", "", " ", "　", "，", ".")) for char in plain(parts, chance))
    return Typed(text)


def traditional(parts: Parts, chance: random.Random) -> Typed:
    """Traditional characters."""
    return Typed("".join(_TRADITIONAL.get(char, char) for char in plain(parts, chance)))


def no_end(parts: Parts, chance: random.Random) -> Typed:
    """支行 left out."""
    if not parts.core:
        return casual(parts, chance)
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.city}{parts.core}")


def homophone(characters: Characters) -> Slip:
    """One character replaced by another of the same sound."""

    def slip(core: str, chance: random.Random) -> str:
        at = chance.randrange(len(core))
        return core[:at] + characters.homophone(core[at], chance) + core[at + 1 :]

    return slip


def another_character(characters: Characters) -> Slip:
    """One character replaced by any other."""

    def slip(core: str, chance: random.Random) -> str:
        at = chance.randrange(len(core))
        return core[:at] + chance.choice(characters.all) + core[at + 1 :] if len(core) > 1 else core

    return slip


def missing_character(core: str, chance: random.Random) -> str:
    """One character of a longer part left out."""
    at = chance.randrange(len(core))
    return core[:at] + core[at + 1 :] if len(core) > 2 else core


def extra_character(characters: Characters) -> Slip:
    """One character too many."""

    def slip(core: str, chance: random.Random) -> str:
        at = chance.randrange(len(core) + 1)
        return core[:at] + chance.choice(characters.all) + core[at:] if len(core) > 1 else core

    return slip


def swapped_characters(core: str, chance: random.Random) -> str:
    """Two neighbours of a longer part exchanged."""
    at = chance.randrange(max(1, len(core) - 1))
    return core[:at] + core[at + 1] + core[at] + core[at + 2 :] if len(core) > 2 else core


def with_slip(slip: Slip, habit: Kind = casual) -> Kind:
    """A slip in the particular part, where there is one, written down as a habit has it."""

    def kind(parts: Parts, chance: random.Random) -> Typed:
        return habit(replace(parts, core=slip(parts.core, chance)) if parts.core else parts, chance)

    return kind


def any_slip(characters: Characters) -> Slip:
    """One of the slips."""
    slips = (
        homophone(characters), another_character(characters), extra_character(characters), missing_character,
        swapped_characters,
    )  # fmt: skip
    return lambda core, chance: chance.choice(slips)(core, chance)


def another_end(parts: Parts, chance: random.Random) -> Typed:
    """支行 for what is a 分理处, and so on."""
    ends = [end for end in ("支行", "支行", "分理处", "营业所", "储蓄所") if end != parts.end]
    if not parts.core or not parts.end:
        return casual(parts, chance)
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.city}{parts.core}{chance.choice(ends)}")


def with_province(parts: Parts, chance: random.Random) -> Typed:
    """江苏省苏州市 in front."""
    area = parts.place.area
    city = f"{area.province}{area.name}" if area else parts.city
    return Typed(f"{casual_bank(parts.bank, chance)}{city}{parts.core}{parts.end}")


def city_by_context(parts: Parts, chance: random.Random) -> Typed:
    """No city in the text, but the payee's is known."""
    area = parts.place.area
    text = f"{casual_bank(parts.bank, chance)}{parts.core}{parts.end}"
    return Typed(text, area.name) if area else casual(parts, chance)


def city_dropped(parts: Parts, chance: random.Random) -> Typed:
    """No city and nothing known of it. Main offices have no other name, so theirs stays."""
    if not parts.core:
        return casual(parts, chance)
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.core}{parts.end}")


def reordered(parts: Parts, chance: random.Random) -> Typed:
    """City first, or the bank last."""
    bank = casual_bank(parts.bank, chance)
    first = f"{parts.city}{bank}{parts.core}{parts.end}"
    last = f"{parts.city}{parts.core}{parts.end}（{bank}）"
    return Typed(chance.choice((first, last)))


def in_pinyin(parts: Parts, chance: random.Random) -> Typed:
    """All in pinyin, with or without spaces between syllables."""
    words = (casual_bank(parts.bank, chance), parts.city, parts.core, parts.end)
    spelled = [pinyin_of(word) for word in words if word]
    return Typed(" ".join(spelled) if chance.random() < 0.5 else " ".join(word.replace(" ", "") for word in spelled))


def district_inserted(parts: Parts, chance: random.Random) -> Typed:
    """A district between city and branch."""
    district = chance.choice(("城关区", "新城区", "东城区", "高新区", "经开区", "市辖区", "郊区"))
    if not parts.core or not parts.city:
        return casual(parts, chance)
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.city}{district}{parts.core}{parts.end}")


def bank_misspelt(characters: Characters) -> Kind:
    """One character of the bank's full name by its homophone."""

    def kind(parts: Parts, chance: random.Random) -> Typed:
        bank = parts.bank.name
        at = chance.randrange(len(bank) - 2)
        bank = bank[:at] + characters.homophone(bank[at], chance) + bank[at + 1 :]
        return Typed(f"{bank}{parts.city}{parts.core}{parts.end}")

    return kind


def kinds_for(characters: Characters) -> dict[str, Kind]:
    """All kinds by name."""
    slip = any_slip(characters)
    return {
        "official": official,
        "casual": casual,
        "spaced": spaced,
        "traditional": traditional,
        "no-end": no_end,
        "homophone": with_slip(homophone(characters)),
        "another-character": with_slip(another_character(characters)),
        "missing-character": with_slip(missing_character),
        "extra-character": with_slip(extra_character(characters)),
        "swapped-characters": with_slip(swapped_characters),
        "another-end": another_end,
        "bank-misspelt": bank_misspelt(characters),
        "district-inserted": district_inserted,
        "province": with_province,
        "city-by-context": city_by_context,
        "city-dropped": city_dropped,
        "reordered": reordered,
        "pinyin": in_pinyin,
        "slip-no-end": with_slip(slip, no_end),
        "slip-city-by-context": with_slip(slip, city_by_context),
        "slip-city-dropped": with_slip(slip, city_dropped),
    }
