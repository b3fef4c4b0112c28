"""How many payments a worker takes in hand at once, and when it sends the next one away instead.

Who comes to a worker that is behind would wait longer than a client cares to, and make all others wait as well. And
sending away costs time too, about a quarter of a payment each: a worker that has to do it takes fewer in hand, so that
it stays ahead of all who come (docs/decisions/0028-payments-share-a-commit-under-gevent.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from app.payments.problems import Overloaded

MOST = 40  # payments of one worker, from the first check to the commit
FEW = 6  # of them while it sends others away
RELIEF = 0.25  # seconds without anybody sent away, after which it takes MOST again


class Hands:
    """The payments that a worker has in hand. `clock` gives seconds from any moment on."""

    def __init__(
        self,
        most: int = MOST,
        few: int = FEW,
        relief: float = RELIEF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._few, self._relief, self._clock = most, few, relief, clock
        self._held: set[_Hold] = set()
        self._sent_away_at = float("-inf")

    def one_more(self) -> _Hold:
        """Take one in hand while the context lasts. Entering it raises Overloaded where there are too many."""
        return _Hold(self)

    def take(self, hold: _Hold) -> None:
        """Raises Overloaded. Of threads that come at the same instant one too many may get in, which harms nobody."""
        if len(self._held) >= self._few:
            now = self._clock()
            if len(self._held) >= self._most or now - self._sent_away_at < self._relief:
                self._sent_away_at = now
                raise Overloaded
        self._held.add(hold)

    def let_go(self, hold: _Hold) -> None:
        """It is answered, or refused."""
        self._held.discard(hold)


class _Hold:
    """One payment in hand, as a context; a generator would cost several times as much."""

    __slots__ = ("_hands",)

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def __enter__(self) -> None:
        self._hands.take(self)

    def __exit__(self, *_: object) -> None:
        self._hands.let_go(self)
