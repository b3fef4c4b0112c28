"""The process that builds the index of one version, so that no request has to wait: `python -m app.routing.indexing`,
with its order as JSON on standard input. Several workers may order the same; the first builds, the others find it done.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.db import READ_ONLY, make_engine
from app.routing.artefact import write_file
from app.routing.directories import content_of
from app.routing.directory import build_directory
from app.routing.models import DirectoryVersion

_NICE = 10  # requests go first


def build(database_url: str, path: Path, version: str, at: datetime) -> None:
    """Write the index of a version, as known at a moment, unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name("building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        engine = make_engine(database_url).execution_options(**{READ_ONLY: True})
        with Session(engine) as session:
            content = content_of(session, session.get_one(DirectoryVersion, version), at)
        engine.dispose()
        write_file(path, build_directory(content))


if __name__ == "__main__":
    os.nice(_NICE)
    order = json.load(sys.stdin)
    build(order["database_url"], Path(order["path"]), order["version"], datetime.fromisoformat(order["at"]))
