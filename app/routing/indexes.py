"""What directories are searched in: a file per version and digest under `var/routing/`, built once per machine and
mapped by every process.

Building takes seconds, so no request does it. Who imports a version builds it on that machine, a door builds what is
in force when it starts; what is imported elsewhere in the meantime is built by a process of its own, while requests
are answered with what was in force before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic

from app.routing.artefact import open_file, write_file
from app.routing.directory import FORMAT, Directory, DirectoryContent, build_directory
from app.wiring import Services

_OPEN: dict[Path, Directory] = {}  # what has a digest never changes
_MOST_OPEN = 3
_AGAIN_AFTER = 60.0  # seconds: where building fails, requests do not start one process after the other
_BUILDING: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}  # with when it was started


def index_path(services: Services, name: str, digest: str) -> Path:
    """Where the index of a version lies on this machine."""
    return services.settings.var / "routing" / f"{name}-{digest[:16]}-{FORMAT}.directory"


def is_built(path: Path) -> bool:
    """Whether it can be opened without building."""
    return path in _OPEN or path.exists()


def open_index(path: Path, digest: str) -> Directory:
    """A built index, mapped once per process. Raises FileNotFoundError."""
    known = _OPEN.get(path)
    if known is None:
        known = Directory(open_file(path), digest)
        while len(_OPEN) >= _MOST_OPEN:
            del _OPEN[next(iter(_OPEN))]
        _OPEN[path] = known
    return known


def open_or_build(path: Path, digest: str, content: Callable[[], DirectoryContent]) -> Directory:
    """An index, built where this machine has none yet: twelve seconds for 170,000 branches, so never in a request."""
    if not is_built(path):
        write_file(path, build_directory(content()))
    return open_index(path, digest)


def build_aside(services: Services, path: Path, version: str, at: datetime) -> subprocess.Popen[bytes]:
    """Have a process of its own build an index, as known at a moment: one at a time for each, and the next not before
    _AGAIN_AFTER. Returns that process.
    """
    process, started = _BUILDING.get(path, (None, 0.0))
    if process is not None and (process.poll() is None or monotonic() - started < _AGAIN_AFTER):
        return process
    # The address of the database may hold a password: not for the command line, which all users of a machine see.
    order = {
        "database_url": services.settings.database_url,
        "path": str(path),
        "version": version,
        "at": at.isoformat(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app.routing.indexing"], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    _BUILDING[path] = process, monotonic()
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode())
    process.stdin.close()
    return process
