"""The processes behind payments, each of which can be killed and started again: PostgreSQL, and programs of our own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres import Postgres

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
RESTART_AFTER = 0.2  # seconds


class Database(Postgres):
    """One that can be killed, as a whole or in part."""

    def __init__(self) -> None:
        super().__init__("max_connections=200")

    def kill_all(self) -> None:
        """As when the machine loses power: nobody of it is left to say good-bye."""
        server = self.pid
        os.kill(server, signal.SIGSTOP)  # so that it starts no other child meanwhile
        everybody = (*children(server), server)
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}").exists() for pid in everybody):  # their shared memory is still in use
            time.sleep(0.01)

    def kill_one(self, chance: random.Random) -> None:
        """One of its processes, upon which it throws everybody out and recovers by itself.

        Not the one that recovers: without that the server gives up, and it is no longer one process that was killed.
        """
        with suppress(ProcessLookupError, FileNotFoundError, IndexError):  # nobody is there (any more)
            victim = chance.choice(children(self.pid))
            if b"startup" not in Path(f"/proc/{victim}/cmdline").read_bytes():
                os.kill(victim, signal.SIGKILL)


class Program:
    """One process of the service, such as `flask payments outbox`, started again whenever it ends, as by systemd."""

    def __init__(self, environment: Mapping[str, str], *command: str) -> None:
        self._environment = os.environ | environment | {"YUNLIAN_DOORS": "people"}
        self._command = [str(PROGRAMS / command[0]), *command[1:]]
        self._log = Path(environment["YUNLIAN_VAR"]) / "programs.log"
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        with self._starting:
            self._stopped.set()
            self._process.terminate()
        self._keeper.join(30)

    def _keep(self) -> None:
        while True:
            self._process.wait()
            time.sleep(RESTART_AFTER)
            with self._starting:
                if self._stopped.is_set():
                    return
                self._start()

    def _start(self) -> None:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )


@contextmanager
def running(*programs: Program) -> Iterator[None]:
    """End them on the way out, gently where they still listen."""
    try:
        yield
    finally:
        for program in programs:
            program.stop()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
