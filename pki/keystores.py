"""Where private keys are kept: sealed files."""

import contextlib
import json
import os
import re
import secrets
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from pki import keys
from pki.errors import InvalidKeyName, KeyExists, KeyNotFound, KeyStoreDamaged, WrongPassphrase
from pki.keys import KeyType, PrivateKey

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SUFFIX = ".key"
_FORMAT = 1
_NONCE_BYTES = 12
_PROOF = b"yunlian key store"  # sealed in store.json, so that a wrong passphrase is told from a damaged key


class SealedKeyStore:
    """A folder of private keys, each sealed with AES-256-GCM under one scrypt-derived key.

    `store.json` holds the format's version and the salt; `<name>.key` is a nonce of 12 bytes followed by the
    sealed PKCS #8 DER, with the name as associated data, so that one file cannot pass for another. Keys that
    were loaded once stay in memory.
    """

    def __init__(self, folder: Path, passphrase: bytes) -> None:
        """Open the store, or make it where there is none. Raises WrongPassphrase, KeyStoreDamaged."""
        self._folder = folder
        self._loaded: dict[str, PrivateKey] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / "store.json").exists():
            with contextlib.suppress(FileExistsError):  # another process made it meanwhile: that one counts
                _write_new(folder / "store.json", _new_header(passphrase))
        self._cipher = _unlock((folder / "store.json").read_bytes(), passphrase)

    def create(self, name: str, key_type: KeyType) -> PrivateKey:
        """Make and keep a key. Raises KeyExists, InvalidKeyName."""
        path = self._path(name)
        if path.exists():
            raise KeyExists(name)
        key = keys.generate(key_type)
        plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        nonce = secrets.token_bytes(_NONCE_BYTES)
        try:
            _write_new(path, nonce + self._cipher.encrypt(nonce, plain, name.encode()))
        except FileExistsError as exc:
            raise KeyExists(name) from exc
        self._loaded[name] = key
        return key

    def load(self, name: str) -> PrivateKey:
        """Raises KeyNotFound, InvalidKeyName, KeyStoreDamaged."""
        path = self._path(name)
        if name not in self._loaded:
            self._loaded[name] = self._open(path, name)
        return self._loaded[name]

    def names(self) -> list[str]:
        """The names of all keys, sorted."""
        return sorted(path.name.removesuffix(_SUFFIX) for path in self._folder.glob("*" + _SUFFIX))

    def delete(self, name: str) -> None:
        """Destroy a key for ever; who loaded it before may still use it. Raises KeyNotFound, InvalidKeyName."""
        path = self._path(name)
        self._loaded.pop(name, None)
        try:
            path.unlink()
        except FileNotFoundError as exc:
            raise KeyNotFound(name) from exc

    def _path(self, name: str) -> Path:
        check_key_name(name)
        return self._folder / (name + _SUFFIX)

    def _open(self, path: Path, name: str) -> PrivateKey:
        try:
            sealed = path.read_bytes()
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
            key = load_der_private_key(plain, password=None)
        except FileNotFoundError as exc:
            raise KeyNotFound(name) from exc
        except (InvalidTag, ValueError) as exc:
            raise KeyStoreDamaged(f"the file of the key {name} does not open") from exc
        if not isinstance(key, PrivateKey):
            raise KeyStoreDamaged(f"the key {name} has an unknown type")
        return key


def check_key_name(name: str) -> None:
    """Raises InvalidKeyName. The same names do in every kind of store, so that a deployment can change its kind."""
    if not _NAME.fullmatch(name):
        raise InvalidKeyName(name)


def _new_header(passphrase: bytes) -> bytes:
    salt = secrets.token_bytes(16)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    proof = nonce + _derive(passphrase, salt).encrypt(nonce, _PROOF, b"store.json")
    return json.dumps({"format": _FORMAT, "salt": salt.hex(), "proof": proof.hex()}).encode()


def _unlock(header: bytes, passphrase: bytes) -> AESGCM:
    try:
        fields = json.loads(header)
        if fields["format"] != _FORMAT:
            raise KeyStoreDamaged(f"unknown format {fields['format']}")
        salt, proof = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["proof"])
    except (ValueError, KeyError, TypeError) as exc:
        raise KeyStoreDamaged("store.json cannot be read") from exc
    cipher = _derive(passphrase, salt)
    try:
        cipher.decrypt(proof[:_NONCE_BYTES], proof[_NONCE_BYTES:], b"store.json")
    except (InvalidTag, ValueError) as exc:
        raise WrongPassphrase from exc
    return cipher


def _derive(passphrase: bytes, salt: bytes) -> AESGCM:
    # 32 MiB, three times over: one of the equivalent choices of OWASP's Password Storage Cheat Sheet, and one
    # that several processes starting together can afford.
    return AESGCM(Scrypt(salt=salt, length=32, n=2**15, r=8, p=3).derive(passphrase))


def _write_new(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises FileExistsError instead of replacing."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
