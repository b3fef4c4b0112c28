"""The enterprise's area: contracts, authorizations, product certificates, payments; always its own."""

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
from app.portal import messages, service
from app.portal.uploads import with_files
from app.signing import service as signing
from app.wiring import current_services
from pki.errors import PkiError

blueprint = Blueprint("enterprise", __name__, url_prefix="/enterprise")


@blueprint.get("/contracts")
@requires(Role.ENTERPRISE_USER)
def contracts() -> Page:
    """The enterprise's contracts and how far each is."""
    with current_services().reading() as session:
        found = signing.list_contracts(session, tenant_id=get_account().tenant_id, limit=100)
    return render_template("portal/contracts.html", contracts=found), 200


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


def _enrolment_page(form: Form[messages.EnrolProduct]) -> Page:
    return render_template("portal/enrol_product.html", form=form), form.status
