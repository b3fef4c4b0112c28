"""Commands over the ledger: `flask payments reconcile | close-days | make-partitions`."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import click
from flask.cli import with_appcontext

from app.payments.channels import BEIJING
from app.payments.closings import close_days
from app.payments.partitions import make_partitions
from app.payments.reconcile import reconcile
from app.wiring import current_services


@click.command("reconcile")
@click.option(
    "--day", "days", multiple=True, type=click.DateTime(["%Y-%m-%d"]), help="Compare the channels' files of it."
)
@with_appcontext
def reconcile_command(days: tuple[datetime, ...]) -> None:
    """Compare ledger, instructions, closings and channel files (of yesterday); ends with status 1 where they differ, or
    where a file of the week before is still not here."""
    services = current_services()
    today = services.clock().astimezone(BEIJING).date()
    with services.reading() as session:
        found = reconcile(services, session, tuple(day.date() for day in days) or (today - timedelta(days=1),), today)
    click.echo(f"{found.instructions} instructions, {found.transfers} transfers, {found.files} days of channel files")
    for fault in found.faults:
        click.echo(fault)
    sys.exit(1 if found.faults else 0)


@click.command("close-days")
@with_appcontext
def close_days_command() -> None:
    """Close the books of every day that is over."""
    click.echo(f"{close_days(current_services())} days closed")


@click.command("make-partitions")
@with_appcontext
def make_partitions_command() -> None:
    """Make the partitions of the days to come (PostgreSQL); the jobs process does the same."""
    click.echo(f"{make_partitions(current_services())} partitions made")


COMMANDS = (reconcile_command, close_days_command, make_partitions_command)
