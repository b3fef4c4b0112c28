"""The commands around authorities: founding, two officers' decisions, what the root's key does, witnesses.

Two officers decide, by the pages or here, each with the own password and second factor; then whoever holds the root's
passphrase carries the decision out.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import timedelta

import click
from cryptography import x509
from flask.cli import with_appcontext

from app.certificates import root, service
from app.certificates.commands_output import as_json, facts, show, table
from app.certificates.founding import renew_own
from app.certificates.hierarchy import Hierarchy
from app.certificates.models import CertificateRecord
from app.identity import decisions
from app.identity import service as identity
from app.identity.models import Account, Decision
from app.journal import witnesses
from app.wiring import current_services
from pki.profiles import IssuingRole

_ACTOR = "command-line"
_officer = click.option("--officer", required=True, help="your log-in; password and code are asked for")
_reason = click.option("--reason", required=True, help="in words, for the second officer")


@click.command("init")
@with_appcontext
def _init() -> None:
    """Found the authority: root, issuing authorities, OCSP responders, gateway, seal, log and time stamps."""
    services = current_services()
    if Hierarchy.exists(services):
        raise click.ClickException("the authority was founded already")
    Hierarchy.found(services)
    click.echo("founded")


@click.command("authorities")
@as_json
@with_appcontext
def _authorities(in_json: bool) -> None:
    """The root and every generation of the issuing authorities."""
    services = current_services()
    with services.reading() as session:
        listed = root.list_authorities(services, session)
    if in_json:
        click.echo(json.dumps([{"name": n, **facts(r)} for n, r in listed], ensure_ascii=False, indent=1))
        return
    issuing = {services.hierarchy.newest(role).name for role in IssuingRole if _stands(listed, role)}
    rows = [
        (name, r.state, "issues" if name in issuing else "-", f"{r.not_after:%Y-%m-%d}", r.subject)
        for name, r in listed
    ]
    table(("name", "state", "at present", "ends", "subject"), rows)


@click.command("propose-issuing")
@click.argument("role", type=click.Choice([str(role) for role in IssuingRole]))
@_reason
@_officer
@with_appcontext
def _propose_issuing(role: str, reason: str, officer: str) -> None:
    """First of two officers: a further generation of an issuing authority. Prints the decision's id."""
    services, account = current_services(), _log_in(officer)
    with services.transaction() as session:
        click.echo(root.propose_generation(services, session, role, reason, account).id)


@click.command("propose-revoke-issuing")
@click.argument("name")
@click.option("--code", type=click.Choice(root.AUTHORITY_REASONS), required=True, help="RFC 5280 §5.3.1")
@_reason
@_officer
@with_appcontext
def _propose_revoke_issuing(name: str, code: str, reason: str, officer: str) -> None:
    """First of two officers: revoke an issuing authority. Prints the decision's id."""
    services, account = current_services(), _log_in(officer)
    with services.transaction() as session:
        click.echo(root.propose_authority_revocation(services, session, name, code, reason, account).id)


@click.command("confirm")
@click.argument("decision_id")
@_officer
@with_appcontext
def _confirm(decision_id: str, officer: str) -> None:
    """Second officer: confirm. An authority's revocation takes effect at once; publish it with root-crl."""
    services, account = current_services(), _log_in(officer)
    with services.transaction() as session:
        decision = session.get(Decision, decision_id)
        if decision is None or decision.kind not in {root.SIGN_ISSUING, root.REVOKE_ISSUING}:
            raise click.ClickException("no such decision about an authority")
        decisions.confirm(services, session, decision_id, account)
    click.echo("confirmed")


@click.command("sign-issuing")
@click.argument("decision_id")
@with_appcontext
def _sign_issuing(decision_id: str) -> None:
    """Carry out a confirmed decision with the root's key (YUNLIAN_ROOT_PASSPHRASE or …_FILE, for this command only)."""
    click.echo(root.sign_issuing(current_services(), decision_id))


@click.command("root-crl")
@as_json
@with_appcontext
def _root_crl(in_json: bool) -> None:
    """Sign and publish the root's next CRL with the root's key (YUNLIAN_ROOT_PASSPHRASE or …_FILE)."""
    row = root.publish_crl(current_services())
    number = x509.load_der_x509_crl(row.der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    show({"number": number, "entries": row.entries, "next_update": row.next_update.isoformat()}, in_json)


@click.command("renew-own")
@click.argument("name", required=False)
@click.option("--within", default=30, show_default=True, help="without NAME: all that end within so many days")
@with_appcontext
def _renew_own(name: str | None, within: int) -> None:
    """Renew the certificates over the service's own keys (ocsp-api, gateway-sign, tsa, …)."""
    services = current_services()
    limit = services.clock() + timedelta(days=within)
    held = services.hierarchy.held_names
    due = [name] if name else [n for n in held if services.hierarchy.held(n).certificate.not_valid_after_utc < limit]
    for each in due:
        if each not in held or each.startswith("issuing-"):
            raise click.ClickException(f"one of {', '.join(n for n in held if not n.startswith('issuing-'))}")
        with services.transaction() as session:
            record = renew_own(services, session, each, _ACTOR)
        click.echo(f"{each}  {record.x5t_s256}  until {record.not_after:%Y-%m-%d}")


@click.command("link")
@click.argument("authorization_id")
@as_json
@with_appcontext
def _link(authorization_id: str, in_json: bool) -> None:
    """How a dual certificate stands: API certificate, product pair, authorization. Status 1 unless the gate is open."""
    services = current_services()
    with services.reading() as session:
        link = service.read_link(services, session, authorization_id)
    at = services.clock()
    parts = {name: state.name.lower() for name, state in link.parts(at).items()}
    whole = link.state(at)
    names = {"api_x5t": link.api.x5t_s256, "product_x5t": link.product.signing.x5t_s256}
    show({"gate": whole.name.lower(), **parts, **names}, in_json)
    raise SystemExit(whole.value != 0)


@click.command("witness")
@click.argument("name")
@click.argument("public_key")
@with_appcontext
def _witness(name: str, public_key: str) -> None:
    """Keep the cosignatures of a witness from now on: its NAME, and its Ed25519 PUBLIC_KEY in Base64."""
    try:
        key = base64.b64decode(public_key, validate=True)
    except binascii.Error as exc:
        raise click.BadParameter("not Base64", param_hint="PUBLIC_KEY") from exc
    services = current_services()
    with services.transaction() as session:
        witnesses.add_witness(services, session, name, key, _ACTOR)


def _stands(listed: list[tuple[str, CertificateRecord]], role: IssuingRole) -> bool:
    return any(name.partition("-")[0] == role and record.state != "revoked" for name, record in listed)


def _log_in(login: str) -> Account:
    """An officer by both factors, as on the pages; the session ends at once."""
    password = click.prompt("password", hide_input=True, err=True)
    code = click.prompt("code", err=True)
    services = current_services()
    logged_in = identity.log_in(services, login=login, password=password, code=code)
    with services.transaction() as session:
        identity.log_out(services, session, logged_in.token, logged_in.account)
    if logged_in.account.provisional:
        raise click.ClickException("log in on the pages first, and choose a password and second factor of your own")
    return logged_in.account


COMMANDS = (
    _init,
    _authorities,
    _propose_issuing,
    _propose_revoke_issuing,
    _confirm,
    _sign_issuing,
    _root_crl,
    _renew_own,
    _link,
    _witness,
)
