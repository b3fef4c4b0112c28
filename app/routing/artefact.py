"""Arrays in one file that processes share through the page cache: a JSON head, then the arrays, mapped read-only.

Models and built directories are kept so. The head carries the SHA-256 of the rest, checked by whoever takes the
file over, not at every start.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = b"YLART\x01\x00\x00"
_ALIGNMENT = 64
Arrays = dict[str, npt.NDArray[Any]]


class InvalidArtefact(Exception):
    """The file is not an artefact of this format, or not whole."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """`meta` is JSON; `arrays` are read-only views of the mapped file; `sha256` is that of the arrays."""

    meta: dict[str, Any]
    arrays: Arrays
    sha256: str


def pack(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of an artefact; the same arguments give the same bytes."""
    places, body = {}, bytearray()
    for name, array in arrays.items():
        body += b"\0" * (-len(body) % _ALIGNMENT)
        places[name] = {"at": len(body), "type": array.dtype.str, "shape": list(array.shape)}
        body += np.ascontiguousarray(array).tobytes()
    head = {"meta": dict(meta), "arrays": places, "sha256": hashlib.sha256(body).hexdigest()}
    encoded = json.dumps(head, ensure_ascii=False, sort_keys=True).encode()
    encoded += b" " * (-(len(_MAGIC) + 8 + len(encoded)) % _ALIGNMENT)
    return _MAGIC + len(encoded).to_bytes(8, "little") + encoded + bytes(body)


def write_file(path: Path, content: bytes) -> None:
    """Put a file in place whole or not at all, however many processes do the same at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    draft.write_bytes(content)
    os.replace(draft, path)


def open_file(path: Path) -> Artefact:
    """Map a file. Raises FileNotFoundError, InvalidArtefact."""
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as exc:  # empty
            raise InvalidArtefact(str(exc)) from exc
    return unpack(mapped)


def unpack(content: bytes | mmap.mmap) -> Artefact:
    """Views of the arrays in bytes or a mapped file. Raises InvalidArtefact."""
    start = len(_MAGIC) + 8
    if content[: len(_MAGIC)] != _MAGIC:
        raise InvalidArtefact("not an artefact of this format")
    begin = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    try:
        head = json.loads(content[start:begin])
        arrays = {
            name: np.ndarray(tuple(p["shape"]), np.dtype(p["type"]), buffer=content, offset=begin + p["at"])
            for name, p in head["arrays"].items()
        }
    except (ValueError, TypeError, KeyError) as exc:
        raise InvalidArtefact(str(exc)) from exc
    return Artefact(head["meta"], arrays, head["sha256"])


def is_whole(content: bytes) -> bool:
    """Whether the arrays are those whose digest the head carries."""
    start = len(_MAGIC) + 8
    begin = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    digest = hashlib.sha256(memoryview(content)[begin:]).hexdigest()
    return bool(json.loads(content[start:begin])["sha256"] == digest)
