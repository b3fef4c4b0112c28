"""What a witness keeps: its key, the log's pinned key, the last head of the log, and the evidence of a fork."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pki.checkpoint import Checkpoint, verify_checkpoint

_KEY, _CONFIG, _STORE, _NEWEST, _FORKS = "witness.key", "witness.json", "heads.sqlite", "newest.note", "forks"


class WitnessFolder:
    """A folder of one witness for one log; `pki.witness.WitnessStore` over its SQLite file."""

    def __init__(self, folder: Path, name: str, url: str, key: Ed25519PrivateKey, log_key: Ed25519PublicKey) -> None:
        self.name, self.url, self.key, self.log_key = name, url, key, log_key
        self._folder = folder
        with closing(self._connect()) as store, store:
            store.execute("CREATE TABLE IF NOT EXISTS heads (origin TEXT PRIMARY KEY, size INTEGER, root BLOB)")

    @classmethod
    def create(cls, folder: Path, name: str, url: str, log_certificate: bytes) -> Self:
        """A new key in a file of its own (0600). Raises FileExistsError instead of replacing one."""
        log_key = x509.load_pem_x509_certificate(log_certificate).public_key()
        if not isinstance(log_key, Ed25519PublicKey):
            raise TypeError("the log signs with Ed25519")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        descriptor = os.open(folder / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        config = {"name": name, "url": url.rstrip("/"), "log_key": _base64(log_key)}
        (folder / _CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """What `create` made."""
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        key = load_pem_private_key((folder / _KEY).read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)  # as `create` makes it
        log_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(config["log_key"]))
        return cls(folder, config["name"], config["url"], key, log_key)

    @property
    def public_key(self) -> str:
        """The witness's own, raw, in Base64."""
        return _base64(self.key.public_key())

    def read_head(self, note: bytes) -> Checkpoint:
        """The head of a note that the log signed. Raises InvalidCheckpoint."""
        return verify_checkpoint(note, self.log_key)

    def newest_head(self) -> Checkpoint | None:
        """The last head that was accepted, and None before the first, whose origin is the log's from then on."""
        with closing(self._connect()) as store:
            row = store.execute("SELECT origin, size, root FROM heads ORDER BY rowid LIMIT 1").fetchone()
        return Checkpoint(*row) if row else None

    # --- pki.witness.WitnessStore ---

    def latest(self, origin: str) -> Checkpoint | None:
        """None for a log never seen before."""
        with closing(self._connect()) as store:
            row = store.execute("SELECT size, root FROM heads WHERE origin = ?", (origin,)).fetchone()
        return Checkpoint(origin, row[0], row[1]) if row else None

    def replace(self, origin: str, old: Checkpoint | None, new: Checkpoint) -> bool:
        """Durably, and only if `latest` is still `old`."""
        with closing(self._connect()) as store, store:
            if old is None:
                done = store.execute(
                    "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (origin, new.size, new.root)
                )
            else:
                done = store.execute(
                    "UPDATE heads SET size = ?, root = ? WHERE origin = ? AND size = ? AND root = ?",
                    (new.size, new.root, origin, old.size, old.root),
                )
            return done.rowcount == 1

    # --- evidence ---

    def keep_note(self, note: bytes) -> None:
        """The newest note that was cosigned: what `flask audit verify --against` compares with."""
        temporary = self._folder / (_NEWEST + ".new")
        temporary.write_bytes(note)
        temporary.replace(self._folder / _NEWEST)

    def keep_fork(self, note: bytes) -> Path:
        """The note that does not continue the last cosigned one, beside a copy of that one."""
        checkpoint = self.read_head(note)
        forks = self._folder / _FORKS / f"{checkpoint.size}-{checkpoint.root.hex()[:16]}"
        forks.mkdir(parents=True, exist_ok=True)
        (forks / "refused.note").write_bytes(note)
        if (self._folder / _NEWEST).exists():
            (forks / "cosigned.note").write_bytes((self._folder / _NEWEST).read_bytes())
        return forks

    def _connect(self) -> sqlite3.Connection:
        store = sqlite3.connect(self._folder / _STORE)
        store.execute("PRAGMA synchronous=FULL")
        return store


def _base64(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes_raw()).decode()
