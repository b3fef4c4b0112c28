"""What every key store does, whatever keeps its keys."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pki.errors import InvalidKeyName, KeyNotFound
from pki.keys import KeyType
from pki.ports import KeyStore


def check_deletion(store: KeyStore) -> None:
    """A deleted key is gone, others stay, and its name is free for a new one. The store is empty."""
    first = store.create("log", KeyType.EC_P256)
    store.create("other", KeyType.EC_P256)
    store.delete("log")
    assert store.names() == ["other"]
    for act in (store.load, store.delete):
        with pytest.raises(KeyNotFound):
            act("log")
    with pytest.raises(InvalidKeyName):
        store.delete("../other")
    again = store.create("log", KeyType.EC_P256)
    assert isinstance(again, ec.EllipticCurvePrivateKey)
    assert again.public_key() != first.public_key()
    again.public_key().verify(again.sign(b"m", ec.ECDSA(hashes.SHA256())), b"m", ec.ECDSA(hashes.SHA256()))
