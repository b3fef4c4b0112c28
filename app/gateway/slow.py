"""Bodies that dawdle: who sends an octet a second would hold a connection and its memory for days."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from flask import Flask
from gevent import Timeout
from werkzeug.exceptions import RequestTimeout

from app.settings import Door
from app.wiring import EXTENSION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_TIME = 60.0  # seconds for a whole body: the largest, 8 MiB, at 1.2 Mbit/s


class _Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...


class TimedInput:
    """A request's body that has to be here within BODY_TIME of the first read. Raises RequestTimeout.

    The exception passes through gunicorn's own reader, which closes the connection after the answer: where the next
    request would begin nobody knows.
    """

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._ends: float | None = None

    def read(self, size: int = -1) -> bytes:
        if self._ends is None:
            self._ends = time.monotonic() + BODY_TIME
        with Timeout(max(0.0, self._ends - time.monotonic()), RequestTimeout("the body took too long")):
            return self._stream.read(size)


def install(app: Flask) -> None:
    """Before all that reads a body at the platforms' door, where nobody uploads by hand.

    For gunicorn's gevent workers alone: only they wait in a way that can be ended.
    """
    if Door.PLATFORMS not in app.extensions[EXTENSION].settings.doors:
        return
    behind = app.wsgi_app

    def timed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "gunicorn.socket" in environ:
            environ["wsgi.input"] = TimedInput(environ["wsgi.input"])
        return behind(environ, start_response)

    app.wsgi_app = timed  # type: ignore[method-assign]
