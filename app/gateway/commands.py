"""`flask gateway …`: the ICBC dialect's keys and its worked example."""

from __future__ import annotations

import click
from flask.cli import AppGroup, with_appcontext

from app.gateway.icbc import example, keys
from app.oauth.service import get_application
from app.wiring import current_services

gateway = AppGroup("gateway", help="The platforms' gateway and its ICBC dialect.")
GROUPS = (gateway,)
_ACTOR = "command-line"


@gateway.command("explain-icbc")
def _explain() -> None:
    """Print every intermediate value of a worked example (docs/icbc.md). Needs no database."""
    click.echo(example.as_text())


@gateway.command("icbc-public-key")
@with_appcontext
def _public_key() -> None:
    """Print the bank's RSA key with which SDKs check answers (Base64 of the SubjectPublicKeyInfo)."""
    click.echo(keys.public_key_text(current_services()))


@gateway.command("icbc-aes-key")
@click.argument("client_id")
@with_appcontext
def _aes_key(client_id: str) -> None:
    """Make an application's AES key, replacing an earlier one, and print it this once."""
    services = current_services()
    with services.transaction() as session:
        application = get_application(session, client_id)
        click.echo(keys.new_aes_key(services, session, application.id, actor=_ACTOR))


@gateway.command("icbc-sha1")
@click.argument("client_id")
@click.argument("switch", type=click.Choice(["on", "off"]))
@with_appcontext
def _sha1(client_id: str, switch: str) -> None:
    """Sign an application's answers with SHA-1, for the oldest SDKs. Requests by SHA-1 are refused in any case."""
    services = current_services()
    with services.transaction() as session:
        application = get_application(session, client_id)
        keys.switch_sha1(services, session, application.id, on=switch == "on", actor=_ACTOR)
