"""Log-in, log-out and the own account."""

from __future__ import annotations

import segno
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
    provisional_account,
    requires,
    set_cookie,
)
from app.identity.forms import Form, read_form
from app.identity.messages import ChangePassword, LogIn, MakeOwn
from app.identity.pages import Page, notify
from app.identity.problems import InvalidCredentials, WeakPassword
from app.problems import NotAuthenticated, TooManyRequests
from app.wiring import current_services

blueprint = Blueprint("identity", __name__)


@blueprint.get("/login")
def login() -> Page | Response:
    """The log-in page; whoever is logged in goes on."""
    target = local_path(request.args.get("next"))
    if current_account() is not None:
        return redirect(target)
    if provisional_account() is not None:
        return redirect(url_for("identity.first"))
    return _login_page(Form(), target)


@blueprint.post("/login")
def log_in() -> Page | Response:
    """Check password and code, hand out the session cookie, go where the person wanted to go."""
    target = local_path(request.args.get("next"))
    form = read_form(LogIn, request.form)
    if form.message is None:
        return _login_page(form, target)
    try:
        logged_in = service.log_in(current_services(), **form.message.model_dump(), address=request.remote_addr or "")
    except (InvalidCredentials, TooManyRequests) as refusal:
        return _login_page(form.refused(refusal), target, refusal.status)
    browser.clear()  # a new person gets a new CSRF secret
    response = redirect(url_for("identity.first") if logged_in.account.provisional else target, 303)
    set_cookie(response, logged_in.token)
    return response


@blueprint.get("/account/first")
def first() -> Page | Response:
    """At the first log-in: choose what nobody else has seen."""
    account = provisional_account()
    if account is None:
        return redirect(url_for("identity.login"))
    return _first_page(Form(), service.offer_second_factor(current_services(), account))


@blueprint.post("/account/first")
def make_own() -> Page | Response:
    """Keep the new password and second factor; from now on the account is of use."""
    account = provisional_account()
    if account is None:
        raise NotAuthenticated("please log in")
    services = current_services()
    form = read_form(MakeOwn, request.form)
    if form.message is None:
        return _first_page(form, service.offer_second_factor(services, account))
    sent = form.message
    offer = service.open_offer(services, account, sent.offer)
    try:
        token = service.make_own(services, account, new=sent.new, offer=offer, code=sent.code)
    except WeakPassword as refusal:
        return _first_page(form.refused(refusal, "new"), offer)
    except InvalidCredentials as refusal:
        return _first_page(form.refused(refusal, "code"), offer)
    notify("已更换密码和动态码，今后请使用新的。", "Password and second factor are your own now.")
    response = redirect("/", 303)
    set_cookie(response, token)
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


def _first_page(form: Form[MakeOwn], offer: service.SecondFactorOffer) -> Page:
    code = segno.make(offer.provisioning_uri, error="m").svg_data_uri(scale=5, border=2, light="white")
    return render_template("identity/first.html", form=form, offer=offer, qr_code=code), form.status


def _password_page(form: Form[ChangePassword]) -> Page:
    return render_template("identity/password.html", form=form), form.status
