"""What `pki` asks of the world: the time, and somebody who keeps private keys."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pki.keys import KeyType, PrivateKey, PublicKey

__all__ = ["Clock", "KeyStore", "PrivateKey", "PublicKey"]

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime."""


class KeyStore(Protocol):
    """Keeps private keys by name. Keys stay loaded: parsing one costs more than signing with it."""

    def create(self, name: str, key_type: KeyType) -> PrivateKey:
        """Make and keep a key. Raises KeyExists, InvalidKeyName."""

    def load(self, name: str) -> PrivateKey:
        """Raises KeyNotFound, InvalidKeyName, KeyStoreDamaged."""

    def names(self) -> list[str]:
        """The names of all keys, sorted."""

    def delete(self, name: str) -> None:
        """Destroy a key for ever. Processes that loaded it may still use it. Raises KeyNotFound, InvalidKeyName."""
