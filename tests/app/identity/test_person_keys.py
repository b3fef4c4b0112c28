"""Data keys lie in a store of their own, and a destroyed one leaves no octet behind."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.db import new_id
from app.identity.models import PersonKey
from app.identity.person_keys import PersonKeyStore
from app.identity.problems import KeyExists, PersonForgotten
from app.wiring import Services
from kyc.errors import SealBroken
from kyc.sealing import new_data_key, wrap_data_key

MASTER = bytes(range(32))


@pytest.fixture
def store(services: Services) -> Iterator[PersonKeyStore]:
    """A store in the database of the test, so that it is tried on each kind."""
    made = PersonKeyStore(services.settings.database_url, MASTER)
    yield made
    made.close()


def test_a_key_is_made_once_and_found_again(store: PersonKeyStore) -> None:
    holder, other = new_id(), new_id()
    key = store.create(holder)

    assert store.get(holder) == key
    assert store.find_many([holder, other]) == {holder: key}
    with pytest.raises(KeyExists):
        store.create(holder)


def test_many_keys_are_found_at_once(store: PersonKeyStore) -> None:
    keys = {holder: store.create(holder) for holder in (new_id() for _ in range(20))}

    assert store.find_many([*keys, *(new_id() for _ in range(600))]) == keys


def test_a_destroyed_key_is_gone(store: PersonKeyStore) -> None:
    holder = new_id()
    store.create(holder)

    assert store.destroy(holder)
    assert not store.destroy(holder)
    with pytest.raises(PersonForgotten):
        store.get(holder)


def test_another_master_key_opens_nothing(store: PersonKeyStore, services: Services) -> None:
    holder = new_id()
    store.create(holder)
    other = PersonKeyStore(services.settings.database_url, secrets.token_bytes(32))

    with pytest.raises(SealBroken):
        other.get(holder)
    other.close()


def test_no_octet_of_a_destroyed_key_stays_in_the_file(tmp_path: Path) -> None:
    store = PersonKeyStore(f"sqlite:///{tmp_path}/keys.db", MASTER)
    kept, gone = new_id(), new_id()
    store.create(kept)
    store.create(gone)
    assert _anywhere(tmp_path, gone)

    store.destroy(gone)

    assert _anywhere(tmp_path, kept)
    assert not _anywhere(tmp_path, gone)
    assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0
    store.close()


def test_keys_of_an_earlier_release_move_over_once(services: Services) -> None:
    holder, key = new_id(), new_data_key()
    wrapped = wrap_data_key(services.settings.data_key, key, holder)
    with services.transaction() as session:
        session.add(PersonKey(person_id=holder, wrapped=wrapped))

    assert services.person_keys.take_over(services) == 1
    assert services.person_keys.take_over(services) == 0
    assert services.person_keys.get(holder) == key
    with services.reading() as session:
        assert session.get(PersonKey, holder) is None


def _anywhere(folder: Path, holder: str) -> bool:
    return any(holder.encode() in path.read_bytes() for path in folder.iterdir())
