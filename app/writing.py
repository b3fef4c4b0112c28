"""The database connections of those who have to be fast, apart from the pool of everybody else.

On PostgreSQL its statements stay prepared and planned: the driver forgets what it prepared at every rollback, with
which each reading of the common pool ends, and planning them anew costs as much as carrying them out. And while a
commit is on its way to the disk, whoever else has something to do in this process goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.generators import execute
from psycopg.waiting import wait_poll
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import make_engine

if TYPE_CHECKING:
    from app.wiring import Services

# They find every row by a key, and their plans are made once, mostly while the tables are small: none of them may come
# to read a whole table that has grown since.
_PLANS = (
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET jit = off",
)
_LOOK_AGAIN = 1.0  # seconds
_engines: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()


@contextmanager
def writing(services: Services) -> Iterator[Session]:
    """As `services.transaction()`. On SQLite, which neither plans twice nor forgets, it is the same."""
    if services.engine.dialect.name == "sqlite":
        with services.transaction() as session:
            yield session
        return
    with Session(_engine_of(services), expire_on_commit=False) as session, session.begin():
        yield session
        session.flush()
        _commit(session.connection())


def after_fork(services: Services) -> None:
    """Leave the parent's connections to the parent."""
    if (engine := _engines.pop(services.engine, None)) is not None:
        engine.dispose(close=False)


def _engine_of(services: Services) -> Engine:
    engine = _engines.get(services.engine)
    if engine is None:
        engine = make_engine(services.engine.url.render_as_string(hide_password=False))
        event.listen(engine, "connect", _plan_once)
        engine = _engines.setdefault(services.engine, engine)
    return engine


def _commit(connection: Connection) -> None:
    """Nothing more is decided in this transaction and its locks are the database's to release, so that here, unlike
    between two statements, it costs nobody anything when the process turns to something else (PSYCOPG_WAIT_FUNC)."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        driver.pgconn.send_query(b"COMMIT")
        [result] = wait_poll(execute(driver.pgconn), driver.pgconn.socket, _LOOK_AGAIN)
        if result.command_status != b"COMMIT":
            raise psycopg.OperationalError(result.error_message.decode(errors="replace") or "rolled back")
    except psycopg.Error as error:
        if lost := driver.broken:
            connection.invalidate(error)
        raise OperationalError("COMMIT", None, error, connection_invalidated=lost) from error
    except BaseException:  # whoever ended the wait left an answer on its way
        connection.invalidate()
        raise


def _plan_once(connection: Any, _record: object) -> None:
    connection.prepare_threshold = 0
    for setting in _PLANS:
        connection.execute(setting, prepare=False)
    connection.commit()
