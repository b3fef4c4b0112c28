"""Which rows of the directory a reading may mean, and in what they agree and differ, as numbers for the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, LCSseq

from app.routing.banks import Bank
from app.routing.directory import Directory
from app.routing.reading import Core, End, Reading, TextReading, read_core
from app.routing.sounds import fold_sound

CANDIDATES = 8
_BY_LIKELIEST = 5  # of the candidates
_FIRST_LOOK = 16  # rows taken from each search before they are compared
_MANY = 256  # where the text says no more than bank and city, all main offices there are alike
_NEAR = 0.1
_SAME_END = 0.03
_GOOD = 0.65  # so much alike that other ways to read the text need not be tried
_MOST_BANKS = 6
# What tells one branch from its neighbour: a difference here is seldom a slip.
_TELLING = frozenset("东南西北中上下前后左右内外新老旧大小一二三四五六七八九十")
# What people leave out and add without meaning anything.
_LOOSE = frozenset("路街道大区镇乡村市县城社站里巷")

FEATURES = (
    "cosine", "edits", "sound_edits", "folded_edits", "query_length", "row_length", "row_more", "query_more", "shape",
    "end", "telling", "loose", "place", "place_by_sound", "bank_by_sound", "banks", "former", "second_reading",
    "common", "spoken", "rows", "same_sound", "behind", "letters", "same_text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row with the reading that leads to it."""

    row: int
    reading: Reading
    cosine: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of at most CANDIDATES branches in no particular order; `features` (float32) has a row for each."""

    found: tuple[Candidate, ...]
    features: npt.NDArray[np.float32]


def find_candidates(directory: Directory, text: TextReading, without: int | None = None) -> Candidates:
    """Candidates for a text whose bank is named. `without` leaves out a clearing code, as if it were absent."""
    banks = text.banks.named[:_MOST_BANKS]
    best: dict[int, Candidate] = {}
    searched = 0
    likeliest: Reading | None = None
    for reading, ranges in _searches(directory, text, banks):
        likeliest = likeliest or reading
        searched += sum(high - low for low, high in ranges)
        _search(directory, reading, ranges, best, without)
        if reading.core.text and any(each.cosine > _GOOD for each in best.values()):
            break
    chosen = _choose(best.values(), likeliest)
    return Candidates(chosen, _measure(directory, text, chosen, searched))


def _choose(found: Iterable[Candidate], likeliest: Reading | None) -> tuple[Candidate, ...]:
    """The nearest, some of them by the likeliest reading: names elsewhere that open with 苏州 hide none in 苏州."""
    ordered = sorted(found, key=lambda each: (-each.cosine, each.row))
    if len(ordered) > CANDIDATES:
        kept = [place for place, each in enumerate(ordered) if each.reading is likeliest][:_BY_LIKELIEST]
        others = [place for place in range(len(ordered)) if place not in kept]
        ordered = [ordered[place] for place in sorted([*kept, *others[: CANDIDATES - len(kept)]])]
    return tuple(ordered)


def _searches(
    directory: Directory, text: TextReading, banks: tuple[Bank, ...]
) -> Iterator[tuple[Reading, list[tuple[int, int]]]]:
    """The readings that may mean something, the likeliest first, each with the rows to look at."""
    nowhere = True
    for reading in text.readings:
        ranges = directory.ranges(banks, reading.places)
        if ranges:
            nowhere = False
            yield reading, ranges
    if nowhere:
        # The bank is not in that place: its name is a word of the branch's, or nothing is known about it.
        yield Reading((), read_core(text.rest)), directory.ranges(banks, ())
    if not text.areas.places:
        heard = directory.reader.read_by_sound(text)
        if heard is not None:
            yield heard, directory.ranges(banks, heard.places)
        if text.context and not nowhere:
            yield Reading((), text.readings[0].core), directory.ranges(banks, ())


def _search(
    directory: Directory,
    reading: Reading,
    ranges: list[tuple[int, int]],
    best: dict[int, Candidate],
    without: int | None,
) -> None:
    core = reading.core
    exact = [int(place.area.code) for place in reading.places if place.area is not None]
    for low, high in ranges:
        rows, cosines = directory.grams.search(core.text, core.sound, low, high, _FIRST_LOOK if core.text else _MANY)
        if core.end:
            cosines = cosines + _SAME_END * (directory.ends[rows] == core.end)
        if exact:  # the county that was named before its neighbours
            areas = directory.areas[rows]
            for code in exact:
                cosines = cosines + _NEAR * (areas == code)
        if len(rows) > _FIRST_LOOK:
            chosen = np.argpartition(cosines, -_FIRST_LOOK)[-_FIRST_LOOK:]
            rows, cosines = rows[chosen], cosines[chosen]
        for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True):
            known = best.get(row)
            if (known is None or known.cosine < cosine) and (without is None or directory.codes[row] != without):
                best[row] = Candidate(row, reading, cosine)


def _measure(
    directory: Directory, text: TextReading, chosen: tuple[Candidate, ...], rows: int
) -> npt.NDArray[np.float32]:
    if not chosen:
        return np.empty((0, len(FEATURES)), np.float32)
    top = chosen[0].cosine
    cores = [directory.core(each.row) for each in chosen]
    same = sum(core.sound == each.reading.core.sound for core, each in zip(cores, chosen, strict=True))
    shared = (
        float(text.banks.by_sound), float(len(text.banks.named)), log1p(rows), float(same), float(text.spoken),
    )  # fmt: skip
    first = text.readings[0]
    facts = [_facts(directory, each, core, shared, first, top) for each, core in zip(chosen, cores, strict=True)]
    return np.array(facts, np.float32)


def _facts(
    directory: Directory,
    candidate: Candidate,
    core: Core,
    shared: tuple[float, float, float, float, float],
    first: Reading,
    top: float,
) -> tuple[float, ...]:
    asked, row = candidate.reading.core, candidate.row
    by_sound, banks, rows, same, spoken = shared
    text, sound = asked.text, asked.sound
    size, other = len(text), len(core.text)
    if sound == core.sound:
        sound_edits = folded_edits = 0
        kept = size
    else:
        sound_edits = OSA.distance(sound, core.sound)
        folded_edits = OSA.distance(fold_sound(sound), fold_sound(core.sound))
        kept = LCSseq.similarity(sound, core.sound)
    if text == core.text:
        edits = telling = loose = 0
    else:
        edits = OSA.distance(text, core.text)
        differing = _differing(text, sound, core)
        telling = len(differing & _TELLING)
        loose = len(differing & _LOOSE)
    return (
        candidate.cosine, edits, sound_edits, folded_edits, size, other, other - kept, size - kept,
        _shape(sound, core.sound), _end_relation(asked.end, core.end), telling, loose,
        _place_relation(directory, candidate), candidate.reading.by_sound, by_sound, banks,
        bool(directory.until[row]), candidate.reading is not first, log1p(float(directory.common[row])), spoken, rows,
        same, top - candidate.cosine, sum(map(str.isascii, text)), text == core.text,
    )  # fmt: skip


def telling_difference(asked: Core, found: Core) -> bool:
    """Whether one has a direction or a number that the other lacks."""
    return asked.text != found.text and not _TELLING.isdisjoint(_differing(asked.text, asked.sound, found))


def is_twin(directory: Directory, one: Candidate, other: Candidate) -> bool:
    """Whether the text names two branches equally well, as far as bank, area and name go."""
    a, b = one.row, other.row
    if directory.core(a) != directory.core(b) or one.reading is not other.reading:
        return False
    same_area = directory.areas[a] == directory.areas[b]
    return bool(directory.row_banks[a] == directory.row_banks[b] and (same_area or not one.reading.places))


def is_barred(directory: Directory, ordered: Sequence[Candidate]) -> bool:
    """Whether the first is never automatic, however likely: 中山路 is not 中山北路, and two of one name are two."""
    first = ordered[0]
    core = first.reading.core
    if telling_difference(core, directory.core(first.row)) or not (core.text or core.end):
        return True
    return any(is_twin(directory, first, other) for other in ordered[1:])


def _differing(text: str, sound: str, core: Core) -> set[str]:
    """Characters of one that the other lacks even by sound."""
    mine = {char for char, heard in zip(text, sound, strict=True) if heard not in core.sound}
    return mine | {char for char, heard in zip(core.text, core.sound, strict=True) if heard not in sound}


def _shape(mine: str, theirs: str) -> int:
    tests = (
        mine == theirs, theirs.startswith(mine), theirs.endswith(mine), mine.startswith(theirs), mine.endswith(theirs),
        mine in theirs, theirs in mine,
    )  # fmt: skip
    return next((place for place, holds in enumerate(tests) if holds), len(tests))


_MAIN = frozenset({End.BRANCH, End.BRANCH_BUSINESS, End.BUSINESS})


def _end_relation(asked: End, end: End) -> int:
    if asked == end:
        return 0
    if asked is End.NONE:
        return 1 if end is End.SUB_BRANCH else 2
    if asked in _MAIN and end in _MAIN:
        return 3
    return 5 if asked in _MAIN or end in _MAIN else 4


def _place_relation(directory: Directory, candidate: Candidate) -> int:
    """0 the very area, 1 its prefecture, 2 and 3 the same by context, 4 the province, 5 no place known."""
    places = candidate.reading.places
    if not places:
        return 5
    if all(place.area is None for place in places):
        return 4
    code = int(directory.areas[candidate.row])
    exact = any(place.area is not None and int(place.area.code) == code for place in places)
    return (0 if exact else 1) + (2 if candidate.reading.by_context else 0)
