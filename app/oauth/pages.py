"""The consent page, on the people's door."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from app.identity.access import get_account, requires
from app.identity.models import Role
from app.oauth.authorize import decide, describe
from app.oauth.problems import RequestExpired
from app.security import CONTENT_SECURITY_POLICY
from app.wiring import current_services

blueprint = Blueprint("authorize", __name__)

PRODUCTS = {"payments": ("付款", "Payments")}
CUSTODIES = {
    "agent": ("贵企业（云联代理程序）", "Your enterprise (the yunlian agent)"),
    "browser": ("贵企业（浏览器）", "Your enterprise (the browser)"),
    "platform": ("由平台代为保管，限额较低", "Held by the platform, hence low limits"),
}


@blueprint.get("/oauth/authorize")
@requires(Role.ENTERPRISE_USER)
def consent() -> Response:
    services, account = current_services(), get_account()
    with services.reading() as session:
        asked = describe(services, session, account, *_request_named(request.args))
    page = render_template(
        "oauth/consent.html",
        consent=asked,
        enterprise=account.tenant.name,
        product=PRODUCTS.get(asked.product, (asked.product, "")),
        custody=CUSTODIES[asked.custody],
    )
    response = make_response(page)
    # Browsers apply form-action to the redirect after the form too, and that leads to the platform.
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
        "form-action 'self'", f"form-action 'self' {asked.redirect_origin}"
    )
    return response


@blueprint.post("/oauth/authorize")
@requires(Role.ENTERPRISE_USER)
def decision() -> Response:
    services, account = current_services(), get_account()
    client_id, request_uri = _request_named(request.form)
    approved = request.form.get("decision") == "approve"
    _ = services.hierarchy
    with services.transaction() as session:
        return decide(services, session, account, client_id, request_uri, approved=approved)


def _request_named(values: dict[str, str]) -> tuple[str, str]:
    client_id, request_uri = values.get("client_id", ""), values.get("request_uri", "")
    if not client_id or not request_uri:
        raise RequestExpired("client_id and request_uri are needed; the platform gets the latter from /oauth/par")
    return client_id, request_uri
