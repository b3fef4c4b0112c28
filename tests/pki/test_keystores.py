import json
from pathlib import Path

import pytest

from pki.errors import InvalidKeyName, KeyExists, KeyNotFound, KeyStoreDamaged, WrongPassphrase
from pki.keys import KeyType
from pki.keystores import SealedKeyStore
from tests.pki.key_stores import check_deletion


def test_a_key_comes_back_after_reopening_and_never_lies_in_the_clear(tmp_path: Path) -> None:
    store = SealedKeyStore(tmp_path / "keys", b"passphrase")
    made = store.create("issuing-api", KeyType.EC_P256)
    store.create("root", KeyType.ED25519)
    assert store.load("issuing-api") is made

    again = SealedKeyStore(tmp_path / "keys", b"passphrase")
    assert again.names() == ["issuing-api", "root"]
    assert again.load("issuing-api").public_key() == made.public_key()
    assert again.load("issuing-api") is again.load("issuing-api")
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_names_are_unique_and_cannot_leave_the_folder(tmp_path: Path) -> None:
    store = SealedKeyStore(tmp_path, b"p")
    store.create("root", KeyType.EC_P256)
    with pytest.raises(KeyExists):
        store.create("root", KeyType.EC_P256)
    with pytest.raises(KeyNotFound):
        store.load("other")
    for name in ("", "../root", "a/b", "Root", "x" * 65, "."):
        with pytest.raises(InvalidKeyName):
            store.load(name)


def test_a_deleted_key_is_gone_and_its_name_free(tmp_path: Path) -> None:
    check_deletion(SealedKeyStore(tmp_path, b"passphrase"))


def test_a_wrong_passphrase_and_damage_are_told_apart(tmp_path: Path) -> None:
    store = SealedKeyStore(tmp_path, b"right")
    store.create("a", KeyType.EC_P256)
    store.create("b", KeyType.EC_P256)
    with pytest.raises(WrongPassphrase):
        SealedKeyStore(tmp_path, b"wrong")

    (tmp_path / "b.key").write_bytes((tmp_path / "a.key").read_bytes())  # one key passed off as another
    (tmp_path / "a.key").write_bytes((tmp_path / "a.key").read_bytes()[:-1])
    (tmp_path / "c.key").write_bytes(b"")
    reopened = SealedKeyStore(tmp_path, b"right")
    for name in "abc":
        with pytest.raises(KeyStoreDamaged):
            reopened.load(name)


@pytest.mark.parametrize("header", [b"", b"[]", b"{}", json.dumps({"format": 2, "salt": "", "proof": ""}).encode()])
def test_an_unreadable_header_is_damage(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "store.json").write_bytes(header)
    with pytest.raises(KeyStoreDamaged):
        SealedKeyStore(tmp_path, b"p")
