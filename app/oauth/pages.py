"""The consent page, on the people's door."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from app.identity.access import COOKIE, get_account, requires
from app.identity.models import Role
from app.messages import parse
from app.oauth import step_up
from app.oauth.authorize import decide, describe
from app.oauth.consent_policy import get_consent_policy
from app.oauth.problems import RequestExpired
from app.oauth.wording import authorization_wording
from app.problems import InvalidInput
from app.proofing.messages import FaceConsent, FaceMeta
from app.proofing.wording import face_wording
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
    settings = services.settings
    policy = get_consent_policy(settings.consent_policy, production=settings.production)
    with services.reading() as session:
        asked = describe(services, session, account, *_request_named(request.args))
    page = render_template(
        "oauth/consent.html",
        consent=asked,
        enterprise=account.tenant.name,
        product=PRODUCTS.get(asked.product, (asked.product, "")),
        custody=CUSTODIES[asked.custody],
        wording=authorization_wording(),
        face_wording=face_wording(),
        face_required=policy.face_required,
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
        return decide(services, session, account, client_id, request_uri, approved=approved, holder=_holder())


@blueprint.post("/oauth/authorize/face/challenge")
@requires(Role.ENTERPRISE_USER)
def face_challenge() -> Response:
    """A single-use challenge for the request named in the query, after the separate consent to face information."""
    services, message = current_services(), parse(FaceConsent, request.get_data())
    with services.transaction() as session:
        act = describe(services, session, get_account(), *_request_named(request.args)).act
        return jsonify(
            step_up.begin(services, session, act, holder=_holder(), face_wording_sha256=message.face_wording_sha256)
        )


@blueprint.post("/oauth/authorize/face")
@requires(Role.ENTERPRISE_USER)
def face() -> Response:
    """The frames that answer a challenge: `meta` and the files `frame` in their order."""
    services, meta = current_services(), parse(FaceMeta, request.form.get("meta", ""))
    frames = [file.read() for file in request.files.getlist("frame")]
    if len(frames) != len(meta.frames):
        raise InvalidInput("there are not as many pictures as frames")
    with services.reading() as session:
        act = describe(services, session, get_account(), *_request_named(request.args)).act
    passed = step_up.finish(services, act, holder=_holder(), meta=meta, jpegs=frames)
    return jsonify({"face_check": passed.id})


def _holder() -> str:
    """The log-in session by its digest: a check of one browser confirms nothing in another."""
    return hashlib.sha256(request.cookies.get(COOKIE, "").encode()).hexdigest()


def _request_named(values: dict[str, str]) -> tuple[str, str]:
    client_id, request_uri = values.get("client_id", ""), values.get("request_uri", "")
    if not client_id or not request_uri:
        raise RequestExpired("client_id and request_uri are needed; the platform gets the latter from /oauth/par")
    return client_id, request_uri
