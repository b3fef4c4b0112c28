"""HTTP face of routing: a catalogue look-up, so the platform's signature alone is enough."""

from __future__ import annotations

from flask import Blueprint

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.typed_documents import parse_document
from app.gateway.verify import VerifiedRequest
from app.routing import service
from app.routing.messages import MAX_BATCH, ConfirmRequest, ResolveRequest, resolution_body
from app.wiring import current_services

blueprint = Blueprint("routing", __name__, url_prefix="/api/v1/routing")


@blueprint.post("/resolve")
@protected(scope="routing", content=False)
def resolve(verified: VerifiedRequest) -> GatewayAnswer:
    """Bank, branch, decision and reasons for what somebody typed, for one question or up to 1,000."""
    services = current_services()
    asked = parse_document(verified.document, ResolveRequest, MAX_BATCH)
    queries = [each.to_query() for each in asked.queries or [asked]]
    with services.reading() as session:
        found = service.resolve_many(services, session, queries)
    with services.transaction() as session:
        answers = service.record(services, session, list(zip(queries, found, strict=True)), verified.application_id)
    bodies = [resolution_body(answer) for answer in answers]
    return GatewayAnswer(status=200, body={"answers": bodies} if asked.queries else bodies[0])


@blueprint.post("/confirm")
@protected(scope="routing", content=False)
def confirm(verified: VerifiedRequest) -> GatewayAnswer:
    """Which candidate was meant; an officer of the bank reviews it before it counts."""
    services = current_services()
    asked = parse_document(verified.document, ConfirmRequest)
    with services.transaction() as session:
        alias = service.confirm(services, session, asked.decision_id, asked.clearing_code, verified.application_id)
        body = {"alias_id": alias.id, "state": alias.state, "confirmations": alias.confirmations}
    return GatewayAnswer(status=200, body=body)
