"""The platform's developer area: applications and their API certificates; always its own."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.certificates import service as certificate_service
from app.certificates.problems import EnrolmentCodeInvalid, KeyReused
from app.certificates.refusals import journal_refusals
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.oauth import service as oauth
from app.portal import messages
from app.portal.uploads import with_files
from app.problems import InvalidInput
from app.wiring import current_services
from pki.errors import PkiError

blueprint = Blueprint("developer", __name__, url_prefix="/developer")


@blueprint.get("/applications")
@requires(Role.PLATFORM_USER)
def applications() -> Page:
    """The platform's OAuth clients."""
    with current_services().reading() as session:
        found = oauth.list_applications(session, tenant_id=get_account().tenant_id)
    return render_template("portal/applications.html", applications=found), 200


@blueprint.get("/applications/new")
@requires(Role.PLATFORM_USER)
def new_application() -> Page:
    """The form for an application."""
    return _application_page(Form())


@blueprint.post("/applications/new")
@requires(Role.PLATFORM_USER)
def register_application() -> Page | Response:
    """Register it; its certificate comes next."""
    form = read_form(messages.NewApplication, request.form)
    if form.message is None:
        return _application_page(form)
    services, account = current_services(), get_account()
    try:
        with services.transaction() as session:
            oauth.register_application(
                services,
                session,
                tenant_id=account.tenant_id,
                name=form.message.name,
                redirect_uris=form.message.redirect_uri_list,
                scopes=form.message.scopes,
                actor=account.id,
            )
    except InvalidInput as refusal:
        at = {fault.pointer.split("/")[1] for fault in refusal.faults}
        return _application_page(form.refused(refusal, min(at) if at else "form"))
    notify("应用已登记，请向银行申请 API 证书注册码。", "Registered. Now ask the bank for an enrolment code.")
    return redirect(url_for(".applications"), 303)


@blueprint.get("/certificates")
@requires(Role.PLATFORM_USER)
def certificates() -> Page:
    """The API certificates of all applications."""
    with current_services().reading() as session:
        own = get_account().tenant_id
        found = certificate_service.list_certificates(session, tenant_id=own, profile="api", limit=100)
        names = {application.id: application.name for application in oauth.list_applications(session, tenant_id=own)}
    return render_template("portal/api_certificates.html", records=found, names=names), 200


@blueprint.get("/certificates/enrol")
@requires(Role.PLATFORM_USER)
def enrolment() -> Page:
    """The form for a signing request."""
    return _enrolment_page(Form())


@blueprint.post("/certificates/enrol")
@requires(Role.PLATFORM_USER)
def enrol() -> Page:
    """Issue the certificate that the code allows and show it."""
    form = read_form(messages.EnrolApi, with_files(request, "csr"))
    if form.message is None:
        return _enrolment_page(form)
    services, account, sent = current_services(), get_account(), form.message
    try:
        with journal_refusals(services, "enrolment", actor=account.id), services.transaction() as session:
            record = certificate_service.enrol_api(
                services,
                session,
                code=sent.code,
                csr=sent.csr.encode(),
                tenant_id=account.tenant_id,
                actor=account.id,
            )
    except EnrolmentCodeInvalid as refusal:
        return _enrolment_page(form.refused(refusal, "code"))
    except (PkiError, KeyReused) as refusal:
        return _enrolment_page(form.refused(refusal, "csr"))
    issued = [(record, certificate_service.chain_pem(services, record))]
    return render_template("portal/enrolled.html", issued=issued, back=url_for(".certificates")), 200


def _application_page(form: Form[messages.NewApplication]) -> Page:
    return render_template("portal/application_new.html", form=form), form.status


def _enrolment_page(form: Form[messages.EnrolApi]) -> Page:
    return render_template("portal/enrol_api.html", form=form), form.status
