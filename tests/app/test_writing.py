"""Transactions over connections whose statements stay prepared end as any other, also where the database is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from app import writing as writers
from app.wiring import Services
from app.writing import last_writes, writing

MADE = text("CREATE TABLE noted (word VARCHAR(20) PRIMARY KEY)")
NOTED = text("SELECT word FROM noted ORDER BY word")


@pytest.fixture
def table(services: Services) -> None:
    with services.transaction() as session:
        session.execute(MADE)


def note(services: Services, word: str, then: Callable[[Session], object] = lambda _: None) -> None:
    with writing(services) as session:
        session.execute(text("INSERT INTO noted VALUES (:word)"), {"word": word})
        then(session)


def fail(_: Session) -> None:
    raise ValueError("no")


def noted(services: Services) -> list[str]:
    with services.reading() as session:
        return list(session.scalars(NOTED))


@pytest.mark.usefixtures("table")
def test_what_was_written_is_there_when_it_returns_and_what_failed_is_not(services: Services) -> None:
    note(services, "one")
    with pytest.raises(ValueError, match="no"):
        note(services, "two", fail)
    with pytest.raises(DBAPIError):
        note(services, "one")
    note(services, "three")
    assert noted(services) == ["one", "three"]


@pytest.mark.usefixtures("table")
def test_a_transaction_that_the_database_rolls_back_at_the_commit_is_told(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no failed transactions that still wait for their end")

    def fail_unnoticed(session: Session) -> None:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        connection.pgconn.exec_(b"SELECT 1/0")

    with pytest.raises(OperationalError) as raised:
        note(services, "lost", fail_unnoticed)
    assert not raised.value.connection_invalidated
    assert noted(services) == []


@pytest.mark.usefixtures("table")
def test_a_connection_lost_at_the_commit_leaves_it_open_and_the_next_one_is_new(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no server")

    def be_cut_off(session: Session) -> None:
        own = {"own": session.scalar(text("SELECT pg_backend_pid()"))}
        with services.reading() as other:
            other.execute(text("SELECT pg_terminate_backend(:own)"), own)
            while other.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE pid = :own"), own):
                other.rollback()

    with pytest.raises(OperationalError) as raised:
        note(services, "open", be_cut_off)
    assert raised.value.connection_invalidated
    note(services, "next")
    assert noted(services) == ["next"]


@pytest.mark.usefixtures("table")
def test_statements_stay_prepared_and_a_fork_leaves_the_connections_behind(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite prepares nothing")
    note(services, "one")
    with services.reading():
        pass
    with writing(services) as session:
        prepared = session.scalar(
            text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO noted%'")
        )
    assert prepared == 1
    writers.after_fork(services)
    note(services, "two")
    assert noted(services) == ["one", "two"]


def note_last(session: Session, *words: str) -> None:
    last = last_writes(session)
    assert last is not None
    last += [("INSERT INTO noted VALUES (%s)", [word]) for word in words]


@pytest.mark.usefixtures("table")
def test_last_writes_are_carried_out_with_the_commit_and_no_sooner(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        with services.transaction() as session:
            assert last_writes(session) is None
        return
    with writing(services) as session:
        note_last(session, "last", "very last")
        session.execute(text("INSERT INTO noted VALUES ('first')"))
        assert list(session.scalars(NOTED)) == ["first"]
    assert noted(services) == ["first", "last", "very last"]


@pytest.mark.usefixtures("table")
def test_a_last_write_that_fails_leaves_nothing_of_its_transaction(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite writes at once")
    with pytest.raises(OperationalError) as raised:
        note(services, "first", lambda session: note_last(session, "twice", "twice", "after"))
    assert not raised.value.connection_invalidated  # so that a group tries its members one by one
    assert noted(services) == []
    note(services, "next")
    assert noted(services) == ["next"]


@pytest.mark.usefixtures("table")
def test_an_error_that_comes_while_much_is_still_being_sent_is_told(services: Services) -> None:
    """It is all that the database says then, and whoever has read it must not wait for more."""
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite writes at once")
    words = ["twice", "twice", *(f"{number} {'x' * 1_000_000}" for number in range(8))]
    with pytest.raises(OperationalError):
        note(services, "first", lambda session: note_last(session, *words))
    assert noted(services) == []


# As a worker of the platforms' door, which waits for the database without turning to others, but for the commit.
TWO_WANT_THE_SAME = """
from gevent import monkey

monkey.patch_all()

import sys
from types import SimpleNamespace

import gevent
from sqlalchemy import text

from app.db import make_engine
from app.writing import last_writes, writing

services = SimpleNamespace(engine=make_engine(sys.argv[1]))
locked = text("SELECT length(word) FROM noted FOR UPDATE")


def write_much():
    with writing(services) as session:
        session.execute(locked)
        last_writes(session).append(("UPDATE noted SET word = %s", ["x" * 16_000_000]))
        last_writes(session).extend([("UPDATE noted SET word = word || 'y'", [])] * 4)


def write():
    with writing(services) as session:
        return session.execute(locked).scalar()


with writing(services), writing(services), writing(services):
    pass  # whoever has to connect first turns to others, too
first, *others = [gevent.spawn(write_much), gevent.spawn(write), gevent.spawn(write)]
gevent.joinall([first, *others], raise_error=True)
print({other.value for other in others})
"""


def test_who_wants_what_is_being_committed_does_not_keep_the_commit_from_being_sent(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite is in the same process")
    with services.transaction() as session:
        session.execute(text("CREATE TABLE noted (word text)"))
        session.execute(text("INSERT INTO noted VALUES ('')"))
    url = services.engine.url.render_as_string(hide_password=False)
    told = subprocess.run(
        [sys.executable, "-c", TWO_WANT_THE_SAME, url],
        cwd=Path(__file__).parents[2], env=os.environ | {"PSYCOPG_WAIT_FUNC": "wait_c"}, capture_output=True,
        check=True, timeout=40,
    )  # fmt: skip
    assert told.stdout.strip() == b"{16000004}"


@pytest.mark.usefixtures("table")
def test_a_connection_lost_with_the_last_writes_leaves_them_open(services: Services) -> None:
    if services.engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no server")

    def be_cut_off(session: Session) -> None:
        own = {"own": session.scalar(text("SELECT pg_backend_pid()"))}
        last = last_writes(session)
        assert last is not None
        last.append(("SELECT pg_terminate_backend(%s)", [own["own"]]))
        note_last(session, "never")

    with pytest.raises(OperationalError) as raised:
        note(services, "open", be_cut_off)
    assert raised.value.connection_invalidated
    assert noted(services) == []
