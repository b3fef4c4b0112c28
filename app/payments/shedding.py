"""How many payments a worker takes in hand at once, and when it sends the next one away instead.

Who comes to a worker that is behind would wait longer than a client cares to, and make all others wait as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.payments.problems import Overloaded

MOST = 64  # payments of one worker, from the first check to the commit; a group commit holds as many
FEW = 24  # which are never too many, however slow the machine is at the moment
PATIENCE = 0.02  # seconds that the oldest may have waited while there are more than a few


class Hands:
    """The payments that a worker has in hand. `clock` gives seconds from any moment on."""

    def __init__(
        self,
        most: int = MOST,
        few: int = FEW,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._few, self._patience, self._clock = most, few, patience, clock
        self._began: dict[object, float] = {}  # in the order in which they came
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Take one in hand. Raises Overloaded at once where there are too many, or the oldest waits too long."""
        payment, now = object(), self._clock()
        with self._lock:
            count = len(self._began)
            if count >= self._most or (count >= self._few and now - self._oldest() > self._patience):
                raise Overloaded
            self._began[payment] = now
        try:
            yield
        finally:
            with self._lock:
                del self._began[payment]

    def _oldest(self) -> float:
        return next(iter(self._began.values()))
