"""Commands of operators: `flask routing …`."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from app.routing import service
from app.routing.messages import resolution_body
from app.routing.recognition import RoutingQuery
from app.wiring import current_services

routing = AppGroup("routing", help="The bank directory and what it makes of people's words.")
GROUPS = (routing,)


@routing.command("resolve")
@click.argument("text", nargs=-1, required=True)
@click.option("--clearing-code", help="12 digits; overrides the text.")
@click.option("--city", help="Where the payee is, used when the text names no city.")
def resolve(text: tuple[str, ...], clearing_code: str | None, city: str | None) -> None:
    """Print the bank, branch, decision and reasons for TEXT as JSON."""
    services = current_services()
    with services.reading() as session:
        resolution = service.resolve(services, session, RoutingQuery(" ".join(text), clearing_code, city))
    click.echo(json.dumps(resolution_body(resolution), ensure_ascii=False, indent=2))


@routing.command("load-sandbox")
def load_sandbox() -> None:
    """Store the directory that the service makes up; refused in production."""
    services = current_services()
    with services.transaction() as session:
        added = service.load_sandbox_directory(services, session)
    click.echo(f"{added} branches added")
