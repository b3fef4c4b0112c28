"""The compliance officer's pages: search, verify, legal holds, evidence."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.certificates.service import get_certificate
from app.compliance import service
from app.compliance.forms import HoldReason, SearchForm, read_search
from app.compliance.subindications import SUB_INDICATIONS
from app.compliance.subjects import readable_subject
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.signing import holds, retention
from app.signing import service as signing
from app.wiring import current_services
from contracts import ceremony as rules
from contracts.render import list_templates

blueprint = Blueprint("compliance", __name__)


@blueprint.get("/compliance")
@requires(Role.COMPLIANCE_OFFICER)
def search() -> Page:
    """Find contracts by number, party, USCC, digest, certificate, template, state, day of signing or legal hold."""
    form: Form[SearchForm] = read_search(request.args)
    wanted = form.message or SearchForm()
    services = current_services()
    with services.reading() as session:
        contracts, pages = signing.find_contracts(session, wanted.criteria(), page=int(wanted.page))
    page = render_template(
        "compliance/search.html",
        contracts=contracts,
        form=form,
        page=min(int(wanted.page), pages),
        pages=pages,
        pattern=url_for(".search") + "?" + wanted.query_for("{page}"),
        templates=list_templates(),
    )
    return page, form.status


@blueprint.get("/compliance/contracts/<contract_id>")
@requires(Role.COMPLIANCE_OFFICER)
def contract(contract_id: str) -> str:
    """One contract with its parties, its holds and its history."""
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


@blueprint.post("/compliance/contracts/<contract_id>/hold")
@requires(Role.COMPLIANCE_OFFICER)
def hold(contract_id: str) -> AnyResponse:
    """Place a legal hold."""
    form = read_form(HoldReason, request.form)
    if form.message is None:
        notify("请写明保全原因（至少 4 个字）。", "Say why: at least four characters.", "error")
    else:
        services = current_services()
        with services.transaction() as session:
            holds.place_hold(
                services, session, contract_id=contract_id, reason=form.message.reason, account=get_account()
            )
        notify("已保全，保存期满也不会删除。", "Held: it is not deleted, whatever its retention says.")
    return redirect(url_for(".contract", contract_id=contract_id), 303)


@blueprint.post("/compliance/contracts/<contract_id>/holds/<hold_id>/lift")
@requires(Role.COMPLIANCE_OFFICER)
def lift_hold(contract_id: str, hold_id: str) -> AnyResponse:
    """Ask another officer to lift a hold."""
    form = read_form(HoldReason, request.form)
    if form.message is None:
        notify("请写明解除原因（至少 4 个字）。", "Say why: at least four characters.", "error")
    else:
        services = current_services()
        with services.transaction() as session:
            holds.propose_lifting(services, session, hold_id=hold_id, reason=form.message.reason, account=get_account())
        notify("已提交，须另一位合规专员复核。", "Proposed: another officer has to confirm.")
    return redirect(url_for(".contract", contract_id=contract_id), 303)


def _contract_page(contract_id: str, verification: service.Verification | None = None) -> str:
    services = current_services()
    with services.reading() as session:
        found = signing.get_contract(session, contract_id)
        signatures = signing.list_signatures(session, contract_id)
        certificates = {s.x5t_s256: get_certificate(session, s.x5t_s256) for s in signatures}
        assurances = {s.x5t_s256: service.find_assurance(session, s) for s in signatures}
        history = services.journal.entries(session, limit=100, text=contract_id)
        placed = holds.list_holds(session, contract_id)
    return render_template(
        "compliance/contract.html",
        contract=found,
        ceremony=rules.from_dict(found.ceremony),
        signatures=signatures,
        certificates=certificates,
        assurances=assurances,
        history=history[::-1],
        holds=placed,
        kept_until=retention.kept_until(found, services.settings.retention_years),
        verification=verification,
        readable=readable_subject,
        meanings=SUB_INDICATIONS,
    )
