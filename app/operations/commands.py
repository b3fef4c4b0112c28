"""`flask jobs …`, `flask audit …`, and on a development machine `flask demonstration code`."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.demonstration import read_log_ins
from app.operations import jobs
from app.wiring import current_services

jobs_group = AppGroup("jobs", help="What happens by itself: delivery, dispatch, journal, expiry.")
audit = AppGroup("audit", help="The tamper-evident journal.")
demonstration = AppGroup("demonstration", help="The demonstration data of a development machine.")
GROUPS = (jobs_group, audit, demonstration)


@jobs_group.command("run")
def _run() -> None:
    """Run all jobs until stopped."""
    jobs.run_until_stopped(current_services())


@jobs_group.command("once")
def _once() -> None:
    """Run every job one time."""
    jobs.run_due(current_services(), {})


@audit.command("verify")
def _verify() -> None:
    """Recompute the journal's tree and compare with every signed head; status 1 when something is wrong."""
    services = current_services()
    with services.reading() as session:
        report = services.journal.verify(session)
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


@demonstration.command("code")
@click.argument("login")
def _code(login: str) -> None:
    """The present code of a demonstration log-in's second factor."""
    services = current_services()
    if services.settings.production:
        raise click.ClickException("there is no demonstration data in production")
    for entry in read_log_ins(services.settings.var / "demonstration"):
        if entry.login == login:
            click.echo(entry.code())
            return
    raise click.ClickException("no such demonstration log-in")
