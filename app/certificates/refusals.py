"""A refusal is a line of the journal too, in a transaction of its own: the refused one was rolled back.

What strangers send to the plain-http door without any credential is written down in bounded number, so that nobody
fills the journal: one line per kind and interval, which says how many there were.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.problems import Problem, Unavailable
from pki.errors import PkiError

if TYPE_CHECKING:
    from app.wiring import Services

INTERVAL = 10.0  # seconds between two lines about the same kind of malformed request, per process


@contextmanager
def journal_refusals(services: Services, kind: str, *, actor: str, subject: str = "") -> Iterator[None]:
    """Around a transaction: what it refuses is journaled as `<kind>-refused` with the reason's code, and raised on."""
    try:
        yield
    except Unavailable:
        raise
    except (Problem, PkiError) as refusal:
        with services.transaction() as session:
            body = {"code": refusal.code}
            services.journal.append(session, f"{kind}-refused", subject=subject or actor, actor=actor, body=body)
        raise


class MalformedRequests:
    """Counts what strangers send, and journals it now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[str, int] = {}
        self._written_at: dict[str, float] = {}

    def note(self, services: Services, kind: str) -> None:
        """One more malformed request of this kind ("ocsp", "timestamp", "cosignature")."""
        with self._lock:
            self._counted[kind] = self._counted.get(kind, 0) + 1
            now = time.monotonic()
            if now - self._written_at.get(kind, float("-inf")) < INTERVAL:
                return
            self._written_at[kind] = now
            count = self._counted.pop(kind)
        with services.transaction() as session:
            body = {"requests": count}
            services.journal.append(session, "malformed-request", subject=kind, actor="stranger", body=body)
