"""Group commit: requests that arrive together become durable together, by one commit instead of one each.

The first request to come leads: it waits a moment for others, carries out everybody's work in one transaction and
commits. Nobody gets an answer before the commit that holds its work. A refusal is an answer and commits like any other;
where one's work raises, the group is undone and everybody's work is carried out again in a transaction of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from app.wiring import Services

T = TypeVar("T")

MAX_GROUP = 32  # more would hold SQLite's write lock for too long
LINGER = 0.001  # seconds; under gevent also what lets the others come


@dataclass(slots=True, eq=False)
class _Work:
    run: Callable[[Session], Any]
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Any = None
    error: BaseException | None = None


class GroupCommit:
    """The group of one worker process and database."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: deque[_Work] = deque()
        self._leading = threading.Lock()

    def submit(self, run: Callable[[Session], T]) -> T:
        """Carry out `run` in a transaction that is committed when this returns. What `run` raises is raised here.

        `run` may be carried out again from the start where the group's transaction was undone.
        """
        work = _Work(run)
        self._waiting.append(work)
        while not work.done.is_set():
            if self._leading.acquire(timeout=0.05 if self._waiting else 0):
                try:
                    self._lead(work)
                finally:
                    self._leading.release()
            else:
                work.done.wait(0.05)
        if work.error is not None:
            raise work.error
        outcome: T = work.outcome
        return outcome

    def _lead(self, own: _Work) -> None:
        """Carry out groups until one's own work is done."""
        while not own.done.is_set():
            time.sleep(LINGER)
            group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
            try:
                with self._services.transaction() as session:
                    for work in group:
                        work.outcome = work.run(session)
            except Exception:  # one's work, or a deadlock between the groups of two processes
                self._commit_singly(group)
            finally:
                for work in group:
                    work.done.set()

    def _commit_singly(self, group: list[_Work]) -> None:
        for work in group:
            try:
                with self._services.transaction() as session:
                    work.outcome = work.run(session)
            except Exception as exc:
                work.error = exc


_groups: WeakKeyDictionary[Engine, GroupCommit] = WeakKeyDictionary()


def group_commit(services: Services) -> GroupCommit:
    """The group that goes with this database in this process."""
    return _groups.setdefault(services.engine, GroupCommit(services))
