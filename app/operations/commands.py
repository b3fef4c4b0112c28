"""`flask jobs …` and `flask audit …`."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from app.operations import jobs
from app.wiring import current_services

jobs_group = AppGroup("jobs", help="What happens by itself: delivery, dispatch, journal, expiry.")
audit = AppGroup("audit", help="The tamper-evident journal.")
GROUPS = (jobs_group, audit)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@jobs_group.command("run")
def _run() -> None:
    """Run all jobs until stopped."""
    jobs.run_until_stopped(current_services())


@jobs_group.command("once")
def _once() -> None:
    """Run every job one time."""
    jobs.run_due(current_services(), {})


@audit.command("verify")
@click.option("--against", type=_FILE, multiple=True, help="a checkpoint that somebody kept; may be given again")
def _verify(against: tuple[Path, ...]) -> None:
    """Recompute the journal's tree and compare with every signed head, and with checkpoints that others kept.

    Finds deletion, change, backdating and forks; status 1 when something is wrong.
    """
    services = current_services()
    with services.reading() as session:
        report = services.journal.verify(session, [file.read_bytes() for file in against])
    for fault in report.faults:
        click.echo(f"FAULT  {fault}")
    click.echo(f"{report.size} leaves, {report.waiting} waiting, {'whole' if report.whole else 'NOT WHOLE'}")
    raise SystemExit(not report.whole)


@audit.command("head")
def _head() -> None:
    """The newest signed head, as a note."""
    services = current_services()
    with services.reading() as session:
        click.echo(services.journal.newest_checkpoint(session) or "no head yet", nl=False)
