"""One version of the bank directory as memory-mapped arrays: rows by bank and area, searchable by what is particular.

A row is a branch's current name or a former one. Rows are sorted by the bank that the name shows, then by area code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from app.routing.areas import AREAS_BY_CODE, Area, Gazetteer, Place, short_province
from app.routing.artefact import Arrays, Artefact, pack, unpack
from app.routing.banks import BANKS, BANKS_BY_ID, Bank, BankLexicon, bank_name, named_bank
from app.routing.grams import GramIndex, build_grams
from app.routing.normalise import normalise
from app.routing.reading import Core, End, Reader

_END_OF = tuple(End)
FORMAT = 3  # of what `build_directory` makes; files of another format are built anew


@dataclass(frozen=True, slots=True)
class Branch:
    """One row of the directory."""

    code: str
    name: str
    bank_id: str
    area_code: str

    @property
    def bank_name(self) -> str:
        """The short name of the bank."""
        return bank_name(self.bank_id)

    @property
    def city(self) -> str:
        """The city's name, or its area code where the project's table does not know it."""
        area = AREAS_BY_CODE.get(self.area_code)
        return area.name if area else self.area_code


@dataclass(frozen=True, slots=True)
class FormerName:
    """What a branch was called until a day (the first of its new name)."""

    code: str
    name: str
    until: date


@dataclass(frozen=True, slots=True)
class DirectoryContent:
    """What a version consists of. `areas` are those that its source names; the project's own are known besides."""

    version: str
    kind: str
    branches: Sequence[Branch]
    areas: Sequence[Area] = ()
    former: Sequence[FormerName] = ()


def build_directory(content: DirectoryContent) -> bytes:
    """An artefact for `Directory`. Twelve seconds for 170,000 branches."""
    areas = _merge_areas(content)
    gazetteer = Gazetteer(areas)
    owners = {branch.code: branch for branch in content.branches}
    named = [(branch, branch.name, branch.bank_id, 0) for branch in content.branches]
    for former in content.former:
        branch = owners.get(former.code)
        if branch is not None:
            own = BANKS_BY_ID.get(branch.bank_id)
            bank = own if own and own.prefix == branch.code[:3] else None
            shown = (bank or named_bank(branch.code[:3], former.name)).id
            named.append((branch, former.name, shown, former.until.toordinal()))
    local = {b.bank_id: b.code[:3] for b in content.branches} | {shown: b.code[:3] for b, _, shown, _ in named}
    banks = (*BANKS, *(Bank(i, p, "local", i) for i, p in sorted(local.items()) if i not in BANKS_BY_ID))
    ordinal = {bank.id: place for place, bank in enumerate(banks)}
    named.sort(key=lambda row: (ordinal[row[2]], row[0].area_code, row[0].code, row[3]))
    reader = Reader(BankLexicon(banks), gazetteer)
    cores = [reader.read_branch(name, place_of(gazetteer, branch.area_code)) for branch, name, _, _ in named]
    arrays: Arrays = {
        "codes": np.array([int(branch.code) for branch, *_ in named], np.int64),
        "areas": np.array([int(branch.area_code) for branch, *_ in named], np.int16),
        "banks": np.array([ordinal[branch.bank_id] for branch, *_ in named], np.int32),
        "named_banks": np.array([ordinal[shown] for _, _, shown, _ in named], np.int32),
        "until": np.array([until for *_, until in named], np.int32),
        "ends": np.array([core.end for core in cores], np.uint8),
        "common": _count_equal([core.text for core in cores]),
        **_pack_texts("names", [name for _, name, _, _ in named]),
        **_pack_texts("cores", [core.text for core in cores]),
        **_pack_texts("sounds", [core.sound for core in cores]),
        **build_grams([core.text for core in cores], [core.sound for core in cores]),
    }
    keys = np.array([_name_key(normalise(name)) for _, name, _, _ in named], np.uint64)
    arrays["by_name"] = np.argsort(keys, kind="stable").astype(np.int32)
    arrays["name_keys"] = keys[arrays["by_name"]]
    arrays["by_code"] = np.lexsort((arrays["until"], arrays["codes"])).astype(np.int32)
    meta = {
        "format": FORMAT,
        "version": content.version,
        "kind": content.kind,
        "areas": [[area.code, area.name, area.province, area.pinyin] for area in areas],
        "banks": [[bank.id, bank.prefix] for bank in banks[len(BANKS) :]],
    }
    return pack(meta, arrays)


def make_directory(content: DirectoryContent) -> Directory:
    """A directory in this process's own memory, for tests and small ones."""
    return Directory(unpack(build_directory(content)))


def place_of(gazetteer: Gazetteer, area_code: str) -> Place:
    """The place of an area code; an unknown one is a place by itself."""
    area = gazetteer.find_code(area_code)
    if area is None:
        return Place(None, "", ((int(area_code), int(area_code)),))
    return Place(area, short_province(area.province), gazetteer.family(area))


def _name_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest(), "little")


def _merge_areas(content: DirectoryContent) -> list[Area]:
    areas = dict(AREAS_BY_CODE)
    for area in content.areas:
        own = AREAS_BY_CODE.get(area.code)
        areas[area.code] = Area(area.code, own.name if own else area.name, area.province, own.pinyin if own else "")
    return sorted(areas.values(), key=lambda area: area.code)


