"""The database connections of those who have to be fast, apart from the pool of everybody else.

On PostgreSQL its statements stay prepared and planned: the driver forgets what it prepared at every rollback, with
which each reading of the common pool ends, and planning them anew costs as much as carrying them out. And the last
writes of a transaction, upon which nothing is decided any more, are sent together with its commit: while the database
carries them out, whoever else has something to do in this process goes on, and no lock waits for this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.abc import PQGen
from psycopg.generators import send
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait, wait_poll
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
_LAST = "last writes"

Statement = tuple[str, Any]  # as the driver takes it, with its parameters
_engines: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()


@contextmanager
def writing(services: Services) -> Iterator[Session]:
    """As `services.transaction()`. On SQLite, which neither plans twice nor forgets, it is the same."""
    if services.engine.dialect.name == "sqlite":
        with services.transaction() as session:
            yield session
        return
    last: list[Statement] = []
    info = {_LAST: last}
    with Session(_engine_of(services), expire_on_commit=False, info=info) as session, session.begin():
        yield session
        session.flush()
        _commit(session.connection(), last)


def last_writes(session: Session) -> list[Statement] | None:
    """Where to put a statement of the driver that may be sent with the commit, because nothing in this transaction
    reads what it writes; None where the session knows no such thing, and the statement has to be carried out at once.
    """
    return session.info.get(_LAST)


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


def _commit(connection: Connection, last: Sequence[Statement]) -> None:
    """Nothing more is decided in this transaction and its locks are the database's to release, so that here, unlike
    between two statements, it costs nobody anything when the process turns to something else (PSYCOPG_WAIT_FUNC)."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        with driver.pipeline(), driver.cursor() as cursor:
            for statement, parameters in last:
                cursor.execute(statement, parameters)
            cursor.execute("COMMIT", prepare=False)
            driver.pgconn.send_flush_request()
            driver.wait(send(driver.pgconn))  # all of it, the COMMIT too, before anybody else may want these locks
            wait_poll(_until_answered(driver.pgconn), driver.pgconn.socket, _LOOK_AGAIN)
        if cursor.statusmessage != "COMMIT":
            raise psycopg.OperationalError("rolled back")
    except psycopg.Error as error:
        if lost := driver.broken:
            connection.invalidate(error)
        raise OperationalError("COMMIT", None, error, connection_invalidated=lost) from error
    except BaseException:  # whoever ended the wait left an answer on its way
        connection.invalidate()
        raise


def _until_answered(pgconn: PGconn) -> PQGen[None]:
    """Over when the first answer is here, which is when the database has done it all."""
    while pgconn.is_busy():  # an error may be here already, and then nothing comes any more
        if (yield Wait.R):
            pgconn.consume_input()


def _plan_once(connection: Any, _record: object) -> None:
    connection.prepare_threshold = 0
    for setting in _PLANS:
        connection.execute(setting, prepare=False)
    connection.commit()
