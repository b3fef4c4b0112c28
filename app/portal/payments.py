"""Pages of payments: the enterprise's own, held ones, receipts and their public check; the platform's callbacks."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app.identity.access import current_account, get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.identity.problems import InvalidCredentials
from app.oauth import service as oauth
from app.oauth.models import Application
from app.payments import approvals, callbacks, receipts, second_approver
from app.payments.channel_models import CallbackAddress
from app.payments.instructions import get_instruction
from app.payments.lifecycle import State
from app.payments.problems import REJECTIONS
from app.portal.messages import ApprovalDecision, CallbackForm
from app.problems import InvalidInput, NotFound
from app.wiring import current_services

blueprint = Blueprint("payments", __name__)
_AREA = "/enterprise"


@blueprint.app_template_global()
def reason_text(code: str) -> str:
    """The Chinese sentence for a reason; a code that nobody named shows itself."""
    return REJECTIONS.get(code, code)


@blueprint.get(f"{_AREA}/payments/<payment_id>")
@requires(Role.ENTERPRISE_USER)
def payment(payment_id: str) -> Page:
    """One payment with its steps."""
    with current_services().reading() as session:
        found = get_instruction(session, get_account().tenant_id, payment_id)
        receipt_there = receipts.can_be_had(session, found)
    return render_template("payments/payment.html", payment=found, receipt=receipt_there), 200


@blueprint.get(f"{_AREA}/payments/<payment_id>/receipt.pdf")
@requires(Role.ENTERPRISE_USER)
def receipt(payment_id: str) -> Response:
    """The signed PDF."""
    made = receipts.get_receipt(current_services(), get_account().tenant_id, payment_id)
    return send_file(
        BytesIO(made.pdf), mimetype="application/pdf", as_attachment=True, download_name=f"receipt-{payment_id}.pdf"
    )


@blueprint.get(f"{_AREA}/approvals")
@requires(Role.ENTERPRISE_USER)
def approvals_page() -> Page:
    """What waits for a second person, and what was decided."""
    services = current_services()
    with services.reading() as session:
        found = approvals.list_held(session, get_account(), services.clock())
    return render_template("payments/approvals.html", payments=found), 200


@blueprint.get(f"{_AREA}/approvals/<payment_id>")
@requires(Role.ENTERPRISE_USER)
def approval(payment_id: str) -> Page:
    """One held payment and the form to decide on it."""
    return _approval_page(payment_id, Form())


@blueprint.post(f"{_AREA}/approvals/<payment_id>")
@requires(Role.ENTERPRISE_USER)
def decide(payment_id: str) -> Page | AnyResponse:
    """Approve or refuse with a code of the second factor."""
    form = read_form(ApprovalDecision, request.form)
    if form.message is None:
        return _approval_page(payment_id, form)
    approve = form.message.decision == "approve"
    try:
        state = second_approver.decide(
            current_services(),
            get_account(),
            payment_id,
            approve=approve,
            code=form.message.code,
            note=form.message.note,
        )
    except InvalidCredentials as refusal:
        return _approval_page(payment_id, form.refused(refusal, "code"))
    if state is State.REJECTED:
        notify("该笔付款未付出。", "The payment was not made.", "info" if not approve else "warning")
    else:
        notify("已同意，付款已发出。", "Approved; the payment is on its way.")
    return redirect(url_for(".approvals_page"), 303)


@blueprint.get("/receipts")
def verify_receipt() -> Page:
    """For everybody who holds a receipt: what the bank knows under its verify code."""
    current_account()
    code = request.args.get("code", "")[:64]
    found = None
    if code:
        with current_services().reading() as session:
            found = receipts.find_by_code(session, code)
    page = render_template("payments/receipt_verify.html", code=code, found=found)
    return page, 404 if code and found is None else 200


@blueprint.get("/developer/applications/<client_id>/callback")
@requires(Role.PLATFORM_USER)
def callback(client_id: str) -> Page:
    """Where an application hears of its payments."""
    return _callback_page(client_id, Form())


@blueprint.post("/developer/applications/<client_id>/callback")
@requires(Role.PLATFORM_USER)
def set_callback(client_id: str) -> Page | AnyResponse:
    """Keep the address, or with an empty one stop callbacks."""
    form = read_form(CallbackForm, request.form)
    if form.message is None:
        return _callback_page(client_id, form)
    services = current_services()
    try:
        with services.transaction() as session:
            found = _own_application(session, client_id)
            callbacks.set_address(services, session, found.id, form.message.address or None, get_account().id)
    except InvalidInput as refusal:
        return _callback_page(client_id, form.refused(refusal, "address"))
    notify("回调地址已保存。", "The address is kept.")
    return redirect(url_for(".callback", client_id=client_id), 303)


def _own_application(session: Session, client_id: str) -> Application:
    found = oauth.get_application(session, client_id)
    if found.tenant_id != get_account().tenant_id:
        raise NotFound("no such application")
    return found


def _callback_page(client_id: str, form: Form[CallbackForm]) -> Page:
    with current_services().reading() as session:
        found = _own_application(session, client_id)
        address = session.get(CallbackAddress, found.id)
    return render_template("payments/callback.html", application=found, address=address, form=form), form.status


def _approval_page(payment_id: str, form: Form[ApprovalDecision]) -> Page:
    services = current_services()
    with services.reading() as session:
        found = approvals.get_held(session, get_account(), payment_id, services.clock())
    return render_template("payments/approval.html", payment=found, form=form), form.status
