"""Queries that the noise model makes for branches of a directory, with the candidates that were found for them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Container
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from app.routing.directory import Directory
from app.routing.matching import Candidates, find_candidates
from app.routing.noise import Characters, Typed, kinds_for, take_apart
from app.routing.normalise import normalise

FOLDS = 20
ABSENT = 0.25  # of the queries are for a branch that is left out of the directory
_FORMER = 0.25  # how often a former name is asked for, against a name in force
_AT_ONCE = 4000


@dataclass(frozen=True, slots=True)
class Sample:
    """One query with its candidates and the clearing code that was meant."""

    candidates: Candidates
    code: int
    absent: bool
    fold: int
    kind: str

    def labels(self, directory: Directory) -> list[bool]:
        """Which candidates are the branch that was meant."""
        return [not self.absent and int(directory.codes[each.row]) == self.code for each in self.candidates.found]


def fold_of(code: int) -> int:
    """Which part of the split a branch belongs to, from 0 to 19."""
    return zlib.crc32(f"{code:012d}".encode()) % FOLDS


def look_up(directory: Directory, typed: Typed, without: int | None = None) -> Candidates:
    """Candidates for what somebody typed."""
    context = directory.gazetteer.find_name(typed.city) if typed.city else ()
    reading = directory.reader.read(normalise(typed.text), context)
    return find_candidates(directory, reading, without)


def make_samples(directory: Directory, queries: int, seed: int, folds: Container[int] = range(FOLDS)) -> list[Sample]:
    """Queries of all kinds in turn for rows of these parts, drawn at random, by all processors. The same seed gives
    the same, however many processors there are.
    """
    maker = _Maker(directory, seed, folds)
    # By fork, so that the directory stays where it is mapped; whoever trains is a command and no server.
    pool = ProcessPoolExecutor(mp_context=get_context("fork"), initializer=_take_over, initargs=(maker,))
    with pool:
        parts = pool.map(_make_part, range(0, queries, _AT_ONCE), [queries] * -(-queries // _AT_ONCE))
        return [sample for part in parts for sample in part]


class _Maker:
    def __init__(self, directory: Directory, seed: int, folds: Container[int]) -> None:
        self._directory = directory
        self._seed = seed
        self._folds = folds
        self._kinds = list(kinds_for(Characters(directory)).items())

    def make_part(self, first: int, queries: int) -> list[Sample]:
        chance = random.Random(f"{self._seed} {first}")  # noqa: S311 - a training set, not a secret
        return [self._make(number, chance) for number in range(first, min(first + _AT_ONCE, queries))]

    def _make(self, number: int, chance: random.Random) -> Sample:
        directory = self._directory
        row = self._draw(chance)
        kind, make = self._kinds[number % len(self._kinds)]
        typed = make(take_apart(directory, row), chance)
        code = int(directory.codes[row])
        absent = chance.random() < ABSENT
        found = look_up(directory, typed, code if absent else None)
        return Sample(found, code, absent, fold_of(code), kind)

    def _draw(self, chance: random.Random) -> int:
        directory = self._directory
        while True:
            row = chance.randrange(len(directory))
            asked = not directory.until[row] or chance.random() < _FORMER
            if asked and fold_of(int(directory.codes[row])) in self._folds:
                return row


_MAKERS: list[_Maker] = []  # of a process of the pool: its own


def _take_over(maker: _Maker) -> None:
    _MAKERS[:] = [maker]


def _make_part(first: int, queries: int) -> list[Sample]:
    return _MAKERS[0].make_part(first, queries)
