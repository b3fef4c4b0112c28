"""`flask oauth …`: keys of access tokens, codes for registering applications, the bank's onboarding system."""

from __future__ import annotations

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

from app.identity.models import Tenant, TenantKind
from app.oauth import registration, token_keys
from app.oauth.scopes import BANK_SCOPES
from app.oauth.service import register_application
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


@oauth.command("registration-code")
@click.argument("uscc")
@with_appcontext
def _registration_code(uscc: str) -> None:
    """A code with which a platform registers one application by `yunlian register`; good for a week."""
    services = current_services()
    with services.reading() as session:
        tenant = session.scalars(select(Tenant).where(Tenant.uscc == uscc, Tenant.kind == "platform")).first()
    if tenant is None:
        raise click.ClickException("no platform has this unified social credit code")
    click.echo(registration.make_code(services, tenant.id))


@oauth.command("onboarding-client")
@click.argument("name")
@with_appcontext
def _onboarding_client(name: str) -> None:
    """Register the bank's onboarding system NAME, which may propose platforms and nothing else; prints its client_id.

    A certificate officer then hands out the enrolment code for its API certificate.
    """
    services = current_services()
    with services.transaction() as session:
        bank = session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).first()
        if bank is None:
            raise click.ClickException("the bank itself is not registered yet")
        client = register_application(
            services, session, tenant_id=bank.id, name=name, redirect_uris=[], scopes=sorted(BANK_SCOPES),
            actor="command-line",
        )  # fmt: skip
    click.echo(client.client_id)
