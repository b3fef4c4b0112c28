"""What strangers try is written down in bounded number, so that nobody without a credential fills the journal.

One line per kind, subject and interval, which says how many attempts there were since the line before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from app.journal import Journal
    from app.wiring import Services

INTERVAL = 10.0  # seconds between two lines about the same, per process
STRANGER = "stranger"  # the actor of what nobody known did


@dataclass(slots=True)
class _Count:
    requests: int = 0
    written_at: float = float("-inf")


class Strangers:
    """Counts attempts without a credential, per journal, and writes a line now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: WeakKeyDictionary[Journal, dict[tuple[str, str], _Count]] = WeakKeyDictionary()

    def note(
        self,
        services: Services,
        kind: str,
        *,
        subject: str,
        actor: str = STRANGER,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """One more attempt; `facts` go into the line beside the number. Opens a transaction of its own."""
        with self._lock:
            count = self._counts.setdefault(services.journal, {}).setdefault((kind, subject), _Count())
            count.requests += 1
            now = time.monotonic()
            if now - count.written_at < INTERVAL:
                return
            requests, count.requests, count.written_at = count.requests, 0, now
        with services.transaction() as session:
            body = {**(facts or {}), "requests": requests}
            services.journal.append(session, kind, subject=subject, actor=actor, body=body)
