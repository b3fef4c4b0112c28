"""Operators' pages: organizations and their accounts."""

from __future__ import annotations

import segno
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.identity import service
from app.identity.access import get_account, requires
from app.identity.forms import Form, read_form
from app.identity.models import Role
from app.identity.pages import Page, notify
from app.identity.problems import LoginTaken, RoleNotFitting, TenantExists, WeakPassword
from app.operations import messages
from app.operations.service import open_account
from app.wiring import current_services

blueprint = Blueprint("organizations", __name__)


@blueprint.get("/tenants")
@requires(Role.OPERATOR)
def tenants() -> Page:
    """All organizations."""
    with current_services().reading() as session:
        found = service.list_tenants(session)
    return render_template("operations/tenants.html", tenants=found), 200


@blueprint.get("/tenants/new")
@requires(Role.OPERATOR)
def new_tenant() -> Page:
    """The form for an organization."""
    return _tenant_page(Form())


@blueprint.post("/tenants/new")
@requires(Role.OPERATOR)
def create_tenant() -> Page | Response:
    """Register it."""
    form = read_form(messages.NewTenant, request.form)
    if form.message is None:
        return _tenant_page(form)
    services = current_services()
    try:
        with services.transaction() as session:
            service.create_tenant(services, session, **form.message.model_dump(), actor=get_account().id)
    except TenantExists as refusal:
        return _tenant_page(form.refused(refusal, "uscc"))
    notify("机构已登记。", "The organization is registered.")
    return redirect(url_for("operations.organizations.tenants"), 303)


@blueprint.get("/accounts")
@requires(Role.OPERATOR)
def accounts() -> Page:
    """All accounts."""
    with current_services().reading() as session:
        found = service.list_accounts(session)
    return render_template("operations/accounts.html", accounts=found, own=get_account()), 200


@blueprint.get("/accounts/new")
@requires(Role.OPERATOR)
def new_account() -> Page:
    """The form for an account."""
    return _account_page(Form())


@blueprint.post("/accounts/new")
@requires(Role.OPERATOR)
def create_account() -> Page | Response:
    """Create it and show its second factor, once; for the bank's own staff a colleague has to confirm."""
    form = read_form(messages.NewAccount, request.form)
    if form.message is None:
        return _account_page(form)
    services = current_services()
    try:
        with services.transaction() as session:
            opened = open_account(services, session, form.message, get_account())
    except WeakPassword as refusal:
        return _account_page(form.refused(refusal, "password"))
    except RoleNotFitting as refusal:
        return _account_page(form.refused(refusal, "role"))
    except LoginTaken as refusal:
        return _account_page(form.refused(refusal, "login"))
    code = segno.make(opened.new.provisioning_uri, error="m").svg_data_uri(scale=5, border=2, light="white")
    return render_template("operations/account_created.html", opened=opened, qr_code=code), 200


@blueprint.post("/accounts/<account_id>/disable")
@requires(Role.OPERATOR)
def disable_account(account_id: str) -> Response:
    """Close it for ever."""
    services = current_services()
    with services.transaction() as session:
        service.disable_account(services, session, account_id, actor=get_account().id)
    notify("账户已停用，其会话均已结束。", "The account is disabled and logged out everywhere.")
    return redirect(url_for("operations.organizations.accounts"), 303)


def _tenant_page(form: Form[messages.NewTenant]) -> Page:
    return render_template("operations/tenant_new.html", form=form), form.status


def _account_page(form: Form[messages.NewAccount]) -> Page:
    with current_services().reading() as session:
        tenants = service.list_tenants(session)
    return render_template("operations/account_new.html", form=form, tenants=tenants), form.status
