"""`flask pki …`: certificates by hand. What the root's key and the authorities do is in `authority_commands`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates import authority_commands, published, service
from app.certificates.commands_output import as_json, facts, show, table
from app.certificates.explain import Explanation, explain, guess_purpose
from app.certificates.models import CertificateRecord
from app.certificates.records import x5t_s256 as name_of
from app.certificates.status import lookup_in, status_by_serial
from app.identity.models import Tenant
from app.oauth.models import Application
from app.problems import Problem
from app.wiring import current_services
from pki.errors import PkiError
from pki.path import Purpose
from pki.profiles import Custody


class _PkiGroup(AppGroup):
    """Refusals are one line and status 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Problem, PkiError) as refusal:
            raise click.ClickException(f"{refusal.code}: {refusal}") from refusal


pki = _PkiGroup("pki", help="The certificate authority: found, enrol, renew, suspend, revoke, publish, verify.")
GROUPS = (pki,)
ACTOR = "command-line"
_NAMES = {"ignore_unknown_options": True}  # an x5t#S256 may begin with a hyphen
for command in authority_commands.COMMANDS:
    pki.add_command(command)


@pki.command("list")
@click.option("--profile", help="api, product-sign, product-encrypt, signer, issuing …")
@click.option("--text", help="part of the subject, a serial number or an x5t#S256")
@click.option("--limit", default=50, show_default=True)
@click.option("--expiring", is_flag=True, help="only those whose holders were warned that they end soon")
@as_json
def _list(profile: str | None, text: str | None, limit: int, expiring: bool, in_json: bool) -> None:
    """List certificates, newest first."""
    with current_services().reading() as session:
        if expiring:
            records = [record for record, _ in service.list_warnings(session, limit=limit)]
        else:
            records = service.list_certificates(session, profile=profile, text=text, limit=limit)
    if in_json:
        click.echo(json.dumps([facts(record) for record in records], ensure_ascii=False, indent=1))
        return
    rows = [(r.x5t_s256, r.profile, r.state, f"{r.not_after:%Y-%m-%d}", r.subject) for r in records]
    table(("x5t#S256", "profile", "state", "ends", "subject"), rows)


@pki.command("show", context_settings=_NAMES)
@click.argument("x5t")
@as_json
def _show(x5t: str, in_json: bool) -> None:
    """One certificate: its facts and, for people, its chain in PEM."""
    services = current_services()
    with services.reading() as session:
        record = service.get_certificate(session, x5t)
        known = {
            **facts(record),
            "tenant": record.tenant_id,
            "application": record.application_id,
            "product": record.product,
            "custody": record.custody,
            "pair": record.pair_id,
            "renews": record.renews,
        }
    show(known, in_json)
    if not in_json:
        click.echo(service.chain_pem(services, record), nl=False)


@pki.command("enrol-code")
@click.argument("profile", type=click.Choice(["api", "product"]))
@click.option("--tenant", "tenant", required=True, help="the platform's or enterprise's id or USCC")
@click.option("--application", "application", help="for api: the application's id or client_id")
@click.option("--product", help="for product: its name, e.g. payments")
@click.option("--custody", type=click.Choice([str(custody) for custody in Custody]), default="agent", show_default=True)
def _enrol_code(profile: str, tenant: str, application: str | None, product: str | None, custody: str) -> None:
    """Make a one-time enrolment code; it is shown once and stored as a digest."""
    services = current_services()
    with services.transaction() as session:
        _, code = service.create_enrolment(
            services,
            session,
            profile=profile,
            tenant_id=_tenant_id(session, tenant),
            application_id=_application_id(session, application),
            product=product,
            custody=custody if profile == "product" else None,
            actor=ACTOR,
        )
    click.echo(code)


