"""HTTP face of payments: two identities on every request, one transaction, one answer."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint
from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.gateway.verify import VerifiedRequest
from app.payments import batches, service, statement
from app.payments.instructions import signed_request
from app.payments.protect import protected_payment
from app.problems import Problem
from app.wiring import Services, current_services
from app.writing import writing

MAX_BATCH_REQUEST = 8 * 1024 * 1024  # octets: the document of a batch, twice in base64url

blueprint = Blueprint("payments", __name__, url_prefix="/api/v1/payments")


@blueprint.post("")
@protected_payment
def pay(verified: VerifiedRequest) -> GatewayAnswer:
    """One payment. A refusal that leaves no instruction behind is at least kept in the journal."""
    return _carry_out(service.pay, verified)


@blueprint.post("/status")
@protected(scope="payments", content=True)
def status(verified: VerifiedRequest) -> GatewayAnswer:
    """Where an instruction stands."""
    return _look_up(service.status, verified)


@blueprint.post("/cancel")
@protected(scope="payments", content=True)
def cancel(verified: VerifiedRequest) -> GatewayAnswer:
    """Take an instruction back before it leaves."""
    return _carry_out(service.cancel, verified)


@blueprint.post("/balance")
@protected(scope="payments", content=True)
def balance(verified: VerifiedRequest) -> GatewayAnswer:
    """What is on the enterprise's accounts."""
    return _look_up(service.balance, verified)


@blueprint.post("/statement")
@protected(scope="payments", content=True)
def account_statement(verified: VerifiedRequest) -> GatewayAnswer:
    """What was booked on an account, a page at a time."""
    return _look_up(statement.statement, verified)


@blueprint.post("/batches")
@protected(scope="payments", content=True, max_body=MAX_BATCH_REQUEST, any_numbers=True)
def pay_batch(verified: VerifiedRequest) -> GatewayAnswer:
    """Up to 10,000 payments or wages; each item has its own result."""
    services = current_services()
    try:
        with writing(services) as session:
            received = batches.receive(services, session, verified)
    except Problem as refusal:
        service.record_refusal(services, verified, refusal)
        raise
    if received.answer is not None:
        return received.answer
    if not received.is_finished:
        batches.work(services, received.reference, signed_request(verified).authorization, received.document)
    with services.reading() as session:
        return batches.answer(session, received.reference)


@blueprint.post("/batches/status")
@protected(scope="payments", content=True)
def batch_status(verified: VerifiedRequest) -> GatewayAnswer:
    """Where a batch stands, with what became of its items."""
    return _look_up(batches.status, verified)


UseCase = Callable[[Services, Session, VerifiedRequest], GatewayAnswer]


def _carry_out(use_case: UseCase, verified: VerifiedRequest) -> GatewayAnswer:
    services = current_services()
    try:
        with services.transaction() as session:
            return use_case(services, session, verified)
    except Problem as refusal:
        service.record_refusal(services, verified, refusal)
        raise


def _look_up(use_case: UseCase, verified: VerifiedRequest) -> GatewayAnswer:
    services = current_services()
    try:
        with services.reading() as session:
            return use_case(services, session, verified)
    except Problem as refusal:
        service.record_refusal(services, verified, refusal)
        raise
