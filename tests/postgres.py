"""A PostgreSQL made for a test, a proof or a benchmark, reached by a socket that nobody else sees."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


def is_installed() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin"))


class Postgres:
    """A server of its own, durable as it is delivered (fsync and synchronous_commit are on) unless `options` say
    otherwise."""

    def __init__(self, *options: str) -> None:
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self._folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # the socket's path must be short
        self._options = ("listen_addresses=''", f"unix_socket_directories={self._folder}", *options)
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:  # as which it does not run
            self._owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"

    @property
    def pid(self) -> int:
        """The process whose children serve."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Returns when it has recovered and takes connections."""
        options = " ".join(f"-c {option}" for option in self._options)
        self._run("pg_ctl", "-w", "-o", options, "-l", self._folder / "log", "start")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it did not come back
            self._run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, "-D", self._folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._owner)
