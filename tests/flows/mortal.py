"""Processes that die: what one of them does until a moment that chance picked.

Imported by a fork server, whose children begin without threads: the typesetter's do not survive a fork.
"""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import event, func, select

from app.settings import Settings
from app.signing import service
from app.signing.models import Contract
from app.wiring import Services, build_services
from contracts import ceremony as rules
from contracts.ceremony import PartyState
from tests.conftest import FakeClock
from tests.flows.quick import QuickSigner


class Doom:
    """Kills its own process at a moment that chance picked: around a statement or a stored document."""

    def __init__(self, services: Services, seed: int, longest: int) -> None:
        self._left = random.Random(seed).randint(1, longest)
        for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(services.engine, moment, self._tick)
        store = services.documents
        put = store.put

        def doomed_put(content: bytes) -> str:
            self._tick()
            name = put(content)
            self._tick()
            return name

        store.put = doomed_put  # type: ignore[method-assign]

    def _tick(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def sign_all(settings: Settings, seed: int, longest: int, links: dict[str, str], party: str, last6: str) -> None:
    """The life of one party: every contract (its id and the party's link) that still waits for its signature, in an
    order of its own. What it knew is gone with it."""
    services = build_services(settings, FakeClock())
    waiting = sorted(_unsigned(services, party) & links.keys())  # looked up before the doom: a short life gets on
    Doom(services, seed, longest)
    for contract_id in random.Random(seed).sample(waiting, len(waiting)):
        QuickSigner(services, links[contract_id], last6).sign()


def deliver_all(settings: Settings, seed: int, longest: int, count: int) -> None:
    """The life of the jobs process: until everything is delivered. Its clock goes on, so that failures are tried
    again."""
    clock = FakeClock()
    services = build_services(settings, clock)
    Doom(services, seed, longest)
    while _delivered(services) < count:
        if not service.deliver_pending(services):
            clock.advance(timedelta(seconds=1))
            time.sleep(0.05)
        services.journal.seal()


def _unsigned(services: Services, party: str) -> set[str]:
    with services.reading() as session:
        rows = session.execute(select(Contract.id, Contract.ceremony)).all()
    return {id_ for id_, stored in rows if rules.from_dict(stored).party(party).state is not PartyState.SIGNED}


def _delivered(services: Services) -> int:
    with services.reading() as session:
        done = select(func.count()).select_from(Contract).where(Contract.delivered_at.is_not(None))
        return session.scalar(done) or 0
