"""The questions of `bench/routing.py` and their answers."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from app.routing import training
from app.routing.areas import short_name
from app.routing.directory import Directory
from app.routing.matching import Candidates, find_candidates
from app.routing.model import Model
from app.routing.noise import Characters, take_apart
from app.routing.normalise import normalise
from app.routing.reading import TextReading
from app.routing.recognition import Recogniser, Resolution, RoutingQuery
from app.routing.samples import ABSENT, fold_of
from app.routing.sounds import to_sound
from bench._routing_noise import held_out_kinds

HOME_BANK = "icbc"
NO_CITY = frozenset({"city-dropped", "city-and-end-dropped"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One query, what was meant, how many branches fit what was typed equally well, and the answer."""

    kind: str
    absent: bool
    bank_id: str
    code: str
    alike: int
    answer: Resolution

    @property
    def first(self) -> str | None:
        return self.answer.candidates[0].branch.code if self.answer.candidates else None

    @property
    def determined(self) -> bool:
        return self.alike == 1

    @property
    def right(self) -> bool:
        return not self.absent and self.first == self.code


def ask_all(directory: Directory, model: Model, queries: int, seed: int) -> list[Asked]:
    """Queries of all kinds in turn, for branches of the held-out parts of the split alone, by all processors."""
    _EXAMINERS[:] = [_Examiner(directory, model, seed)]
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:  # forked, so that they have the examiner
        parts = pool.map(_ask_part, range(0, queries, _AT_ONCE), [queries] * -(-queries // _AT_ONCE))
        return [each for part in parts for each in part]


class _Examiner:
    def __init__(self, directory: Directory, model: Model, seed: int) -> None:
        self._directory = directory
        self._model = model
        self._seed = seed
        self._kinds = list(held_out_kinds(Characters(directory)).items())
        self._twins = _twins(directory)

    def ask(self, first: int, queries: int) -> list[Asked]:
        chance = random.Random(f"{self._seed} {first}")
        return [self._ask(number, chance) for number in range(first, min(first + _AT_ONCE, queries))]

    def _ask(self, number: int, chance: random.Random) -> Asked:
        directory = self._directory
        row = chance.randrange(len(directory))
        while directory.until[row] or fold_of(int(directory.codes[row])) not in training.HELD_OUT:
            row = chance.randrange(len(directory))
        kind, make = self._kinds[number % len(self._kinds)]
        typed = make(take_apart(directory, row), chance)
        absent = chance.random() < ABSENT
        recogniser = _Without(directory, self._model, int(directory.codes[row]) if absent else None)
        answer = recogniser.recognise(RoutingQuery(typed.text, city=typed.city))
        branch = directory.branch(row)
        return Asked(kind, absent, branch.bank_id, branch.code, self._twins[_words(directory, row, kind)], answer)


_AT_ONCE = 4000
_EXAMINERS: list[_Examiner] = []


def _ask_part(first: int, queries: int) -> list[Asked]:
    return _EXAMINERS[0].ask(first, queries)


class _Without(Recogniser):
    """A recogniser for which one branch is not in the directory."""

    def __init__(self, directory: Directory, model: Model, code: int | None) -> None:
        super().__init__(directory, model, HOME_BANK)
        self._without = code

    def _named(self, text: str) -> list[int]:
        return [row for row in super()._named(text) if self.directory.codes[row] != self._without]

    def _candidates(self, reading: TextReading) -> Candidates:
        return find_candidates(self.directory, reading, self._without)


def _words(directory: Directory, row: int, kind: str) -> tuple[object, ...]:
    """What is left of a branch's name for whoever reads a query of this kind: with more than one branch of it, the
    text does not say which is meant, whatever reads it.
    """
    core, bank = directory.core(row), int(directory.row_banks[row])
    if kind in NO_CITY and core.text:
        return bank, core.text, core.end if kind == "city-dropped" else None
    area = directory.place(row).area
    if kind == "mixed-scripts" and area is not None:
        return bank, core.text, core.end, to_sound(short_name(normalise(area.name)))
    return bank, core.text, core.end, int(directory.areas[row])


def _twins(directory: Directory) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for row in range(len(directory)):
        if not directory.until[row]:
            found.update({_words(directory, row, kind) for kind in ("", "mixed-scripts", *NO_CITY)})
    return found
