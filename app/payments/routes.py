"""HTTP face of payments: two identities on every request, one transaction, one answer."""

from __future__ import annotations

from flask import Blueprint

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.verify import VerifiedRequest
from app.payments import service
from app.problems import Problem
from app.wiring import current_services

blueprint = Blueprint("payments", __name__, url_prefix="/api/v1/payments")


@blueprint.post("")
@protected(scope="payments", content=True)
def pay(verified: VerifiedRequest) -> GatewayAnswer:
    """One payment. A refusal that leaves no instruction behind is at least kept in the journal."""
    services = current_services()
    try:
        with services.transaction() as session:
            return service.pay(services, session, verified)
    except Problem as refusal:
        _record(verified, refusal)
        raise


@blueprint.post("/status")
@protected(scope="payments", content=True)
def status(verified: VerifiedRequest) -> GatewayAnswer:
    """Where an instruction stands."""
    services = current_services()
    try:
        with services.reading() as session:
            return service.status(services, session, verified)
    except Problem as refusal:
        _record(verified, refusal)
        raise


def _record(verified: VerifiedRequest, refusal: Problem) -> None:
    services = current_services()
    with services.transaction() as session:
        service.record_refusal(services, session, verified, refusal)
