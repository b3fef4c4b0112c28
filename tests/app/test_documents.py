"""The sealed document store."""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.problems import NotFound, Unavailable
from app.signing.documents import SealedDocumentStore

KEY = bytes(range(32))
CONTENT = b"%PDF-1.7 a contract between people"


@pytest.fixture
def store(tmp_path: Path) -> SealedDocumentStore:
    return SealedDocumentStore(tmp_path, KEY)


def file_of(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


@pytest.mark.parametrize("content", [CONTENT, b"", bytes(300_000)])
def test_what_goes_in_comes_out_under_its_digest(store: SealedDocumentStore, content: bytes) -> None:
    name = store.put(content)
    assert name == hashlib.sha256(content).hexdigest()
    assert store.get(name) == content


def test_the_same_content_is_stored_once(store: SealedDocumentStore, tmp_path: Path) -> None:
    name = store.put(CONTENT)
    before = file_of(tmp_path, name).read_bytes()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(store.put, [CONTENT] * 16)) == {name}
    assert file_of(tmp_path, name).read_bytes() == before
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name]


def test_on_disk_nothing_can_be_read_or_by_others_opened(store: SealedDocumentStore, tmp_path: Path) -> None:
    file = file_of(tmp_path, store.put(CONTENT))
    assert b"contract" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_document_that_is_not_there_is_said_to_be_missing(store: SealedDocumentStore) -> None:
    with pytest.raises(NotFound):
        store.get("0" * 64)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap"])
def test_damage_is_noticed_and_never_shown(store: SealedDocumentStore, tmp_path: Path, damage: str) -> None:
    name, other = store.put(CONTENT), store.put(b"another document")
    file = file_of(tmp_path, name)
    sealed = bytearray(file.read_bytes())
    if damage == "flip":
        sealed[len(sealed) // 2] ^= 1
    elif damage == "swap":
        sealed = bytearray(file_of(tmp_path, other).read_bytes())
    else:
        del sealed[5 if damage == "cut" else 0 :]
    file.write_bytes(sealed)
    with pytest.raises(Unavailable):
        store.get(name)


def test_another_key_opens_nothing(store: SealedDocumentStore, tmp_path: Path) -> None:
    name = store.put(CONTENT)
    with pytest.raises(Unavailable):
        SealedDocumentStore(tmp_path, bytes(32)).get(name)
