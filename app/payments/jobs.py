"""What happens by itself for payments: sending, hearing, asking, end-of-day files, callbacks.

`serve_outbox` is a process of its own, and any number of them may run. Callbacks have a thread of their own, so that a
receiver that does not answer keeps no payment waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from app.payments import channel_files, dispatch, inbox
from app.payments.callbacks import deliver_callbacks
from app.payments.clearing import ClearingConnection, ClearingNotConfigured, connect
from app.payments.clearing_errors import NotDelivered

if TYPE_CHECKING:
    from app.wiring import Services

IDLE = 0.2  # seconds between two rounds with nothing to do
SENDERS = 4  # the real-time channels take one transfer a message, so several travel at once
MOST_ROUNDS = 100
FILES_EVERY = 600.0  # seconds
log = logging.getLogger(__name__)


def dispatch_outbox(services: Services, clearing: ClearingConnection | None = None) -> int:
    """Hear, send and ask until nothing is due; returns how many messages of the clearing were new."""
    if clearing is not None:
        return _run_rounds(services, clearing)
    with closing(connect(services)) as own:
        return _run_rounds(services, own)


def fetch_channel_files(services: Services, clearing: ClearingConnection | None = None) -> int:
    """Fetch the end-of-day files that are not here yet; returns how many came. Raises NotDelivered."""
    if clearing is not None:
        return channel_files.fetch(services, clearing)
    with closing(connect(services)) as own:
        return channel_files.fetch(services, own)


def serve_outbox(services: Services, stopped: threading.Event) -> None:
    """Serve until `stopped`: threads that send, one that hears and asks, one for callbacks, one for files."""
    works = [*[_send] * SENDERS, _hear, deliver_callbacks]
    loops = [threading.Thread(target=_repeat, args=(services, stopped, work, IDLE)) for work in works]
    loops.append(threading.Thread(target=_repeat, args=(services, stopped, fetch_channel_files, FILES_EVERY)))
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()


def _send(services: Services) -> int:
    with closing(connect(services)) as clearing:
        done = 0
        while sent := dispatch.send_due(services, clearing):
            done += sent
        return done


def _hear(services: Services) -> int:
    with closing(connect(services)) as clearing:
        return inbox.collect(services, clearing) + dispatch.ask_for_silent(services, clearing)


def _run_rounds(services: Services, clearing: ClearingConnection) -> int:
    heard = 0
    for _ in range(MOST_ROUNDS):
        sent = dispatch.send_due(services, clearing)
        asked = dispatch.ask_for_silent(services, clearing)
        try:
            new = inbox.collect(services, clearing)
        except NotDelivered:
            break
        heard += new
        if not sent and not asked and not new:
            break
    return heard


def _repeat(services: Services, stopped: threading.Event, work: Callable[[Services], int], pause: float) -> None:
    """Work without a pause as long as there is some. What goes wrong is logged and tried again."""
    while not stopped.is_set():
        began = time.monotonic()
        try:
            done = work(services)
        except (ClearingNotConfigured, NotDelivered) as exc:
            log.warning("no clearing: %s", exc)
            done = 0
        except Exception:
            log.exception("the outbox failed", extra={"job": work.__name__})
            done = 0
        if not done:
            stopped.wait(max(0.0, pause - (time.monotonic() - began)))
