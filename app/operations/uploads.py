"""Operators' pages for contracts that arrive as PDF: upload, look at the verdict, choose the places, send."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.identity import persons
from app.identity import service as identity
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.operations.contracts import sent_page
from app.operations.messages import MOST_SIGNERS, NewUpload, Placement
from app.problems import Problem
from app.signing import service as signing
from app.signing import tasks, uploads
from app.wiring import current_services
from contracts.errors import ContractError
from contracts.inspection import REASONS
from kyc.errors import EnterpriseNotConfirmed

blueprint = Blueprint("uploads", __name__, url_prefix="/contracts/uploads")
MAXIMUM_UPLOAD = 10 * 1024 * 1024


@blueprint.get("")
@requires(Role.OPERATOR)
def overview() -> Page:
    """What was uploaded, by operators and by enterprises, and the form for another file."""
    return _overview(Form())


@blueprint.post("")
@requires(Role.OPERATOR)
def upload() -> AnyResponse | Page:
    """Inspect a file and go to its verdict."""
    form = read_form(NewUpload, request.form)
    file = request.files.get("file")
    content = file.read(MAXIMUM_UPLOAD + 1) if file is not None else b""
    if not 0 < len(content) <= MAXIMUM_UPLOAD:
        form = replace(form, faults={**form.faults, "file": ("请选择不超过 10 MB 的 PDF", "A PDF of at most 10 MB")})
    if form.message is None or form.faults:
        return _overview(form)
    try:
        made = uploads.upload(
            current_services(),
            tenant_id=get_account().tenant_id,
            title=form.message.title,
            pdf=content,
            account=get_account(),
        )
    except ContractError as refusal:
        return _overview(form.refused(refusal, "file"))
    return redirect(url_for(".show", upload_id=made.id), 303)


@blueprint.get("/<upload_id>")
@requires(Role.OPERATOR)
def show(upload_id: str) -> Page:
    """The verdict with its reasons; for an accepted file the places and the signers."""
    return _upload_page(upload_id, Form())


@blueprint.post("/<upload_id>/refuse")
@requires(Role.OPERATOR)
def refuse(upload_id: str) -> AnyResponse:
    """Send it back; the file is forgotten."""
    services = current_services()
    with services.transaction() as session:
        uploads.refuse_upload(services, session, upload_id, get_account())
    notify("已退回，文件已删除。", "Refused; the file is gone.")
    return redirect(url_for(".overview"), 303)


@blueprint.post("/<upload_id>/flatten")
@requires(Role.OPERATOR)
def flatten(upload_id: str) -> AnyResponse | Page:
    """Accept what is seen of it."""
    try:
        uploads.flatten_upload(current_services(), upload_id, get_account())
    except ContractError as refusal:
        return _upload_page(upload_id, Form[Placement]().refused(refusal))
    return redirect(url_for(".show", upload_id=upload_id), 303)


@blueprint.get("/<upload_id>/pages/<int:number>.png")
@requires(Role.OPERATOR)
def page_picture(upload_id: str, number: int) -> Response:
    """One page as it will be signed, or as it came."""
    services = current_services()
    with services.reading() as session:
        found = uploads.get_open_upload(session, upload_id)
    if not 1 <= number <= found.pages:
        abort(404)
    pdf = services.documents.get(found.accepted_sha256 or found.original_sha256)
    return Response(services.workshop.run(tasks.picture_of_page, pdf, number - 1), mimetype="image/png")


@blueprint.post("/<upload_id>/send")
@requires(Role.OPERATOR)
def send(upload_id: str) -> Page:
    """Make the contract and show the links, once."""
    form = read_form(Placement, request.form)
    if form.message is None:
        return _upload_page(upload_id, form)
    services, chosen = current_services(), form.message
    try:
        contract = uploads.make_contract(
            services,
            upload_id,
            signers=chosen.signers,
            spots=chosen.spots,
            bank_spot=chosen.bank_spot,
            order=chosen.order,
            actor=get_account().id,
        )
        with services.transaction() as session:
            links = signing.send(services, session, contract_id=contract.id, actor=get_account().id)
    except (Problem, ContractError, EnterpriseNotConfirmed) as refusal:
        return _upload_page(upload_id, form.refused(refusal))
    return sent_page(contract, links)


def _overview(form: Form[NewUpload]) -> Page:
    with current_services().reading() as session:
        found = uploads.list_uploads(session)
    return render_template("operations/uploads.html", uploads=found, form=form, reasons=REASONS), form.status


def _upload_page(upload_id: str, form: Form[Placement]) -> Page:
    services = current_services()
    with services.reading() as session:
        found = uploads.get_open_upload(session, upload_id)
        people = persons.list_persons(services, session)
        names = {tenant.id: tenant.name for tenant in identity.list_tenants(session)}
    page = render_template(
        "operations/upload.html",
        upload=found,
        form=form,
        persons=people,
        names=names,
        reasons=REASONS,
        most_signers=MOST_SIGNERS,
    )
    return page, form.status
