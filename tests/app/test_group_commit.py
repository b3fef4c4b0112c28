"""Group commit: durable together, each with its own outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import once
from app.group_commit import Commits, GroupCommit
from app.problems import Unavailable
from app.wiring import Services


def _spender(services: Services, value: str) -> Callable[[Session], bool]:
    return lambda session: once.spend(session, "test", "k", value, services.clock() + timedelta(minutes=1))


def _all_at_once(group: Commits, works: list[Callable[[Session], Any]]) -> list[Any]:
    outcomes: list[Any] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def submit(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = group.run(works[place])
        except Exception as exc:
            outcomes[place] = exc

    threads = [threading.Thread(target=submit, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_many_at_once_are_all_committed(services: Services) -> None:
    values = [str(number % 10) for number in range(40)]
    outcomes = _all_at_once(services.commits, [_spender(services, value) for value in values])
    assert sorted(outcomes) == [False] * 30 + [True] * 10
    with services.reading() as session:
        assert session.scalar(select(func.count()).select_from(once.Spent)) == 10


def test_what_one_raises_harms_nobody_else_and_leaves_nothing(services: Services) -> None:
    def fails(session: Session) -> None:
        assert _spender(services, "undone")(session)
        raise ValueError("no")

    works = [fails, *(_spender(services, str(number)) for number in range(8))]
    first, *others = _all_at_once(services.commits, works)
    assert isinstance(first, ValueError)
    assert others == [True] * 8
    assert services.commits.run(_spender(services, "undone")) is True


def test_a_refused_work_raises_and_the_next_goes_on(services: Services) -> None:
    group = services.commits

    def fails(_: Session) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        group.run(fails)
    assert group.run(_spender(services, "x")) is True


class Stopped(BaseException):
    """As gevent's GreenletExit when a worker stops."""


def _both(services: Services, carry_out: Callable[[Services, Session, Sequence[str]], None]) -> list[Any]:
    """What two members of one group are told."""
    group = GroupCommit[str](services, carry_out)
    told: list[Any] = [None, None]
    barrier = threading.Barrier(2)

    def submit(place: int) -> None:
        barrier.wait()
        try:
            group.submit(f"work {place}")
        except BaseException as exc:
            told[place] = exc

    while True:  # until they came together
        threads = [threading.Thread(target=submit, args=(place,)) for place in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        if any(told):
            return told


def test_where_the_leader_is_stopped_nobody_takes_it_for_a_commit(services: Services) -> None:
    def stop(_: Services, __: Session, works: Sequence[str]) -> None:
        if len(works) == 2:
            raise Stopped

    assert {type(each) for each in _both(services, stop)} == {Stopped, Unavailable}


def test_a_group_whose_connection_was_lost_is_not_tried_again(services: Services) -> None:
    tried = []

    def lose(_: Services, __: Session, works: Sequence[str]) -> None:
        tried.append(len(works))
        if len(works) == 2:
            raise OperationalError("commit", None, Exception("gone"), connection_invalidated=True)

    assert [type(each) for each in _both(services, lose)] == [OperationalError, OperationalError]
    assert tried[-1] == 2
