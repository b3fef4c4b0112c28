"""Finding known phrases in text: the longest at each place, from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Meaning = TypeVar("Meaning")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Found(Generic[Meaning]):
    """A phrase at `start` (inclusive) to `end` (exclusive) and what it may mean."""

    start: int
    end: int
    meanings: tuple[Meaning, ...]


class Phrases(Generic[Meaning]):
    """Spellings and what each may mean. Latin spellings count as whole words only."""

    def __init__(self, entries: Iterable[tuple[str, Meaning]]) -> None:
        self._meanings: dict[str, tuple[Meaning, ...]] = {}
        lengths: dict[str, set[int]] = {}
        for spelling, meaning in entries:
            known = self._meanings.get(spelling, ())
            if meaning not in known:
                self._meanings[spelling] = (*known, meaning)
                lengths.setdefault(spelling[:2], set()).add(len(spelling))
        self._lengths = {start: tuple(sorted(found, reverse=True)) for start, found in lengths.items()}

    def __contains__(self, spelling: str) -> bool:
        return spelling in self._meanings

    def meanings(self, spelling: str) -> tuple[Meaning, ...]:
        """What exactly this spelling may mean; empty where it is unknown."""
        return self._meanings.get(spelling, ())

    def spellings(self) -> Iterator[str]:
        """All of them."""
        return iter(self._meanings)

    def scan(self, text: str) -> list[Found[Meaning]]:
        """Phrases in the text, left to right, none overlapping another."""
        found: list[Found[Meaning]] = []
        place, size = 0, len(text)
        while place < size - 1:
            for length in self._lengths.get(text[place : place + 2], ()):
                end = place + length
                meanings = self._meanings.get(text[place:end]) if end <= size else None
                if meanings is not None and _is_whole(text, place, end):
                    found.append(Found(place, end, meanings))
                    place = end - 1
                    break
            place += 1
        return found


def _is_whole(text: str, start: int, end: int) -> bool:
    if text[start] in _LETTERS and start > 0 and text[start - 1] in _LETTERS:
        return False
    return not (text[end - 1] in _LETTERS and end < len(text) and text[end] in _LETTERS)
