"""HTTP face of the workshop, reached through a Unix socket by the other processes of the service only."""

from __future__ import annotations

from flask import Blueprint, Response, abort, request

from app.wiring import current_services
from app.workshop import MAC_HEADER, is_authentic, mac, mac_key, perform

blueprint = Blueprint("workshop", __name__)


@blueprint.post("/workshop/run")
def run() -> Response:
    """Run one task; 403 without the right MAC."""
    key = mac_key(current_services().settings.secret_key)
    body = request.get_data()
    if not is_authentic(key, body, request.headers.get(MAC_HEADER, "")):
        abort(403)
    outcome = perform(body)
    return Response(outcome, mimetype="application/octet-stream", headers={MAC_HEADER: mac(key, outcome)})
