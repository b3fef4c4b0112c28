"""Commands: `flask init`, `flask db …`, and those of each feature."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app.migrations import runner
from app.setup import initialize
from app.wiring import current_services

database = AppGroup("db", help="The database's tables.")
_FEATURES = (
    "identity",
    "proofing",
    "certificates",
    "signing",
    "compliance",
    "payments",
    "routing",
    "oauth",
    "gateway",
    "operations",
)


def install(app: Flask) -> None:
    """Add all commands; each feature declares its groups in `commands.py` as GROUPS."""
    app.cli.add_command(database)
    app.cli.add_command(init)
    for feature in _FEATURES:
        name = f"app.{feature}.commands"
        if find_spec(name) is not None:
            for group in import_module(name).GROUPS:
                app.cli.add_command(group)


@click.command("init")
@with_appcontext
def init() -> None:
    """Create the tables and the certificate authority; harmless to repeat."""
    initialize(current_services())
    click.echo("ready")


@database.command("upgrade")
def _upgrade() -> None:
    """Bring the tables to the newest revision."""
    runner.upgrade(current_services().engine)
    current_services().person_keys.take_over(current_services())


@database.command("revision")
@click.argument("message")
def _revision(message: str) -> None:
    """Write a new revision from what the code's tables have and the database lacks."""
    runner.make_revision(current_services().engine, message)


@database.command("check")
def _check() -> None:
    """Fail when the code's tables and the database differ."""
    found = runner.differences(current_services().engine)
    for difference in found:
        click.echo(difference)
    raise SystemExit(bool(found))
