"""`/api/v1/platforms`: the bank's onboarding system proposes platforms, under its own signature alone."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.typed_documents import parse_document
from app.gateway.verify import VerifiedRequest
from app.oauth import onboarding
from app.oauth.messages import PlatformDocument, PlatformNameDocument
from app.oauth.models import PlatformRegistration
from app.wiring import current_services

blueprint = Blueprint("platforms", __name__, url_prefix="/api/v1/platforms")


@blueprint.post("")
@protected(scope="onboarding", content=False)
def propose(verified: VerifiedRequest) -> GatewayAnswer:
    """A platform that an operator shall register; the same proposal again has the same answer."""
    services, asked = current_services(), parse_document(verified.document, PlatformDocument)
    with services.transaction() as session:
        return _describe(onboarding.propose_platform(services, session, verified.application_id, asked))


@blueprint.post("/status")
@protected(scope="onboarding", content=False)
def status(verified: VerifiedRequest) -> GatewayAnswer:
    """Where a proposal stands."""
    services, asked = current_services(), parse_document(verified.document, PlatformNameDocument)
    with services.reading() as session:
        return _describe(onboarding.get_registration(session, verified.application_id, asked.registration_id))


@blueprint.post("/registration-code")
@protected(scope="onboarding", content=False)
def registration_code(verified: VerifiedRequest) -> GatewayAnswer:
    """A code with which a confirmed platform registers one application."""
    services, asked = current_services(), parse_document(verified.document, PlatformNameDocument)
    with services.transaction() as session:
        made = onboarding.hand_out_code(services, session, verified.application_id, asked.registration_id)
    body = {
        "registration_id": asked.registration_id,
        "registration_code": made.code,
        "expires_at": made.expires_at.isoformat(),
    }
    return GatewayAnswer(status=200, body=body)


def _describe(found: PlatformRegistration) -> GatewayAnswer:
    body: dict[str, Any] = {
        "registration_id": found.registration_id,
        "name": found.name,
        "uscc": found.uscc,
        "state": found.state,
        "asked_at": found.asked_at.isoformat(),
        "decided_at": found.decided_at.isoformat() if found.decided_at is not None else None,
    }
    return GatewayAnswer(status=200, body=body)
