"""Group commit: durable together, each with its own outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import once
from app.oauth.commits import GroupCommit
from app.wiring import Services


def _spender(services: Services, value: str) -> Callable[[Session], bool]:
    return lambda session: once.spend(session, "test", "k", value, services.clock() + timedelta(minutes=1))


def _all_at_once(group: GroupCommit, works: list[Callable[[Session], Any]]) -> list[Any]:
    outcomes: list[Any] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def submit(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = group.submit(works[place])
        except ValueError as exc:
            outcomes[place] = exc

    threads = [threading.Thread(target=submit, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_many_at_once_are_all_committed(services: Services) -> None:
    values = [str(number % 10) for number in range(40)]
    outcomes = _all_at_once(GroupCommit(services), [_spender(services, value) for value in values])
    assert sorted(outcomes) == [False] * 30 + [True] * 10
    with services.reading() as session:
        assert session.scalar(select(func.count()).select_from(once.Spent)) == 10


def test_what_one_raises_harms_nobody_else_and_leaves_nothing(services: Services) -> None:
    def fails(session: Session) -> None:
        assert _spender(services, "undone")(session)
        raise ValueError("no")

    works = [fails, *(_spender(services, str(number)) for number in range(8))]
    first, *others = _all_at_once(GroupCommit(services), works)
    assert isinstance(first, ValueError)
    assert others == [True] * 8
    assert GroupCommit(services).submit(_spender(services, "undone")) is True


def test_a_refused_work_raises_and_the_next_goes_on(services: Services) -> None:
    group = GroupCommit(services)

    def fails(_: Session) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        group.submit(fails)
    assert group.submit(_spender(services, "x")) is True
