"""`flask oauth …`: keys of access tokens."""

from __future__ import annotations

import click
from flask.cli import AppGroup, with_appcontext

from app.oauth import token_keys
from app.wiring import current_services

oauth = AppGroup("oauth", help="The authorization server.")
GROUPS = (oauth,)


@oauth.command("token-keys")
@with_appcontext
def _list() -> None:
    """The keys of access tokens in the order in which they sign; before the first it is the gateway's."""
    services = current_services()
    ring, now = token_keys.key_ring(services), services.clock()
    for key in ring.usable(now):
        state = "signs" if key is ring.signing(now) else "next" if ring.find(key.kid, now) is None else "verifies"
        click.echo(f"{key.kid}  {state:<8}  {key.active_from.isoformat() if key.active_from else 'gateway'}")


@oauth.command("rotate-token-key")
@click.option("--at-once", is_flag=True, help="the present key leaked: end every token that is out")
@with_appcontext
def _rotate(at_once: bool) -> None:
    """Make the next key; it is published now and signs in ten minutes. The jobs process does it every 30 days."""
    services = current_services()
    with services.transaction() as session:
        row = token_keys.rotate(services, session, actor="command-line", at_once=at_once)
        click.echo(f"{row.kid}  from {row.active_from.isoformat()}")
