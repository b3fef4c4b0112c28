"""Instructions that wait for a second approver: their money is on hold, and everything is checked again at the end."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState
from app.gateway.typed_documents import parse_document
from app.oauth.authorizations import find_standing
from app.payments import approvals, outcomes
from app.payments.booking import booking_steps, booking_transfers, dispatch_of
from app.payments.channels import Channel
from app.payments.instructions import record_step
from app.payments.ledger import next_moment
from app.payments.lifecycle import State, verify_step
from app.payments.messages import Payee, PaymentDocument
from app.payments.models import PaymentInstruction
from app.payments.parties import NotRoutable, find_bank, find_route, is_here, names_a_bank
from app.payments.risk import blocked_payee
from app.payments.risk_facts import NOTHING, Movement, RiskFacts, remember
from app.payments.risk_lists import policy_in_force
from app.payments.store import store_of
from app.routing.service import current_recogniser
from app.wiring import Services

MOST_AT_ONCE = 200
log = logging.getLogger(__name__)


def approve(services: Services, session: Session, payment_id: str, *, approver: str, note: str = "") -> State:
    """Let a held instruction go on: booked, settled or rejected, which is returned.

    The authorization and the certificate that signed must still be good, the payee is looked up again and must not be
    on the block list now; what else risk control said is what the approver has decided upon. Raises
    NotFound, StepNotAllowed (decided before); CalendarMissing, DirectoryMissing to try again later.
    """
    payment, at = outcomes.lock(session, payment_id), services.clock()
    verify_step(payment.state, State.ACCEPTED)
    if not still_authorized(services, session, payment):
        outcomes.reject(services, session, payment_id, "authorization-ended", {"approver": approver})
        return State.REJECTED
    if blocked_payee(_facts(payment, at), policy_in_force(services, session.connection())) is not None:
        outcomes.reject(services, session, payment_id, "risk-blocked-payee", {"approver": approver})
        return State.REJECTED
    core, payee = services.core_banking(session, at), _payee(payment)
    try:
        recogniser = current_recogniser(services, session) if names_a_bank(payee) else None
        resolution = find_bank(payee, payment.amount_minor, recogniser)
        here = {payment.payee_account} if is_here(resolution) else set()
        accounts = core.lock({payment.payer_account} | here)
        route = find_route(payee, payment.amount_minor, resolution, accounts, core, at, services.settings)
    except NotRoutable as unclear:
        outcomes.reject(services, session, payment_id, unclear.reason, {"approver": approver})
        return State.REJECTED
    core.release(payment_id)  # the amount was on hold, so it is covered
    payer, payee_account = payment.payer_account, payment.payee_account
    core.post(
        booking_transfers(payment_id, route.channel, payer, payee_account, payment.amount_minor, payment.fee_minor),
        next_moment(accounts.values(), services.clock()),
    )
    payment.channel, payment.payee_bank_id, payment.clearing_code = route.channel, route.bank_id, route.clearing_code
    payment.reasons = []
    record_step(session, payment, State.ACCEPTED, at, {"approver": approver, "note": note})
    for state, facts in booking_steps(route):
        record_step(session, payment, state, at, facts)
    if route.channel is not Channel.BOOK:
        store_of(session).add_dispatches([dispatch_of(payment_id, route, at)], at)
    remember(session.connection(), [_movement(payment)])
    outcomes.tell(services, session, payment, actor=approver)
    return State(payment.state)


def refuse(services: Services, session: Session, payment_id: str, *, approver: str, reason: str) -> State:
    """End a held instruction and give its money free. Raises NotFound, StepNotAllowed (decided before)."""
    verify_step(outcomes.lock(session, payment_id).state, State.ACCEPTED)
    outcomes.reject(services, session, payment_id, "hold-refused", {"approver": approver, "note": reason})
    return State.REJECTED


def expire_held(services: Services) -> int:
    """End what nobody decided in time, at most 200 at once; returns how many. One that cannot be ended now keeps no
    other from it."""
    with services.reading() as session:
        overdue = approvals.list_overdue(session, services.clock(), MOST_AT_ONCE)
    expired = 0
    for payment_id in overdue:
        try:
            with services.transaction() as session:
                expired += _expire(services, session, payment_id)
        except Exception:
            log.exception("a held payment was not ended", extra={"payment": payment_id})
    return expired


def _expire(services: Services, session: Session, payment_id: str) -> bool:
    """Whether it still waited; it may have been cancelled meanwhile."""
    state = outcomes.lock(session, payment_id).state
    approvals.close(session, payment_id, "cancelled" if state == State.CANCELLED else "expired")
    return state == State.HELD and outcomes.reject(services, session, payment_id, "hold-expired")


def still_authorized(services: Services, session: Session, payment: PaymentInstruction) -> bool:
    """What was held is checked again when it is released: the authorization, and the certificate that signed."""
    authorization = find_standing(services, session, payment.authorization_id)
    certificate = session.get(CertificateRecord, payment.product_x5t_s256)
    return (
        authorization is not None
        and authorization.application.disabled_at is None
        and certificate is not None
        and certificate.state == CertificateState.GOOD
        and certificate.not_after > services.clock()
    )


def _payee(payment: PaymentInstruction) -> Payee:
    """As the enterprise named it, so that the bank is looked up by the enterprise's own words again."""
    return parse_document(payment.document or b"", PaymentDocument).payee


def _facts(payment: PaymentInstruction, at: datetime) -> RiskFacts:
    return RiskFacts(
        amount_minor=payment.amount_minor,
        payer_account=payment.payer_account,
        payee_account=payment.payee_account,
        payee_name=payment.payee_name,
        custody="",
        at=at,
        payee=NOTHING,
        payer=NOTHING,
        application=NOTHING,
    )


def _movement(payment: PaymentInstruction) -> Movement:
    return Movement(
        tenant_id=payment.tenant_id,
        application_id=payment.application_id,
        payer_account=payment.payer_account,
        payee_account=payment.payee_account,
        payee_name=payment.payee_name,
        amount_minor=payment.amount_minor,
        custody="",
        at=payment.received_at,
    )