def _count_equal(texts: list[str]) -> npt.NDArray[np.int32]:
    _, inverse, counts = np.unique(np.array(texts), return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.int32)


def _pack_texts(name: str, texts: list[str]) -> Arrays:
    encoded = [text.encode() for text in texts]
    places = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(each) for each in encoded], out=places[1:])
    return {f"{name}_text": np.frombuffer(b"".join(encoded), np.uint8), f"{name}_places": places}


class _Texts:
    def __init__(self, arrays: Arrays, name: str) -> None:
        # Memory views index several times faster than arrays.
        self._text = arrays[f"{name}_text"].data
        self._places = arrays[f"{name}_places"].data

    def __getitem__(self, row: int) -> str:
        return str(self._text[self._places[row] : self._places[row + 1]], "utf-8")


class Directory:
    """One version of the directory, immutable. `kind` is `sandbox` for what the service made up itself;
    `content_digest` is that of the tables from which it was built.
    """

    def __init__(self, artefact: Artefact, content_digest: str = "") -> None:
        meta, arrays = artefact.meta, artefact.arrays
        self.version: str = meta["version"]
        self.kind: str = meta["kind"]
        self.content_digest = content_digest
        self.gazetteer = Gazetteer(Area(*area) for area in meta["areas"])
        self.banks = (*BANKS, *(Bank(i, prefix, "local", i) for i, prefix in meta["banks"]))
        self.lexicon = BankLexicon(self.banks)
        self.reader = Reader(self.lexicon, self.gazetteer)
        self.grams = GramIndex(arrays)
        self.codes: npt.NDArray[np.int64] = arrays["codes"]
        self.areas: npt.NDArray[np.int16] = arrays["areas"]
        self.row_banks: npt.NDArray[np.int32] = arrays["banks"]
        self.until: npt.NDArray[np.int32] = arrays["until"]
        self.ends: npt.NDArray[np.uint8] = arrays["ends"]
        self.common: npt.NDArray[np.int32] = arrays["common"]
        self._by_code = arrays["by_code"]
        self._by_name = arrays["by_name"]
        self._name_keys = arrays["name_keys"]
        self.names, self.cores, self.sounds = (_Texts(arrays, name) for name in ("names", "cores", "sounds"))
        self._end_of = self.ends.data
        edges = arrays["named_banks"].searchsorted(np.arange(len(self.banks) + 1)).tolist()
        self._bank_rows = {bank.id: (edges[i], edges[i + 1]) for i, bank in enumerate(self.banks)}

    def __len__(self) -> int:
        return len(self.codes)

    def ranges(self, banks: Iterable[Bank], places: Iterable[Place]) -> list[tuple[int, int]]:
        """The rows of these banks in these places (anywhere, where none is given) as ranges [low, high)."""
        spans = {span for place in places for span in place.ranges}
        found = []
        for bank in banks:
            low, high = self._bank_rows.get(bank.id, (0, 0))
            if not spans:
                found.append((low, high))
            for first, last in spans:
                start, end = self.areas[low:high].searchsorted((first, last + 1)).tolist()
                found.append((low + start, low + end))
        return [(low, high) for low, high in found if high > low]

    def branch(self, row: int) -> Branch:
        """The branch of a row under its current name."""
        code = int(self.codes[row])
        if self.until[row]:
            row = self._current_row(code) or row
        return Branch(f"{code:012d}", self.names[row], self.banks[self.row_banks[row]].id, f"{self.areas[row]:04d}")

    def former(self, row: int) -> FormerName | None:
        """The former name that a row stands for, or None for a current one."""
        until = int(self.until[row])
        return FormerName(f"{self.codes[row]:012d}", self.names[row], date.fromordinal(until)) if until else None

    def core(self, row: int) -> Core:
        """The particular part of a row's name."""
        return Core(self.cores[row], self.sounds[row], _END_OF[self._end_of[row]])

    def place(self, row: int) -> Place:
        """Where a row's branch is."""
        return place_of(self.gazetteer, f"{self.areas[row]:04d}")

    def find_code(self, code: str) -> Branch | None:
        """The branch with this clearing code."""
        row = self._current_row(int(code))
        return None if row is None else self.branch(row)

    def find_name(self, text: str) -> list[int]:
        """The rows whose whole name, normalised, is this text; current names first."""
        key = np.uint64(_name_key(text))
        first, last = (int(self._name_keys.searchsorted(key, side)) for side in ("left", "right"))
        rows = self._by_name[first:last].tolist()
        return sorted((row for row in rows if normalise(self.names[row]) == text), key=lambda row: int(self.until[row]))

    def bank(self, bank_id: str) -> Bank | None:
        """A bank of the table or of this directory."""
        return self._banks_by_id.get(bank_id)

    def area(self, code: str) -> Area | None:
        """The area with these four digits."""
        return self.gazetteer.find_code(code)

    def branches(self) -> Iterable[Branch]:
        """All current branches."""
        return (self.branch(row) for row in range(len(self)) if not self.until[row])

    @cached_property
    def _banks_by_id(self) -> dict[str, Bank]:
        return {bank.id: bank for bank in self.banks}

    def _current_row(self, code: int) -> int | None:
        place = int(self._code_order.searchsorted(code))
        if place == len(self) or self._code_order[place] != code:
            return None
        row = int(self._by_code[place])
        return None if self.until[row] else row

    @cached_property
    def _code_order(self) -> npt.NDArray[Any]:
        return self.codes[self._by_code]
