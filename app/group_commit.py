"""Group commit: work that arrives together becomes durable together, by one commit instead of one each.

Whoever comes while no group is on its way leads: it lets the others that are ready come, carries out everybody's work
and hands over to the first that waits. Nobody gets an answer before the commit that holds its work. Where a group
fails as a whole, its members are carried out one by one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.problems import Unavailable
from app.writing import writing

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_GROUP = 64  # more would hold SQLite's write lock for too long
LINGER = 0.001  # seconds; under gevent one turn of its loop, in which whoever has sent a request is read and verified
LONGEST = 0.010  # seconds that a group waits for others as long as somebody comes in each turn


class _Member(Generic[T]):
    """One piece of work and whoever waits for it: until it is done, or until it is its turn to lead."""

    __slots__ = ("error", "is_done", "turn", "work")

    def __init__(self, work: T) -> None:
        self.work = work
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_done = False
        self.error: Exception | None = None


class GroupCommit(Generic[T]):
    """The groups of one worker process. `carry_out` does a group's work in the transaction that is then committed."""

    def __init__(self, services: Services, carry_out: Callable[[Services, Session, Sequence[T]], None]) -> None:
        self._services = services
        self._carry_out = carry_out
        self._waiting: deque[_Member[T]] = deque()
        self._state = threading.Lock()
        self._is_led = False

    def submit(self, work: T) -> None:
        """Carry out `work`, committed when this returns. Raises what its transaction raised, or Unavailable when
        whoever led the group was stopped.

        An error of the database at the moment of the commit leaves open whether it was committed.
        """
        member = _Member(work)
        with self._state:
            leads, self._is_led = not self._is_led, True
            if not leads:
                self._waiting.append(member)
        if not leads:
            member.turn.acquire()  # until somebody did the work, or left the lead to us
        if not member.is_done:
            self._lead(member)
        if member.error is not None:
            raise member.error

    def _lead(self, own: _Member[T]) -> None:
        group = [own]
        try:
            self._linger()
            with self._state:
                group += [self._waiting.popleft() for _ in range(min(MAX_GROUP - 1, len(self._waiting)))]
            self._commit(group)
        except BaseException:  # the leader is being stopped; nobody may take that for a commit
            for member in group:
                member.error = Unavailable("the group was not finished")
            raise
        finally:
            with self._state:
                heir = self._waiting.popleft() if self._waiting else None
                self._is_led = heir is not None
            for member in group:
                member.is_done = True
                member.turn.release()
            if heir is not None:
                heir.turn.release()

    def _linger(self) -> None:
        """Let come whoever is ready: a group of twice as many costs little more, and those who were answered a moment
        ago may be here again. Where nobody comes there is one short wait."""
        ends, seen = time.monotonic() + LONGEST, -1
        while seen < len(self._waiting) < MAX_GROUP - 1 and time.monotonic() < ends:
            seen = len(self._waiting)
            time.sleep(LINGER)

    def _commit(self, group: Sequence[_Member[T]]) -> None:
        try:
            with writing(self._services) as session:
                self._carry_out(self._services, session, [member.work for member in group])
        except Exception as exc:
            # Where the connection is lost nobody knows whether the group was committed, so nothing is tried again.
            if len(group) == 1 or (isinstance(exc, DBAPIError) and exc.connection_invalidated):
                for member in group:
                    member.error = exc
                return
            log.warning("a group failed; its members are carried out one by one", exc_info=exc)
            for member in group:
                self._commit([member])


@dataclass(slots=True, eq=False)
class _Call:
    run: Callable[[Session], Any]
    outcome: Any = None


class Commits:
    """Group commit for any work that needs a transaction of its own: `services.commits`."""

    def __init__(self, services: Services) -> None:
        self._group = GroupCommit(services, _run_all)

    def run(self, work: Callable[[Session], T]) -> T:
        """What `work` gives, committed when this returns. What it raises is raised here.

        `work` may be carried out again from the start where the group's transaction was undone.
        """
        call = _Call(work)
        self._group.submit(call)
        outcome: T = call.outcome
        return outcome


def _run_all(_: Services, session: Session, calls: Sequence[_Call]) -> None:
    for call in calls:
        call.outcome = call.run(session)
