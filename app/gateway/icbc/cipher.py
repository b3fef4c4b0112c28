"""AES as the SDK does it: CBC, an initialization vector of zeros, PKCS #5 padding, Base64.

Equal beginnings of two texts give equal beginnings of their ciphers, and nothing is authenticated: it is what the
dialect has. Here a cipher text is opened only after its signature, and the connection is TLS in any case.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

KEY_BYTES = 16  # the SDK takes 16, 24 and 32; old Java runs 16 only
_BLOCK = 128


class DoesNotDecrypt(ValueError):
    """Not Base64 of whole blocks, not padded, or not UTF-8 under this key."""


def encrypt(key: bytes, text: str) -> str:
    """Base64 of the cipher of `text` in UTF-8."""
    padder, cipher = PKCS7(_BLOCK).padder(), _cipher(key).encryptor()
    padded = padder.update(text.encode()) + padder.finalize()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()


def decrypt(key: bytes, encoded: str) -> str:
    """The text. Raises DoesNotDecrypt."""
    decryptor, unpadder = _cipher(key).decryptor(), PKCS7(_BLOCK).unpadder()
    try:
        octets = base64.b64decode(encoded.encode("ascii"), validate=True)
        padded = decryptor.update(octets) + decryptor.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError as exc:
        raise DoesNotDecrypt("biz_content does not decrypt") from exc


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK // 8)))
