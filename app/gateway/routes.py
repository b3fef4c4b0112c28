"""Every answer under /api/v1 is signed here, refusals and unknown paths included."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.gateway.answers import sign_response
from app.gateway.protect import read_head
from app.wiring import current_services

blueprint = Blueprint("gateway", __name__)


@blueprint.after_app_request
def sign_answer(response: Response) -> Response:
    if not request.path.startswith("/api/v1/"):
        return response
    services = current_services()
    return sign_response(services, response, read_head(services))