@pki.command("enrol")
@click.argument("code")
@click.argument("csr", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def _enrol(code: str, csr: tuple[Path, ...]) -> None:
    """Issue what CODE allows for CSR: one file for an API certificate, two (signing, encryption) for a pair.

    Prints the chains in PEM.
    """
    services = current_services()
    requests = [path.read_bytes() for path in csr]
    with service.journal_refusals(services, "enrolment", actor=ACTOR), services.transaction() as session:
        if len(requests) == 1:
            issued: Sequence[CertificateRecord] = [service.enrol_api(services, session, code=code, csr=requests[0])]
        else:
            sign_csr, encrypt_csr = _two(requests)
            issued = service.enrol_product(services, session, code=code, sign_csr=sign_csr, encrypt_csr=encrypt_csr)
    _print_chains(issued)


@pki.command("renew", context_settings=_NAMES)
@click.argument("x5t")
@click.argument("csr", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def _renew(x5t: str, csr: tuple[Path, ...]) -> None:
    """Issue a successor for a good certificate: one CSR for an API certificate; two for a pair, X5T its signing one.

    The service's own (ocsp-…, gateway-…, tsa, seal) are renewed with `renew-own`.
    """
    services = current_services()
    requests = [path.read_bytes() for path in csr]
    with service.journal_refusals(services, "renewal", actor=ACTOR, subject=x5t), services.transaction() as session:
        if len(requests) == 1:
            renewed = service.renew_api(services, session, x5t_s256=x5t, csr=requests[0], actor=ACTOR)
            issued: Sequence[CertificateRecord] = [renewed]
        else:
            sign_csr, encrypt_csr = _two(requests)
            issued = service.renew_product(
                services, session, x5t_s256=x5t, sign_csr=sign_csr, encrypt_csr=encrypt_csr, actor=ACTOR
            )
    _print_chains(issued)


_note = click.option("--note", required=True, help="the reason in words; the journal keeps its digest")
_apart = click.option("--apart", is_flag=True, help="this certificate alone, not its pair")


@pki.command("hold", context_settings=_NAMES)
@click.argument("x5t")
@_note
@_apart
def _hold(x5t: str, note: str, apart: bool) -> None:
    """Suspend a certificate and its pair."""
    services = current_services()
    with services.transaction() as session:
        service.hold(services, session, x5t, note, ACTOR, apart=apart)


@pki.command("release", context_settings=_NAMES)
@click.argument("x5t")
@_note
@_apart
def _release(x5t: str, note: str, apart: bool) -> None:
    """End a suspension."""
    services = current_services()
    with services.transaction() as session:
        service.release(services, session, x5t, note, ACTOR, apart=apart)


@pki.command("revoke", context_settings=_NAMES)
@click.argument("x5t")
@click.option("--reason", type=click.Choice(service.REASONS), required=True, help="RFC 5280 §5.3.1")
@_note
@_apart
def _revoke(x5t: str, reason: str, note: str, apart: bool) -> None:
    """Revoke a certificate and its pair for ever, and end the authorizations that hang on it."""
    services = current_services()
    with services.transaction() as session:
        service.revoke(services, session, x5t, reason, ACTOR, note, apart=apart)


@pki.command("crl")
@click.argument("issuer")
@click.option("--delta", is_flag=True, help="the delta CRL")
@click.option("--out", type=click.Path(path_type=Path), help="write the DER there instead of showing it")
@as_json
def _crl(issuer: str, delta: bool, out: Path | None, in_json: bool) -> None:
    """The newest CRL of an authority."""
    current = published.current_delta_crl if delta else published.current_crl
    row = current(current_services(), issuer)
    if out is not None:
        out.write_bytes(row.der)
        return
    crl = x509.load_der_x509_crl(row.der)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    entries = [(f"{entry.serial_number:x}", f"{entry.revocation_date_utc:%Y-%m-%d %H:%M}") for entry in crl]
    known = {
        "issuer": crl.issuer.rfc4514_string(),
        "number": number,
        "this_update": row.this_update.isoformat(),
        "next_update": row.next_update.isoformat(),
    }
    show(known | {"entries": [list(entry) for entry in entries]} if in_json else known, in_json)
    if not in_json:
        table(("serial", "revoked"), entries)


@pki.command("ocsp-check")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@as_json
def _ocsp_check(file: Path, in_json: bool) -> None:
    """What the OCSP responder would say of a certificate: good, revoked or unknown. Status 1 unless good."""
    services = current_services()
    certificate = _load(file)
    issuers = {a.certificate.subject: a.name for a in services.hierarchy.authorities}
    issuer = issuers.get(certificate.issuer)
    state = status_by_serial(services, issuer, certificate.serial_number) if issuer else None
    said = "unknown" if state is None else "good" if state.revoked_at is None else "revoked"
    known = {"issuer": issuer, "serial": f"{certificate.serial_number:x}", "x5t#S256": name_of(certificate)}
    if state is not None and state.revoked_at is not None:
        known |= {"revoked_at": state.revoked_at.isoformat(), "reason": state.reason.value}
    show(known | {"status": said}, in_json)
    raise SystemExit(said != "good")


@pki.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--purpose",
    type=click.Choice([str(purpose) for purpose in Purpose]),
    help="otherwise the one that the certificate's policy names",
)
@click.option("--at", help="ISO 8601 time with zone; now unless given")
@as_json
def _verify(files: tuple[Path, ...], purpose: str | None, at: str | None, in_json: bool) -> None:
    """Explain the chain of each FILE (PEM or DER) step by step, with revocation. Status 1 unless all are good."""
    services = current_services()
    explanations = []
    with services.reading() as session:
        for file in files:
            leaf = _load(file)
            meant = Purpose(purpose) if purpose else guess_purpose(leaf)
            if meant is None:
                raise click.UsageError(f"{file}: say --purpose, the certificate's policy is none of ours")
            time = _time(at) if at else services.clock()
            explanations.append(explain(leaf, services.hierarchy.trust, time, meant, lookup_in(session)))
    if in_json:
        found = [{"file": str(f), **e.to_json()} for f, e in zip(files, explanations, strict=True)]
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        for file, explanation in zip(files, explanations, strict=True):
            _tell(file, explanation)
    raise SystemExit(not all(explanation.good for explanation in explanations))


@pki.command("export")
@click.argument("name", default="root")
def _export(name: str) -> None:
    """A certificate of the service's own in PEM: root, an issuing authority, or a held one (log, seal, tsa, …)."""
    hierarchy = current_services().hierarchy
    authority = hierarchy.find_authority(name)
    if name == "root":
        certificate = hierarchy.root
    elif authority is not None:
        certificate = authority.certificate
    elif name in hierarchy.held_names:
        certificate = hierarchy.held(name).certificate
    else:
        raise click.ClickException(f"one of root, {', '.join(a.name for a in hierarchy.authorities)}, log, seal, tsa …")
    sys.stdout.write(certificate.public_bytes(Encoding.PEM).decode())


def _tell(file: Path, explanation: Explanation) -> None:
    click.echo(f"{file}: for {explanation.purpose} at {explanation.at}")
    for number, step in enumerate(explanation.steps, start=1):
        click.echo(f"  {number}. {step.subject}")
        click.echo(f"     issuer      {step.issuer}")
        click.echo(f"     serial      {step.serial}")
        click.echo(f"     valid       {step.not_before} to {step.not_after}")
        for label, values in (("names", step.alternative_names), ("policies", step.policies)):
            if values:
                click.echo(f"     {label:11} {', '.join(values)}")
        click.echo(f"     revocation  {step.revocation}")
        click.echo(f"     verdict     {step.verdict}")
    click.echo("  GOOD" if explanation.good else f"  REFUSED  {explanation.error}: {explanation.reason}")


def _load(file: Path) -> x509.Certificate:
    content = file.read_bytes()
    try:
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificates(content)[0]
        return x509.load_der_x509_certificate(content)
    except ValueError as exc:
        raise click.ClickException(f"{file} is no certificate in PEM or DER") from exc


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise click.BadParameter("an ISO 8601 time with zone, e.g. 2026-11-22T08:00:00+08:00", param_hint="--at")
    return at


def _two(requests: list[bytes]) -> tuple[bytes, bytes]:
    if len(requests) != 2:
        raise click.UsageError("one CSR for an API certificate, two for a product's pair")
    return requests[0], requests[1]


def _print_chains(records: Sequence[CertificateRecord]) -> None:
    for record in records:
        click.echo(f"{record.profile}  {record.x5t_s256}  until {record.not_after:%Y-%m-%d}", err=True)
        click.echo(service.chain_pem(current_services(), record), nl=False)


def _tenant_id(session: Session, text: str) -> str:
    return session.scalar(select(Tenant.id).where(Tenant.uscc == text)) or text


def _application_id(session: Session, text: str | None) -> str | None:
    return session.scalar(select(Application.id).where(Application.client_id == text)) or text
