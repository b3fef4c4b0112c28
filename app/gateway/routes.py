"""Every answer under /api/v1 is signed here, refusals and unknown paths included."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, current_app, g, jsonify, request
from werkzeug.exceptions import LengthRequired

from app.gateway import openapi
from app.gateway.answers import sign_response, standing_fields
from app.gateway.challenges import challenge
from app.gateway.protect import read_head
from app.gateway.verify import Attempt
from app.wiring import current_services

blueprint = Blueprint("gateway", __name__)


@blueprint.get(openapi.PATH)
def description() -> Response:
    """What an integrator's tools read; public."""
    response = jsonify(openapi.describe_door(current_app, current_services().settings))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.before_app_request
def require_length() -> None:
    """A signed message knows its length; gunicorn raises errors of its own in the middle of chunks that are none."""
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired("a request states its Content-Length")


@blueprint.after_app_request
def sign_answer(response: Response) -> Response:
    if not request.path.startswith("/api/v1/"):
        return response
    services = current_services()
    incoming, attempt = read_head(services), g.get("gateway_attempt", Attempt(""))
    response.headers.update(standing_fields(services, incoming, attempt))
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = challenge(incoming, attempt.refusal)
    return sign_response(services, response, incoming)
