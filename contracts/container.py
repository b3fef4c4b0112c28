"""The container of an evidence bundle: a zip of which every byte is determined by the parts it holds."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from contracts.errors import InvalidEvidence

FORMAT = "yunlian-evidence/1"
MANIFEST = "manifest.json"
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_PARTS = 256

_PATH = re.compile(r"[a-z0-9][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,127})?")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_canonical_json(data: bytes, step: str) -> Any:
    """Only the canonical form passes, so that nothing hides between the lines. Raises InvalidEvidence."""
    try:
        value = json.loads(data)
        canonical = canonical_json(value)
    except (ValueError, RecursionError) as exc:
        raise InvalidEvidence(step, "not JSON") from exc
    if canonical != data:
        raise InvalidEvidence(step, "not in canonical form")
    return value


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Parts and their manifest as a zip; the same parts give the same bytes.

    The manifest is {"format", "parts": {path: SHA-256 in hexadecimal}}.
    """
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in parts.items()}
    return _zip({MANIFEST: canonical_json({"format": FORMAT, "parts": digests}), **parts})


def unpack(bundle: bytes) -> dict[str, bytes]:
    """All files. Raises InvalidEvidence for bounds, form, or a byte that `pack` would not write."""
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise InvalidEvidence("container", "too large")
    try:
        with zipfile.ZipFile(BytesIO(bundle)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if len(set(names)) != len(names) or len(names) > MAX_PARTS or not stored:
                raise InvalidEvidence("container", "names are repeated, too many, or compressed")
            files = {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, OSError, EOFError) as exc:
        raise InvalidEvidence("container", "not a readable zip") from exc
    if MANIFEST not in files or not all(_PATH.fullmatch(name) for name in files):
        raise InvalidEvidence("container", "no manifest, or an odd name")
    if _zip(files) != bundle:
        raise InvalidEvidence("container", "holds bytes besides its parts")
    return files


def verify_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The parts, exactly those that the manifest lists with their digests. Raises InvalidEvidence."""
    parts = {name: data for name, data in files.items() if name != MANIFEST}
    manifest = parse_canonical_json(files[MANIFEST], "manifest")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidEvidence("manifest", "unknown format")
    expected = {path: hashlib.sha256(data).hexdigest() for path, data in parts.items()}
    if manifest != {"format": FORMAT, "parts": expected}:
        raise InvalidEvidence("manifest", "the digests of the parts differ")
    return parts


def _zip(files: Mapping[str, bytes]) -> bytes:
    output = BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return output.getvalue()
