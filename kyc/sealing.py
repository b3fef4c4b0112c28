"""Biometric data encrypted at rest: AES-256-GCM under a data key per person, itself wrapped by a master key.

Destroying a person's wrapped data key forgets everything sealed under it, in every copy and backup.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kyc.errors import SealBroken

KEY_BYTES: Final = 32
_FORMAT: Final = b"\x01"
# NIST SP 800-38D §8.3: random nonces serve 2^32 messages per key; one person's key seals a few hundred.
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_DATA: Final = b"yunlian-kyc-data\x00"
_KEY: Final = b"yunlian-kyc-key\x00"


def new_data_key() -> bytes:
    """32 random bytes: the data key of one person."""
    return secrets.token_bytes(KEY_BYTES)


def seal(data_key: bytes, plaintext: bytes, context: str) -> bytes:
    """Version byte, nonce, ciphertext and tag. `context` (whose, what) is authenticated and not stored."""
    return _encrypt(data_key, plaintext, _DATA + context.encode())


def open_sealed(data_key: bytes, sealed: bytes, context: str) -> bytes:
    """What `seal` was given. Raises SealBroken for another key, another context or one changed bit."""
    return _decrypt(data_key, sealed, _DATA + context.encode())


def wrap_data_key(master_key: bytes, data_key: bytes, context: str) -> bytes:
    """A data key sealed under the master key of the key-encryption layer, bound to `context` (the person)."""
    return _encrypt(master_key, data_key, _KEY + context.encode())


def unwrap_data_key(master_key: bytes, wrapped: bytes, context: str) -> bytes:
    """The data key. Raises SealBroken."""
    return _decrypt(master_key, wrapped, _KEY + context.encode())


def _encrypt(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORMAT + nonce + _cipher(key).encrypt(nonce, plaintext, _FORMAT + associated)


def _decrypt(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _FORMAT:
        raise SealBroken("not a sealed value of a known format")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return _cipher(key).decrypt(nonce, ciphertext, _FORMAT + associated)
    except InvalidTag as exc:
        raise SealBroken("changed, moved, or sealed under another key") from exc


def _cipher(key: bytes) -> AESGCM:
    # AESGCM would silently take 16 or 24 bytes as AES-128 or AES-192.
    if len(key) != KEY_BYTES:
        raise SealBroken("a key has 32 bytes")
    return AESGCM(key)
