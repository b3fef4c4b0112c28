"""Certificate officers' pages: find, suspend, release, ask for revocation, and hand out enrolment codes."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from app.certificates import service
from app.certificates.models import Enrolment
from app.certificates.problems import StateNotFitting
from app.identity import service as identity
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role, TenantKind
from app.identity.pages import Page, notify
from app.oauth.models import Application
from app.operations import messages
from app.operations.service import REVOCABLE, propose_revocation
from app.problems import NotFound
from app.wiring import current_services

blueprint = Blueprint("certificates", __name__)

_PAGE = 50
_WARNINGS = 20
_OFFICER = Role.CERTIFICATE_OFFICER


@blueprint.get("/certificates")
@requires(_OFFICER)
def certificates() -> Page:
    """Search by part of a subject, by serial number or by x5t#S256; newest first."""
    text, profile = request.args.get("text", "").strip(), request.args.get("profile", "")
    with current_services().reading() as session:
        found = service.list_certificates(
            session,
            text=text or None,
            profile=profile or None,
            limit=_PAGE + 1,
            before=_moment(request.args.get("before")),
        )
        warnings = service.list_warnings(session, limit=_WARNINGS)
    older = found[_PAGE - 1].issued_at if len(found) > _PAGE else None
    page = render_template(
        "operations/certificates.html",
        records=found[:_PAGE],
        warnings=warnings,
        text=text,
        profile=profile,
        older=older,
    )
    return page, 200


@blueprint.get("/certificates/<x5t_s256>")
@requires(_OFFICER)
def certificate(x5t_s256: str) -> Page:
    """One certificate and what can be done with it."""
    return _certificate_page(x5t_s256, Form())


@blueprint.post("/certificates/<x5t_s256>/hold")
@requires(_OFFICER)
def hold(x5t_s256: str) -> Page | Response:
    """Suspend it at once; one person may, because it can be undone."""
    form = read_form(messages.Suspension, request.form)
    if form.message is None:
        return _certificate_page(x5t_s256, form)
    services = current_services()
    with services.transaction() as session:
        service.hold(services, session, x5t_s256, form.message.reason, get_account().id)
    notify("证书已暂停。", "The certificate is suspended.")
    return redirect(url_for(".certificate", x5t_s256=x5t_s256), 303)


@blueprint.post("/certificates/<x5t_s256>/release")
@requires(_OFFICER)
def release(x5t_s256: str) -> Page | Response:
    """End the suspension."""
    form = read_form(messages.Suspension, request.form)
    if form.message is None:
        return _certificate_page(x5t_s256, form)
    services = current_services()
    with services.transaction() as session:
        service.release(services, session, x5t_s256, form.message.reason, get_account().id)
    notify("证书已恢复。", "The certificate is released.")
    return redirect(url_for(".certificate", x5t_s256=x5t_s256), 303)


@blueprint.post("/certificates/<x5t_s256>/revoke")
@requires(_OFFICER)
def revoke(x5t_s256: str) -> Page | Response:
    """Ask a second officer to revoke it."""
    form = read_form(messages.Revocation, request.form)
    if form.message is None:
        return _certificate_page(x5t_s256, form)
    services = current_services()
    try:
        with services.transaction() as session:
            propose_revocation(services, session, x5t_s256, form.message, get_account())
    except StateNotFitting as refusal:
        return _certificate_page(x5t_s256, form.refused(refusal))
    notify("已提交吊销申请，等待另一位证书管理员复核。", "Proposed; another officer has to confirm.")
    return redirect(url_for("operations.decisions.inbox"), 303)


@blueprint.get("/enrolments")
@requires(_OFFICER)
def enrolments() -> Page:
    """The forms for codes, and the codes handed out (never the codes themselves)."""
    return _enrolment_page(Form(), Form())


@blueprint.post("/enrolments/api")
@requires(_OFFICER)
def create_api_enrolment() -> Page:
    """A code for one API certificate, shown once."""
    form = read_form(messages.ApiEnrolment, request.form)
    if form.message is None:
        return _enrolment_page(form, Form())
    services = current_services()
    with services.transaction() as session:
        application = session.get(Application, form.message.application_id)
        if application is None:
            raise NotFound("no such application")
        enrolment, code = service.create_enrolment(
            services,
            session,
            profile="api",
            tenant_id=application.tenant_id,
            application_id=application.id,
            actor=get_account().id,
        )
    return _code_page(enrolment, code, application.name)


@blueprint.post("/enrolments/product")
@requires(_OFFICER)
def create_product_enrolment() -> Page:
    """A code for one pair of product certificates, shown once."""
    form = read_form(messages.ProductEnrolment, request.form)
    if form.message is None:
        return _enrolment_page(Form(), form)
    services, sent = current_services(), form.message
    with services.transaction() as session:
        enrolment, code = service.create_enrolment(
            services,
            session,
            profile="product",
            tenant_id=sent.tenant_id,
            product=sent.product,
            custody=sent.custody,
            actor=get_account().id,
        )
    return _code_page(enrolment, code, sent.product)


def _certificate_page(x5t_s256: str, form: Form[messages.Suspension] | Form[messages.Revocation]) -> Page:
    with current_services().reading() as session:
        record = service.get_certificate(session, x5t_s256)
    page = render_template(
        "operations/certificate.html", record=record, form=form, revocable=record.profile in REVOCABLE
    )
    return page, form.status


def _enrolment_page(api: Form[messages.ApiEnrolment], product: Form[messages.ProductEnrolment]) -> Page:
    with current_services().reading() as session:
        page = render_template(
            "operations/enrolments.html",
            api=api,
            product=product,
            applications=list(session.scalars(select(Application).order_by(Application.name))),
            enterprises=identity.list_tenants(session, kind=TenantKind.ENTERPRISE),
            enrolments=list(session.scalars(select(Enrolment).order_by(Enrolment.id.desc()).limit(_PAGE))),
        )
    return page, max(api.status, product.status)


def _code_page(enrolment: Enrolment, code: str, what: str) -> Page:
    return render_template("operations/enrolment_code.html", enrolment=enrolment, code=code, what=what), 200


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
