"""The enterprise's area: contracts, authorizations, product certificates, payments; always its own."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.certificates import service as certificate_service
from app.certificates.problems import EnrolmentCodeInvalid, KeyReused
from app.certificates.refusals import journal_refusals
from app.compliance.strangers import MAXIMUM_UPLOAD, validate_document
from app.compliance.subindications import SUB_INDICATIONS
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.oauth import service as oauth
from app.portal import messages, service
from app.portal.uploads import with_files
from app.problems import describe
from app.signing import service as signing
from app.signing import uploads
from app.signing.copies import make_copy
from app.wiring import current_services
from contracts.errors import ContractError
from contracts.inspection import REASONS
from contracts.report import SignatureReport
from pki.errors import PkiError

blueprint = Blueprint("enterprise", __name__, url_prefix="/enterprise")


@blueprint.get("/contracts")
@requires(Role.ENTERPRISE_USER)
def contracts() -> Page:
    """The enterprise's contracts and how far each is."""
    return _contracts_page({})


@blueprint.get("/contracts/<contract_id>/copy.zip")
@requires(Role.ENTERPRISE_USER)
def contract_copy(contract_id: str) -> Response:
    """The archived contract with its proof from the log; who took it is journaled."""
    services, account = current_services(), get_account()
    with services.reading() as session:
        found = signing.get_contract(session, contract_id, account)
        content = make_copy(services, session, found)
    with services.transaction() as session:
        body = {"document_sha256": found.current_sha256}
        services.journal.append(session, "contract-copied", subject=found.id, actor=account.id, body=body)
    headers = {"Content-Disposition": f'attachment; filename="{found.number}.zip"'}
    return make_response(content, 200, {"Content-Type": "application/zip", **headers})


@blueprint.post("/contracts/<contract_id>/verify")
@requires(Role.ENTERPRISE_USER)
def verify_contract(contract_id: str) -> Page:
    """Judge the stored bytes of an own contract anew."""
    services = current_services()
    with services.reading() as session:
        found = signing.get_contract(session, contract_id, get_account())
    report = validate_document(services, services.documents.get(found.current_sha256), services.clock())
    return _contracts_page({found.id: report})


@blueprint.post("/contracts/upload")
@requires(Role.ENTERPRISE_USER)
def upload_contract() -> Response | Page:
    """A PDF that the enterprise wants signed: inspected at once, then for the bank to place and send."""
    title, file = request.form.get("title", "").strip(), request.files.get("file")
    content = file.read(MAXIMUM_UPLOAD + 1) if file is not None else b""
    if not 2 <= len(title) <= 200 or not title.isprintable() or not 0 < len(content) <= MAXIMUM_UPLOAD:
        return _contracts_page({}, ("请填写名称，并选择不超过 10 MB 的 PDF", "A title and a PDF of at most 10 MB"))
    account = get_account()
    try:
        made = uploads.upload(
            current_services(), tenant_id=account.tenant_id, title=title, pdf=content, account=account
        )
    except ContractError as refusal:
        facts = describe(refusal)
        return _contracts_page({}, (facts["zh"], facts.get("detail", "")))
    if made.findings:
        notify("已上传。文件含有须处理的内容，银行将联系您。", "Uploaded; something was found.", "warning")
    else:
        notify("已上传，检查通过，银行将安排签署。", "Uploaded and found clean; the bank sends it for signing.")
    return redirect(url_for(".contracts"), 303)


@blueprint.get("/authorizations")
@requires(Role.ENTERPRISE_USER)
def authorizations() -> Page:
    """What platforms may do in the enterprise's name, ended ones included."""
    services = current_services()
    with services.reading() as session:
        found = oauth.list_authorizations(session, tenant_id=get_account().tenant_id)
    return render_template("portal/authorizations.html", authorizations=found, now=services.clock()), 200


@blueprint.post("/authorizations/<authorization_id>/revoke")
@requires(Role.ENTERPRISE_USER)
def revoke_authorization(authorization_id: str) -> Response:
    """End one at once."""
    services = current_services()
    with services.transaction() as session:
        service.revoke_own_authorization(services, session, authorization_id, get_account())
    notify("授权已撤销，立即生效。", "The authorization is revoked, from now on.")
    return redirect(url_for(".authorizations"), 303)


@blueprint.get("/certificates")
@requires(Role.ENTERPRISE_USER)
def certificates() -> Page:
    """The enterprise's product certificates."""
    with current_services().reading() as session:
        found = certificate_service.list_certificates(session, tenant_id=get_account().tenant_id, limit=100)
    return render_template("portal/product_certificates.html", records=found), 200


@blueprint.get("/certificates/enrol")
@requires(Role.ENTERPRISE_USER)
def enrolment() -> Page:
    """The form for the two signing requests."""
    return _enrolment_page(Form())


@blueprint.post("/certificates/enrol")
@requires(Role.ENTERPRISE_USER)
def enrol() -> Page:
    """Issue the pair that the code allows and show it."""
    form = read_form(messages.EnrolProduct, with_files(request, "sign_csr", "encrypt_csr"))
    if form.message is None:
        return _enrolment_page(form)
    services, account, sent = current_services(), get_account(), form.message
    try:
        with journal_refusals(services, "enrolment", actor=account.id), services.transaction() as session:
            pair = certificate_service.enrol_product(
                services,
                session,
                code=sent.code,
                sign_csr=sent.sign_csr.encode(),
                encrypt_csr=sent.encrypt_csr.encode(),
                tenant_id=account.tenant_id,
                actor=account.id,
            )
    except EnrolmentCodeInvalid as refusal:
        return _enrolment_page(form.refused(refusal, "code"))
    except (PkiError, KeyReused) as refusal:
        return _enrolment_page(form.refused(refusal))
    chains = [certificate_service.chain_pem(services, record) for record in pair]
    page = render_template(
        "portal/enrolled.html", issued=list(zip(pair, chains, strict=True)), back=url_for(".certificates")
    )
    return page, 200


@blueprint.get("/payments")
@requires(Role.ENTERPRISE_USER)
def payments() -> Page:
    """The enterprise's payment instructions."""
    with current_services().reading() as session:
        found = service.list_payments(session, tenant_id=get_account().tenant_id)
    return render_template("portal/payments.html", payments=found), 200


def _contracts_page(reports: Mapping[str, SignatureReport], fault: tuple[str, str] | None = None) -> Page:
    own = get_account().tenant_id
    with current_services().reading() as session:
        found = signing.list_contracts(session, tenant_id=own, limit=100)
        uploaded = uploads.list_uploads(session, tenant_id=own, limit=20)
    page = render_template(
        "portal/contracts.html",
        contracts=found,
        uploads=uploaded,
        reports=reports,
        fault=fault,
        reasons=REASONS,
        meanings=SUB_INDICATIONS,
    )
    return page, 422 if fault else 200


def _enrolment_page(form: Form[messages.EnrolProduct]) -> Page:
    return render_template("portal/enrol_product.html", form=form), form.status
