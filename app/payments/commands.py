"""Commands of operators: `flask payments …`."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from app.payments import ledger_commands
from app.payments.channel_commands import COMMANDS
from app.payments.jobs import dispatch_outbox
from app.payments.ledger import inspect_ledger
from app.wiring import current_services

payments = AppGroup("payments", help="The ledger and the outbox.")
GROUPS = (payments,)
for _command in (*COMMANDS, *ledger_commands.COMMANDS):
    payments.add_command(_command)


@payments.command("check-ledger")
def check_ledger() -> None:
    """Recompute every balance from the transfers; ends with status 1 where a fen is missing."""
    services = current_services()
    with services.reading() as session:
        report = inspect_ledger(session)
    click.echo(f"{report.accounts} accounts, sum of balances {report.sum_of_balances_minor} fen")
    for number in report.differing_accounts:
        click.echo(f"differs from its transfers: {number}")
    sys.exit(0 if report.is_sound else 1)


@payments.command("dispatch")
def dispatch() -> None:
    """Send what waits and hear what came in, now; the outbox process does the same all the time."""
    click.echo(f"{dispatch_outbox(current_services())} messages of the clearing")
