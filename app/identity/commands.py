"""Commands of operators: `flask identity …` for tenants and accounts, `flask kyc …` for persons.

Secrets come from a prompt or a file, never from the command line, which every process of the machine reads.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click
from flask.cli import AppGroup

from app.identity import persons, service
from app.identity.models import Role, TenantKind
from app.proofing import portraits
from app.wiring import current_services
from kyc.ports import Assurance

ACTOR = "system:command-line"
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _choice(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([str(word) for word in words])  # given members, click would ask for their Python names


identity = AppGroup("identity", help="Tenants and accounts.")
kyc = AppGroup("kyc", help="Legal representatives and their reference portraits.")
GROUPS = (identity, kyc)


@identity.command("create-tenant")
@click.argument("kind", type=_choice(TenantKind))
@click.argument("name")
@click.argument("uscc")
def create_tenant(kind: str, name: str, uscc: str) -> None:
    """Register the bank, an enterprise or a platform; prints its id."""
    services = current_services()
    with services.transaction() as session:
        tenant = service.create_tenant(services, session, kind=TenantKind(kind), name=name, uscc=uscc, actor=ACTOR)
    click.echo(tenant.id)


@identity.command("create-account")
@click.argument("tenant_id")
@click.argument("login")
@click.argument("name")
@click.argument("role", type=_choice(Role))
@click.option("--password-file", type=_FILE, help="Its first line is the password; otherwise you are asked.")
@click.option("--totp-file", type=_NEW_FILE, help="Write the otpauth address here.")
def create_account(
    tenant_id: str, login: str, name: str, role: str, password_file: Path | None, totp_file: Path | None
) -> None:
    """Create a log-in; prints its id and, unless a file was named, the authenticator's address, once."""
    services = current_services()
    password = _secret(password_file, "Password", confirm=True)
    with services.transaction() as session:
        made = service.create_account(
            services,
            session,
            tenant_id=tenant_id,
            login=login,
            name=name,
            role=Role(role),
            password=password,
            actor=ACTOR,
            provisional=True,
        )
    click.echo(made.account.id)
    if totp_file is None:
        click.echo(made.provisioning_uri)
        return
    totp_file.touch(mode=0o600)
    totp_file.write_text(made.provisioning_uri + "\n", encoding="utf-8")


@identity.command("code")
@click.argument("login")
def code(login: str) -> None:
    """Print the one-time code of now, for a demonstration log-in. Production refuses."""
    services = current_services()
    with services.reading() as session:
        click.echo(service.get_demonstration_code(services, session, login))


@kyc.command("add-person")
@click.argument("tenant_id")
@click.option("--name", prompt=True)
@click.option("--number-file", type=_FILE, help="Its first line is the number; otherwise you are asked.")
def add_person(tenant_id: str, name: str, number_file: Path | None) -> None:
    """Register a legal representative of an enterprise; prints the person's id."""
    services = current_services()
    number = _secret(number_file, "Identity number")
    with services.transaction() as session:
        person = persons.add_person(services, session, tenant_id, name, number, ACTOR)
    click.echo(person.id)


@kyc.command("portrait")
@click.argument("person_id")
@click.argument("image", type=_FILE)
@click.option("--assurance", type=_choice(Assurance), default=str(Assurance.HIGH), show_default=True)
def portrait(person_id: str, image: Path, assurance: str) -> None:
    """Seal a reference portrait (JPEG or PNG); of low assurance is a photographed document, which officers review."""
    services = current_services()
    if Assurance(assurance) is Assurance.LOW:
        portraits.submit_document(services, person_id, image.read_bytes(), actor=ACTOR)
        click.echo("waits for an officer's review")
        return
    with services.transaction() as session:
        persons.set_portrait(services, session, person_id, image.read_bytes(), Assurance(assurance), ACTOR)
    click.echo("sealed")


def _secret(file: Path | None, question: str, *, confirm: bool = False) -> str:
    if file is None:
        answer: str = click.prompt(question, hide_input=True, confirmation_prompt=confirm)
        return answer
    return file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
