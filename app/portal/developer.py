"""The platform's developer area: applications and their API certificates; always its own."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.certificates import service as certificate_service
from app.certificates.problems import EnrolmentCodeInvalid, KeyReused
from app.certificates.refusals import journal_refusals
from app.gateway.icbc import keys as icbc
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.oauth import registration
from app.oauth import service as oauth
from app.oauth.models import Application
from app.portal import messages
from app.portal.uploads import with_files
from app.problems import InvalidInput, NotFound
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


@blueprint.post("/applications/registration-code")
@requires(Role.PLATFORM_USER)
def registration_code() -> Page:
    """A code for `yunlian register`; shown this once."""
    return render_template(
        "portal/registration_code.html", code=registration.make_code(current_services(), get_account().tenant_id)
    ), 200


@blueprint.get("/applications/<client_id>")
@requires(Role.PLATFORM_USER)
def application(client_id: str) -> Page:
    """One application: what it may do, how it speaks the ICBC dialect, and the switch."""
    return _details_page(_own(client_id))


@blueprint.post("/applications/<client_id>/disable")
@requires(Role.PLATFORM_USER)
def disable_application(client_id: str) -> Response:
    """Switch it off for good; its tokens end on all workers within half a second."""
    services, found = current_services(), _own(client_id)
    with services.transaction() as session:
        oauth.disable_application(services, session, found.id, actor=get_account().id)
    notify("应用已停用，已签发的令牌随即失效。", "Switched off. Its tokens have ended.")
    return redirect(url_for(".application", client_id=client_id), 303)


@blueprint.post("/applications/<client_id>/icbc-aes-key")
@requires(Role.PLATFORM_USER)
def icbc_aes_key(client_id: str) -> Page:
    """A new AES key for the ICBC dialect; shown this once."""
    services, found = current_services(), _own(client_id)
    with services.transaction() as session:
        key = icbc.new_aes_key(services, session, found.id, actor=get_account().id)
    return _details_page(found, aes_key=key)


@blueprint.post("/applications/<client_id>/icbc-sha1")
@requires(Role.PLATFORM_USER)
def icbc_sha1(client_id: str) -> Response:
    """Answers in the ICBC dialect by SHA-1, or no longer."""
    services, found = current_services(), _own(client_id)
    with services.transaction() as session:
        icbc.switch_sha1(services, session, found.id, on=request.form.get("switch") == "on", actor=get_account().id)
    return redirect(url_for(".application", client_id=client_id), 303)


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


def _own(client_id: str) -> Application:
    """An application of the platform of whoever is logged in. Raises NotFound for all others."""
    with current_services().reading() as session:
        found = oauth.get_application(session, client_id)
    if found.tenant_id != get_account().tenant_id:
        raise NotFound("no such application")
    return found


def _details_page(found: Application, aes_key: str | None = None) -> Page:
    services = current_services()
    return render_template(
        "portal/application.html",
        application=found,
        settings=icbc.get_settings(services, found.client_id),
        bank_key=icbc.public_key_text(services),
        aes_key=aes_key,
    ), 200


def _application_page(form: Form[messages.NewApplication]) -> Page:
    return render_template("portal/application_new.html", form=form), form.status


def _enrolment_page(form: Form[messages.EnrolApi]) -> Page:
    return render_template("portal/enrol_api.html", form=form), form.status
