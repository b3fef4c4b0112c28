"""Log-in, log-out and the own account."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask import session as browser
from werkzeug.wrappers import Response

from app.identity import service
from app.identity.access import (
    COOKIE,
    clear_cookie,
    current_account,
    get_account,
    local_path,
    requires,
    set_cookie,
)
from app.identity.forms import Form, read_form
from app.identity.messages import ChangePassword, LogIn
from app.identity.pages import Page, notify
from app.identity.problems import InvalidCredentials, WeakPassword
from app.wiring import current_services

blueprint = Blueprint("identity", __name__)


@blueprint.get("/login")
def login() -> Page | Response:
    """The log-in page; whoever is logged in goes on."""
    target = local_path(request.args.get("next"))
    if current_account() is not None:
        return redirect(target)
    return _login_page(Form(), target)


@blueprint.post("/login")
def log_in() -> Page | Response:
    """Check password and code, hand out the session cookie, go where the person wanted to go."""
    target = local_path(request.args.get("next"))
    form = read_form(LogIn, request.form)
    if form.message is None:
        return _login_page(form, target)
    try:
        logged_in = service.log_in(current_services(), **form.message.model_dump())
    except InvalidCredentials as refusal:
        return _login_page(form.refused(refusal), target, refusal.status)
    browser.clear()  # a new person gets a new CSRF secret
    response = redirect(target, 303)
    set_cookie(response, logged_in.token)
    return response


@blueprint.post("/logout")
@requires()
def log_out() -> Response:
    """End the session here and in the database."""
    services = current_services()
    with services.transaction() as session:
        service.log_out(services, session, request.cookies[COOKIE], get_account())
    browser.clear()
    response = redirect(url_for("identity.login"), 303)
    clear_cookie(response)
    return response


@blueprint.get("/account")
@requires()
def account() -> Page:
    """Who I am here."""
    return render_template("identity/account.html", own=get_account()), 200


@blueprint.get("/account/password")
@requires()
def password() -> Page:
    """The form to change the own password."""
    return _password_page(Form())


@blueprint.post("/account/password")
@requires()
def change_password() -> Page | Response:
    """Change it; every other browser of this account is logged out."""
    form = read_form(ChangePassword, request.form)
    if form.message is None:
        return _password_page(form)
    try:
        token = service.change_password(
            current_services(), get_account(), current=form.message.current, new=form.message.new
        )
    except InvalidCredentials as refusal:
        return _password_page(form.refused(refusal, "current"))
    except WeakPassword as refusal:
        return _password_page(form.refused(refusal, "new"))
    notify("密码已更改，其他设备均已退出。", "Password changed; other devices are logged out.")
    response = redirect(url_for("identity.account"), 303)
    set_cookie(response, token)
    return response


def _login_page(form: Form[LogIn], target: str, status: int | None = None) -> Page:
    return render_template("identity/login.html", form=form, target=target), status or form.status


def _password_page(form: Form[ChangePassword]) -> Page:
    return render_template("identity/password.html", form=form), form.status
