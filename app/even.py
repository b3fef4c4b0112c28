"""gunicorn's gevent worker with connections shared out evenly among the workers of a door.

Whoever asks first gets a new connection, and a platform keeps its connections for hours: a worker that got most of them
is behind all day while another has little to do (docs/decisions/0030-connections-are-shared-out.md). So a worker that
has clearly more than another leaves the next connection to it for a moment. And a TLS handshake has a time limit here,
which gevent does not know: who connects and says nothing would keep a place of the worker for ever. Reading requests,
their time limits, keep-alive and stopping are gunicorn's own.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from gevent import Timeout
from gevent.server import StreamServer
from gunicorn.workers import ggevent
from gunicorn.workers.base_async import ALREADY_HANDLED

PATIENCE = 0.001  # seconds for which a connection is left to others, who may be busy or halted
AT_ONCE = 8  # connections taken in one turn of the loop, so that a burst is taken in before its requests fill the turns
HANDSHAKE_TIME = 10.0  # seconds
_PLACES = 256  # workers of one door, the two generations of a reload together; more than these take what comes
_NOBODY = -1
ALREADY_ANSWERED: Iterable[bytes] = ALREADY_HANDLED  # what an application returns that has sent its answer itself

# How many connections the worker at each place has; one memory for all that are forked from here.
_counts = memoryview(mmap.mmap(-1, 4 * _PLACES)).cast("i")
for _place in range(_PLACES):
    _counts[_place] = _NOBODY


class EvenServer(StreamServer):  # type: ignore[misc]  # gevent has no types
    """A listener that leaves connections to workers that have fewer; `place` is this process's own."""

    place: int | None = None
    max_accept = property(lambda _: AT_ONCE, lambda _, most: None)  # gunicorn would set it to one
    _is_patient = True

    def do_read(self) -> Any:
        """The next connection; None where there is none, or it is left to others."""
        if self._is_patient and _has_clearly_more(self.place):
            self.stop_accepting()
            self._timer = self.loop.timer(PATIENCE)  # `stop_accepting` ends it, also when the server is closed
            self._timer.start(self._take_the_next)
            return None
        connection = super().do_read()
        if connection is not None:
            self._is_patient = True
            _count(self.place, 1)
        return connection

    def do_close(self, sock: Any, *address: Any) -> None:
        """The end of a connection, however it ended."""
        _count(self.place, -1)
        super().do_close(sock, *address)

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """TLS, within its time; a handshake that comes to nothing is nobody's error."""
        try:
            wrapped = self.wrap_socket(client_socket, do_handshake_on_connect=False, **self.ssl_args)
        except OSError:  # gone already
            return
        with closing(wrapped):
            try:
                with Timeout(HANDSHAKE_TIME):
                    wrapped.do_handshake()
            except (OSError, Timeout):
                return
            self.handle(wrapped, address)

    def _take_the_next(self) -> None:
        """Nobody was quicker if it is still there. Looked for at once: a turn of the loop that finds nothing lasts
        until the next connection comes, which is to be left to others again."""
        if self.started:
            self.start_accepting()
            self._is_patient = False
            self._do_read()
            self._is_patient = True


class EvenWorker(ggevent.GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module."""

    place: int | None = None

    def run(self) -> None:
        """See gunicorn, whose worker finds the class of its servers in its module and nowhere else."""
        global _serving  # noqa: PLW0603 - there is one worker in a process
        _serving = self
        EvenServer.place = self.place
        ggevent.StreamServer = EvenServer
        super().run()


_serving: EvenWorker | None = None


def is_serving() -> bool:
    """Whether this process is a worker that was not told to end: then connections stay open after an answer."""
    return _serving is not None and _serving.alive


def give_place(worker: EvenWorker, living: Iterable[EvenWorker]) -> None:
    """For a worker that is about to be forked, beside those that live (gunicorn's `pre_fork`)."""
    taken = {other.place for other in living}
    worker.place = next((place for place in range(_PLACES) if place not in taken), None)
    if worker.place is not None:
        _counts[worker.place] = 0


def take_place_back(worker: EvenWorker) -> None:
    """It has ended, and its connections with it (gunicorn's `child_exit`)."""
    if worker.place is not None:
        _counts[worker.place] = _NOBODY


def _count(place: int | None, change: int) -> None:
    if place is not None:
        _counts[place] += change


def _has_clearly_more(place: int | None) -> bool:
    """Than the worker that has least: by two, or where there are many by an eighth."""
    if place is None:
        return False
    least = min(count for count in _counts if count != _NOBODY)
    return _counts[place] > least + 1 + least // 8
