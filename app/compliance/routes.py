"""The compliance officer's pages, and the page where a stranger verifies a contract."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from app.certificates.service import get_certificate
from app.compliance import service
from app.identity.access import get_account, requires
from app.identity.models import Role
from app.problems import InvalidInput, Problem
from app.signing import service as signing
from app.signing import tasks
from app.wiring import current_services
from contracts import ceremony as rules
from contracts.errors import ContractError

blueprint = Blueprint("compliance", __name__)
MAXIMUM_UPLOAD = 10 * 1024 * 1024


@blueprint.get("/compliance")
@requires(Role.COMPLIANCE_OFFICER)
def search() -> str:
    """Find contracts by number, enterprise, USCC or digest."""
    text, state = request.args.get("q", "").strip()[:200], request.args.get("state", "")[:16]
    services = current_services()
    with services.reading() as session:
        contracts = service.search(session, text=text, state=state)
    return render_template("compliance/search.html", contracts=contracts, q=text, state=state)


@blueprint.get("/compliance/contracts/<contract_id>")
@requires(Role.COMPLIANCE_OFFICER)
def contract(contract_id: str) -> str:
    """One contract with its parties and its history."""
    return _contract_page(contract_id)


@blueprint.post("/compliance/contracts/<contract_id>/verify")
@requires(Role.COMPLIANCE_OFFICER)
def verify(contract_id: str) -> str:
    """Recompute everything from the stored bytes."""
    services = current_services()
    with services.reading() as session:
        verification = service.verify(services, session, contract_id)
    with services.transaction() as session:
        service.record_examination(services, session, contract_id, verification, actor=get_account().id)
    return _contract_page(contract_id, verification)


@blueprint.post("/compliance/contracts/<contract_id>/evidence")
@requires(Role.COMPLIANCE_OFFICER)
def evidence(contract_id: str) -> Response:
    """The evidence bundle as a download."""
    services = current_services()
    with services.reading() as session:
        found = signing.get_contract(session, contract_id)
        bundle = service.export_evidence(services, session, contract_id)
    with services.transaction() as session:
        service.record_export(services, session, contract_id, bundle, actor=get_account().id)
    headers = {"Content-Disposition": f'attachment; filename="{found.number}-evidence.zip"'}
    return Response(bundle, mimetype="application/zip", headers=headers)


@blueprint.get("/compliance/contracts/<contract_id>/contract.pdf")
@requires(Role.COMPLIANCE_OFFICER)
def document(contract_id: str) -> Response:
    """The stored document; the access is journaled."""
    services = current_services()
    with services.transaction() as session:
        found = signing.get_contract(session, contract_id)
        body = {"document_sha256": found.current_sha256}
        services.journal.append(session, "contract-opened", subject=found.id, actor=get_account().id, body=body)
        pdf = services.documents.get(found.current_sha256)
    return Response(
        pdf,
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{found.number}.pdf"'},
    )


@blueprint.get("/verify")
def verification() -> str:
    """Anyone may verify a signed contract or an evidence bundle; nothing is kept."""
    return render_template("compliance/verify.html", report=None, steps=None, problem=None)


@blueprint.post("/verify")
def verify_upload() -> tuple[str, int]:
    """The report on an uploaded PDF, or the steps of an uploaded evidence bundle."""
    upload = request.files.get("file")
    content = upload.read(MAXIMUM_UPLOAD + 1) if upload is not None else b""
    services = current_services()
    report = steps = problem = None
    try:
        if not content or len(content) > MAXIMUM_UPLOAD:
            raise InvalidInput(f"a file of at most {MAXIMUM_UPLOAD // 1024 // 1024} MB")
        if content.startswith(b"PK"):
            steps = services.workshop.run(
                tasks.check_evidence, content, services.hierarchy.root_der, services.clock()
            ).steps
        else:
            with services.reading() as session:
                report = service.verify_upload(services, session, content)
    except (Problem, ContractError) as refusal:
        problem = refusal
    page = render_template("compliance/verify.html", report=report, steps=steps, problem=problem)
    return page, 422 if problem is not None else 200


def _contract_page(contract_id: str, verification: service.Verification | None = None) -> str:
    services = current_services()
    with services.reading() as session:
        found = signing.get_contract(session, contract_id)
        signatures = signing.list_signatures(session, contract_id)
        assurances = {s.x5t_s256: service.find_assurance(session, s) for s in signatures}
        certificates = {s.x5t_s256: get_certificate(session, s.x5t_s256) for s in signatures}
        history = services.journal.entries(session, limit=100, text=contract_id)
    return render_template(
        "compliance/contract.html",
        contract=found,
        ceremony=rules.from_dict(found.ceremony),
        signatures=signatures,
        certificates=certificates,
        assurances=assurances,
        history=history[::-1],
        verification=verification,
    )
