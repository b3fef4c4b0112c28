"""Where the wrapped data keys lie: a database of their own, which backups leave out.

Whatever is sealed under a key is in the database, in the document store and in every backup of both; its key is here
alone. Destroying it forgets all of that at once, wherever a copy may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Engine, LargeBinary, MetaData, String, Table, delete, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from app.db import make_engine
from app.identity.models import PersonKey
from app.identity.problems import KeyExists, PersonForgotten
from kyc.sealing import new_data_key, unwrap_data_key, wrap_data_key

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

    from app.wiring import Services

_metadata = MetaData()  # not Base's: these tables never stand in the service's own database
_keys = Table(
    "data_keys",
    _metadata,
    Column("holder", String(26), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)


class PersonKeyStore:
    """Data keys by their holder, the identifier of a person or of a document that is looked at once.

    Each call is a transaction of its own: a key is there before anything is sealed with it, and once `destroy` has
    returned it is gone whatever becomes of the caller's transaction.
    """

    def __init__(self, url: str, master_key: bytes) -> None:
        self._url = url
        self._master_key = master_key

    def create(self, holder: str) -> bytes:
        """A new data key of 32 octets. Raises KeyExists."""
        key = new_data_key()
        self._keep(holder, wrap_data_key(self._master_key, key, holder))
        return key

    def get(self, holder: str) -> bytes:
        """The data key. Raises PersonForgotten where there is none, SealBroken under another master key."""
        found = self.find_many([holder])
        if holder not in found:
            raise PersonForgotten("this person was forgotten")
        return found[holder]

    def find_many(self, holders: Iterable[str]) -> dict[str, bytes]:
        """The data keys of those holders that have one. Raises SealBroken."""
        wanted, found = list(holders), {}
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), 500):
                query = select(_keys).where(_keys.c.holder.in_(wanted[start : start + 500]))
                for holder, wrapped in connection.execute(query):
                    found[holder] = unwrap_data_key(self._master_key, wrapped, holder)
        return found

    def destroy(self, holder: str) -> bool:
        """Forget the key for ever; False when there was none. SQLite overwrites the octets, see `_configure`."""
        with self._engine.begin() as connection:
            gone = bool(connection.execute(delete(_keys).where(_keys.c.holder == holder)).rowcount)
        if self._engine.dialect.name == "sqlite":
            raw = self._engine.raw_connection()
            try:
                # Pages that held the key are in the log until it is folded in and cut.
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.close()
        return gone

    def take_over(self, services: Services) -> int:
        """Move keys that an earlier release kept in the service's own database; returns how many.

        Makes the store's table beforehand, so that no two workers make it at once.
        """
        _ = self._engine
        with services.transaction() as session:
            rows = session.execute(select(PersonKey.person_id, PersonKey.wrapped)).all()
            for holder, wrapped in rows:
                try:
                    self._keep(holder, wrapped)
                except KeyExists:
                    continue  # an interrupted move
            session.execute(delete(PersonKey))
        return len(rows)

    def close(self) -> None:
        """Close the connections to the store."""
        self._engine.dispose()

    def _keep(self, holder: str, wrapped: bytes) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_keys).values(holder=holder, wrapped=wrapped))
        except IntegrityError as exc:
            raise KeyExists("this holder has a key") from exc

    @cached_property
    def _engine(self) -> Engine:
        url = make_url(self._url)
        engine = make_engine(self._url)
        if url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _configure)
            if url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                Path(url.database).touch(mode=0o600)
        _metadata.create_all(engine)
        return engine


def _configure(connection: object, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA secure_delete=ON")  # otherwise a deleted key stays readable in the file's free pages
    cursor.close()
