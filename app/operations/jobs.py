"""The jobs process: what happens by itself, again and again, in one place and in order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app import once
from app.certificates.renewal import warn_before_expiry
from app.identity import sessions
from app.oauth.forgetting import forget_expired
from app.oauth.token_keys import rotate_when_due
from app.payments import workdays
from app.payments.batches import resume_batches
from app.payments.closings import close_days
from app.payments.held import expire_held
from app.payments.partitions import make_partitions
from app.proofing import captures, forgetting, limits
from app.routing import directories, retention
from app.signing.renewal import renew_due
from app.signing.retention import delete_expired, forget_pending_signings
from app.signing.service import deliver_pending, expire_overdue

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do at least every so often; the function returns how many things it did."""

    name: str
    every: timedelta
    run: Callable[[Services], int]


def _forget(services: Services) -> int:
    now = services.clock()
    with services.transaction() as session:
        return once.forget_expired(session, now) + sessions.forget_ended(session, now)


JOBS = (
    Job("deliver contracts", timedelta(seconds=0.5), deliver_pending),
    Job("make payment partitions", timedelta(hours=1), make_partitions),
    Job("close the ledger's days", timedelta(minutes=5), close_days),
    Job("go on with batches", timedelta(seconds=10), resume_batches),
    Job("expire held payments", timedelta(minutes=1), expire_held),
    Job("warn before the working calendar ends", timedelta(days=1), workdays.warn_before_end),
    Job("renew archive time stamps", timedelta(hours=1), renew_due),
    Job("delete contracts after retention", timedelta(hours=1), delete_expired),
    Job("forget signatures in the making", timedelta(minutes=10), forget_pending_signings),
    Job("expire contracts", timedelta(minutes=1), expire_overdue),
    Job("prepare bank directories", timedelta(minutes=1), directories.prepare_aside),
    Job("delete routing decisions after retention", timedelta(hours=1), retention.delete_past),
    Job("warn before expiry", timedelta(hours=1), warn_before_expiry),
    Job("forget what expired", timedelta(minutes=1), _forget),
    Job("forget tokens", timedelta(minutes=1), forget_expired),
    Job("rotate token keys", timedelta(hours=1), rotate_when_due),
    Job("forget persons", timedelta(minutes=1), forgetting.execute_waiting),
    Job("forget counted tries", timedelta(hours=1), limits.forget_past),
    Job("forget captures", timedelta(hours=1), captures.forget_past),
    # Last, so that a round leaves nothing of its own unsealed.
    Job("seal the journal", timedelta(seconds=1), lambda services: services.journal.seal()),
)


def run_due(services: Services, due: dict[str, datetime]) -> None:
    """Run every job whose time has come and note its next time in `due`. A job that fails is logged and tried again."""
    for job in JOBS:
        now = services.clock()
        if now < due.get(job.name, now):
            continue
        try:
            job.run(services)
        except Exception:
            log.exception("job failed", extra={"job": job.name})
        due[job.name] = services.clock() + job.every


def run_until_stopped(services: Services) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    due: dict[str, datetime] = {}
    while not stopped.wait(0.25):
        run_due(services, due)
