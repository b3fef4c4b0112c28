"""`flask contracts …`: verify files, check and seal the document store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cryptography import x509
from flask.cli import AppGroup

from app.certificates.records import x5t_s256
from app.certificates.status import own_states
from app.signing.documents import SealedDocumentStore
from app.signing.integrity import check_store
from app.wiring import current_services
from contracts import bounded
from contracts.errors import ContractError
from contracts.evidence import verify_bundle
from contracts.report import Verdict
from pki.path import RevocationLookup, TrustPolicy

if TYPE_CHECKING:
    from app.wiring import Services

group = AppGroup("contracts", help="Signed contracts and where they lie.")
GROUPS = (group,)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STATUS = {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.INDETERMINATE: 3}  # 2 is click's own, for wrong usage


@dataclass(frozen=True, slots=True)
class _Trust:
    policy: TrustPolicy
    revocation: RevocationLookup | None


@group.command("verify")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--trust", type=_FILE, help="root certificates (PEM) to trust in place of this service's own")
@click.option("--at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="as of this time, UTC; default now")
@click.option("--json", "as_json", is_flag=True, help="one JSON document for each file")
def _verify(files: tuple[Path, ...], trust: Path | None, at: datetime | None, as_json: bool) -> None:
    """Validate signed PDFs and evidence bundles (ETSI EN 319 102-1), in bounded time and memory.

    Status 0 when all are VALID, 1 when one is INVALID, 3 when none is but one is INDETERMINATE.
    """
    services = current_services()
    moment = at.replace(tzinfo=UTC) if at is not None else services.clock()
    trusted = _own_trust(services) if trust is None else _given_trust(trust)
    verdicts = []
    for file in files:
        report = _report(file.read_bytes(), trusted, moment)
        verdicts.append(Verdict(report["verdict"]))
        if as_json:
            click.echo(json.dumps({"file": str(file), **report}, ensure_ascii=False))
        else:
            _print(file, report)
    worst = next((v for v in (Verdict.INVALID, Verdict.INDETERMINATE) if v in verdicts), Verdict.VALID)
    raise SystemExit(STATUS[worst])


@group.command("check-store")
def _check_store() -> None:
    """Open every stored document; status 1 when one is missing or damaged."""
    report = check_store(current_services())
    for kind in ("missing", "damaged", "unknown"):
        for sha256 in getattr(report, kind):
            click.echo(f"{kind:8} {sha256}")
    unknown = f", {len(report.unknown)} that nothing names" if report.unknown else ""
    click.echo(f"{report.good} good, {len(report.missing)} missing, {len(report.damaged)} damaged{unknown}")
    raise SystemExit(not report.whole)


@group.command("seal-store")
def _seal_store() -> None:
    """Encrypt documents that lie in the store as plain files named by their digest; harmless to repeat."""
    store = current_services().documents
    if not isinstance(store, SealedDocumentStore):
        raise click.ClickException("only the local store is sealed by this service")
    click.echo(f"{store.seal_plain_files()} sealed")


def _report(content: bytes, trusted: _Trust, at: datetime) -> dict[str, Any]:
    if not content.startswith(b"PK"):
        return bounded.validate(content, trusted.policy, at, revocation=trusted.revocation).to_dict()
    try:
        steps = bounded.run(verify_bundle, content, list(trusted.policy.anchors), at).steps
    except ContractError as refusal:
        return {"verdict": str(Verdict.INVALID), "explanation": str(refusal)}
    return {"verdict": str(Verdict.VALID), "steps": list(steps)}


def _own_trust(services: Services) -> _Trust:
    with services.reading() as session:
        states = own_states(session)
    return _Trust(services.hierarchy.trust, lambda certificate: states.get(x5t_s256(certificate)))


def _given_trust(file: Path) -> _Trust:
    try:
        anchors = x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError as exc:
        raise click.BadParameter("no PEM certificates", param_hint="--trust") from exc
    return _Trust(TrustPolicy(tuple(anchors), ()), None)


def _print(file: Path, report: dict[str, Any]) -> None:
    sub = f" {report['sub_indication']}" if report.get("sub_indication") else ""
    click.echo(f"{report['verdict']}{sub}  {file}  {report.get('explanation', '')}".rstrip())
    for entry in report.get("signatures", []):
        stamped = entry.get("stamped_at") or "no time stamp"
        click.echo(f"  {entry['verdict']:13} {entry['field']}  {entry.get('subject', '')}  {stamped}")
    for step in report.get("steps", []):
        click.echo(f"  {step}")
