"""HTTP face of routing: a catalogue look-up, so the platform's signature alone is enough."""

from __future__ import annotations

from flask import Blueprint

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.verify import VerifiedRequest
from app.routing import service
from app.routing.documents import parse_document
from app.routing.messages import ResolveRequest, resolution_body
from app.wiring import current_services

blueprint = Blueprint("routing", __name__, url_prefix="/api/v1/routing")


@blueprint.post("/resolve")
@protected(scope="routing", content=False)
def resolve(verified: VerifiedRequest) -> GatewayAnswer:
    """Bank, branch, decision and reasons for what somebody typed."""
    services = current_services()
    asked = parse_document(verified.document, ResolveRequest)
    with services.reading() as session:
        resolution = service.resolve(services, session, asked.to_query())
    return GatewayAnswer(status=200, body=resolution_body(resolution))
