"""Operators fill the register of enterprises, one by one or from a file."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.problems import InvalidInput
from app.proofing import forms, registers
from app.proofing.records import RegisterEntry
from app.wiring import current_services
from kyc.errors import InvalidIdentityNumber
from kyc.ports import EnterpriseElements

blueprint = Blueprint("register", __name__, url_prefix="/proofing/register")

MAXIMUM_FILE = 4 * 1024 * 1024


@blueprint.get("")
@requires(Role.OPERATOR)
def entries() -> Page:
    """The newest entries and the forms."""
    return _page(Form())


@blueprint.post("")
@requires(Role.OPERATOR)
def enter() -> Page | Response:
    """Enter one enterprise."""
    form = read_form(forms.Enterprise, request.form)
    if form.message is None:
        return _page(form)
    services, sent = current_services(), form.message
    elements = EnterpriseElements(sent.name, sent.uscc, sent.legal_representative, sent.identity_number)
    try:
        with services.transaction() as session:
            registers.enter_enterprise(services, session, elements, actor=get_account().id)
    except InvalidIdentityNumber as refusal:
        return _page(form.refused(refusal, "identity_number"))
    notify("已登记。", "Entered.")
    return redirect(url_for("proofing.register.entries"), 303)


@blueprint.post("/file")
@requires(Role.OPERATOR)
def import_file() -> Page | Response:
    """Enter a whole CSV file, or nothing of it."""
    upload = request.files.get("file")
    content = upload.read(MAXIMUM_FILE + 1) if upload is not None else b""
    services = current_services()
    try:
        if len(content) > MAXIMUM_FILE:
            raise InvalidInput(f"a file of at most {MAXIMUM_FILE // 1024 // 1024} MB")
        with services.transaction() as session:
            number = registers.import_register(services, session, _text(content), actor=get_account().id)
    except InvalidInput as refusal:
        return _page(Form(), refusal)
    notify(f"已导入 {number} 家企业。", f"{number} enterprises entered.")
    return redirect(url_for("proofing.register.entries"), 303)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("the file is not UTF-8") from None


def _page(form: Form[forms.Enterprise], refusal: InvalidInput | None = None) -> Page:
    services = current_services()
    with services.reading() as session:
        found = list(session.scalars(select(RegisterEntry).order_by(RegisterEntry.entered_at.desc()).limit(200)))
    page = render_template(
        "proofing/register.html",
        form=form,
        entries=found,
        refusal=refusal,
        columns=registers.COLUMNS,
        source=services.registry.description,
    )
    return page, 422 if refusal else form.status
