"""`flask pki …`: the certificate authority by hand."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask.cli import AppGroup

from app.certificates import published, service
from app.certificates.hierarchy import Hierarchy
from app.certificates.models import CertificateRecord
from app.certificates.status import lookup_in
from app.wiring import current_services
from pki.path import Purpose, validate_path

pki = AppGroup("pki", help="The certificate authority: found, list, enrol, suspend, revoke, verify.")
GROUPS = (pki,)
ACTOR = "command-line"


@pki.command("init")
def _init() -> None:
    """Found the authority: root, issuing authorities, OCSP responders, gateway, seal, log and time stamps."""
    services = current_services()
    if Hierarchy.exists(services):
        raise click.ClickException("the authority was founded already")
    Hierarchy.found(services)
    click.echo("founded")


@pki.command("list")
@click.option("--profile", help="api, product-sign, product-encrypt, signer, issuing …")
@click.option("--text", help="part of the subject, a serial number or an x5t#S256")
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="one JSON array instead of a table")
def _list(profile: str | None, text: str | None, limit: int, as_json: bool) -> None:
    """List certificates, newest first."""
    with current_services().reading() as session:
        records = service.list_certificates(session, profile=profile, text=text, limit=limit)
    if as_json:
        click.echo(json.dumps([_facts(record) for record in records], ensure_ascii=False, indent=1))
        return
    for record in records:
        click.echo(
            f"{record.x5t_s256}  {record.profile:16} {record.state:8} {record.not_after:%Y-%m-%d}  {record.subject}"
        )


@pki.command("enrol-code")
@click.argument("profile", type=click.Choice(["api", "product"]))
@click.option("--tenant", "tenant_id", required=True, help="the platform's or enterprise's id")
@click.option("--application", "application_id", help="for api: the application's id")
@click.option("--product", help="for product: its name, e.g. payments")
@click.option("--custody", type=click.Choice(["agent", "browser", "platform"]), default="agent", show_default=True)
def _enrol_code(profile: str, tenant_id: str, application_id: str | None, product: str | None, custody: str) -> None:
    """Make a one-time enrolment code."""
    services = current_services()
    with services.transaction() as session:
        _, code = service.create_enrolment(
            services,
            session,
            profile=profile,
            tenant_id=tenant_id,
            application_id=application_id,
            product=product,
            custody=custody if profile == "product" else None,
            actor=ACTOR,
        )
    click.echo(code)


@pki.command("hold")
@click.argument("x5t")
@click.option("--note", required=True)
def _hold(x5t: str, note: str) -> None:
    """Suspend a certificate and its pair."""
    services = current_services()
    with services.transaction() as session:
        service.hold(services, session, x5t, note, ACTOR)


@pki.command("release")
@click.argument("x5t")
@click.option("--note", required=True)
def _release(x5t: str, note: str) -> None:
    """End a suspension."""
    services = current_services()
    with services.transaction() as session:
        service.release(services, session, x5t, note, ACTOR)


@pki.command("crl")
@click.argument("issuer")
@click.option("--out", type=click.Path(path_type=Path), help="write the DER there instead of showing it")
def _crl(issuer: str, out: Path | None) -> None:
    """The newest CRL of an issuing authority."""
    row = published.current_crl(current_services(), issuer)
    if out is not None:
        out.write_bytes(row.der)
        return
    crl = x509.load_der_x509_crl(row.der)
    click.echo(f"{crl.issuer.rfc4514_string()}  {row.this_update:%Y-%m-%d %H:%M} – {row.next_update:%Y-%m-%d %H:%M}")
    for entry in crl:
        click.echo(f"{entry.serial_number:x}  {entry.revocation_date_utc:%Y-%m-%d %H:%M}")


@pki.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--purpose", type=click.Choice([str(purpose) for purpose in Purpose]), required=True)
@click.option("--at", help="ISO 8601 time with zone; now unless given")
def _verify(file: Path, purpose: str, at: str | None) -> None:
    """Validate a certificate (PEM or DER) and its chain, with revocation, and say what was found."""
    services = current_services()
    content = file.read_bytes()
    pem = content.lstrip().startswith(b"-----")
    leaf = x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
    time = datetime.fromisoformat(at) if at else services.clock()
    with services.reading() as session:
        path = validate_path(
            leaf, services.hierarchy.trust, time, purpose=Purpose(purpose), revocation=lookup_in(session)
        )
    for certificate in path.chain:
        click.echo(f"good  {certificate.subject.rfc4514_string()}")


@pki.command("export")
@click.argument("name", default="root")
def _export(name: str) -> None:
    """The certificate of the root or of an issuing authority, in PEM."""
    hierarchy = current_services().hierarchy
    certificate = hierarchy.root if name == "root" else hierarchy.authority(name).certificate
    sys.stdout.write(certificate.public_bytes(Encoding.PEM).decode())


def _facts(record: CertificateRecord) -> dict[str, Any]:
    return {
        "x5t#S256": record.x5t_s256,
        "profile": record.profile,
        "issuer": record.issuer,
        "serial": record.serial,
        "subject": record.subject,
        "state": record.state,
        "not_before": record.not_before.isoformat(),
        "not_after": record.not_after.isoformat(),
        "revocation_reason": record.revocation_reason,
    }
