"""Use cases of payments, in the order in which things happen. Everything begins at a VerifiedRequest.

One transaction takes an instruction from received to booked; its answer leaves after the commit. What
goes to other banks is written to the outbox in the same transaction and sent by `jobs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.problems import InvalidDocument
from app.payments import instructions, ledger
from app.payments.answers import enterprise_facts, platform_facts, route_facts
from app.payments.channels import BEIJING, Channel
from app.payments.core_banking import CoreBanking, EmbeddedCore
from app.payments.instructions import (
    find_by_name,
    find_by_reference,
    get_instruction,
    list_instructions,
    signed_request,
)
from app.payments.ledger import InsufficientFunds, Transfer, transit_account
from app.payments.lifecycle import State
from app.payments.limits import give_back, use_limits
from app.payments.messages import PaymentDocument, StatusDocument
from app.payments.models import (
    AccountKind,
    DispatchState,
    LedgerAccount,
    PaymentDispatch,
    PaymentInstruction,
    TransferKind,
)
from app.payments.parties import NotRoutable, Route, route_payee
from app.payments.risk import Outcome, assess
from app.payments.risk_facts import Movement, gather, remember
from app.payments.risk_lists import policy_in_force
from app.problems import Conflict, Fault, NotFound, Problem
from app.routing.documents import parse_document
from app.routing.messages import candidate_body
from app.wiring import Services

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest

__all__ = [
    "get_instruction",
    "list_accounts",
    "list_instructions",
    "open_account",
    "pay",
    "record_refusal",
    "status",
]

_OLDEST_REQUEST = timedelta(hours=24)
_CLOCK_SKEW = timedelta(minutes=5)
_OK = 200


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One instruction on its way through `pay`, with everything that the steps need."""

    services: Services
    session: Session
    core: CoreBanking
    verified: VerifiedRequest
    document: PaymentDocument
    payment: PaymentInstruction
    now: datetime


class _Rejected(Exception):
    """An instruction that was taken ends here: `reasons` are stable codes, `facts` explain them to the
    enterprise.
    """

    def __init__(self, reasons: list[str], facts: dict[str, Any]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons
        self.facts = facts


def pay(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Carry out one payment, once and only once.

    Raises InvalidDocument, Conflict, LimitExceeded, CalendarMissing, DirectoryMissing; then nothing is kept
    under the instruction's name. Every other outcome is an answer that is saved for ever, `rejected`
    included.
    """
    now = services.clock()
    # 1. The document, strictly.
    document = parse_document(verified.document, PaymentDocument)
    # 2. Its name is taken once; whoever comes later hears what the first heard.
    payment = instructions.claim(session, verified, document, now)
    if payment is None:
        return _saved_answer(session, verified, document)
    attempt = _Attempt(services, session, EmbeddedCore(session, now), verified, document, payment, now)
    # 3. What the document says of the enterprise and of time must be so.
    _verify_document(attempt)
    # 4. The limits of the authorization.
    authorization = signed_request(verified).authorization
    day = now.astimezone(BEIJING).date()
    use_limits(session, authorization.id, document.amount_minor, day, authorization.limits)
    details: dict[str, Any] = {}
    try:
        # 5. Risk control.
        _control_risk(attempt)
        # 6. The payee's bank and the channel.
        route = _route(attempt)
        details = route_facts(route)
        # 7. The ledger, and for other banks the outbox.
        _book(attempt, route)
    except _Rejected as rejected:
        give_back(session, authorization.id, document.amount_minor, day)
        payment.reasons = rejected.reasons
        instructions.record_step(session, payment, State.REJECTED, now, rejected.facts)
        details = rejected.facts
    # 8. The answer, saved for every repetition.
    balance = attempt.core.balance(document.payer_account)
    sealed = enterprise_facts(payment) | {"available_balance_minor": balance, "details": details}
    payment.answer = {"body": platform_facts(payment), "sealed": sealed}
    _journal(services, session, payment)
    return GatewayAnswer(status=_OK, body=payment.answer["body"], sealed=sealed)


def status(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Where an instruction stands now. Raises InvalidDocument, NotFound (also for another enterprise's)."""
    asked = parse_document(verified.document, StatusDocument)
    tenant_id = signed_request(verified).authorization.enterprise_tenant_id
    if asked.instruction_id is not None:
        payment = find_by_name(session, tenant_id, asked.instruction_id)
    else:
        payment = find_by_reference(session, tenant_id, asked.bank_reference or "")
    if payment is None:
        raise NotFound("there is no such instruction")
    steps = [
        {"state": step.state.value, "at": step.at.isoformat()} for step in instructions.list_steps(session, payment.id)
    ]
    body = platform_facts(payment) | {"updated_at": payment.updated_at.isoformat(), "steps": steps}
    balance = EmbeddedCore(session, services.clock()).balance(payment.payer_account)
    return GatewayAnswer(status=_OK, body=body, sealed=enterprise_facts(payment) | {"available_balance_minor": balance})


def record_refusal(services: Services, session: Session, verified: VerifiedRequest, refusal: Problem) -> None:
    """Keep in the journal that a request was refused, in a transaction of its own after the rollback."""
    body = {
        "document_sha256": verified.document_sha256,
        "reason": refusal.code,
        "authorization_id": signed_request(verified).authorization.id,
    }
    services.journal.append(
        session, "payment-refused", subject=verified.request_id, actor=verified.application_id, body=body
    )


def open_account(
    services: Services, session: Session, *, tenant_id: str, number: str, name: str, balance_minor: int
) -> None:
    """Open a customer's account with a balance in fen, for demonstration data.

    Raises InvalidInput, Conflict.
    """
    account = ledger.NewAccount(number, tenant_id, name, balance_minor)
    ledger.open_customer_account(session, account, services.clock())


def list_accounts(session: Session, tenant_id: str) -> list[tuple[str, str, int]]:
    """Number, name and available balance (fen) of each of an enterprise's accounts."""
    statement = (
        select(LedgerAccount.number, LedgerAccount.name, LedgerAccount.balance_minor)
        .where(LedgerAccount.tenant_id == tenant_id, LedgerAccount.kind == AccountKind.CUSTOMER)
        .order_by(LedgerAccount.number)
    )
    return [(number, name, balance) for number, name, balance in session.execute(statement)]


def _saved_answer(session: Session, verified: VerifiedRequest, document: PaymentDocument) -> GatewayAnswer:
    tenant_id = signed_request(verified).authorization.enterprise_tenant_id
    payment = find_by_name(session, tenant_id, document.instruction_id)
    if payment is None or payment.document_sha256 != verified.document_sha256:
        raise Conflict("the instruction_id names a different document")
    return GatewayAnswer(status=_OK, body=payment.answer["body"], sealed=payment.answer["sealed"])


def _verify_document(attempt: _Attempt) -> None:
    document, now = attempt.document, attempt.now
    faults = []
    account = attempt.core.find_account(document.payer_account)
    if account is None or account.tenant_id != attempt.payment.tenant_id:
        faults.append(Fault("/payer_account", "account-unknown"))
    if document.payee.account == document.payer_account:
        faults.append(Fault("/payee/account", "same-as-payer"))
    if document.requested_at is not None:
        if document.requested_at > now + _CLOCK_SKEW:
            faults.append(Fault("/requested_at", "in-the-future"))
        elif document.requested_at < now - _OLDEST_REQUEST:
            faults.append(Fault("/requested_at", "too-old"))
    if faults:
        raise InvalidDocument(f"{len(faults)} faults", faults=tuple(faults))


def _control_risk(attempt: _Attempt) -> None:
    session, payment = attempt.session, attempt.payment
    movement = Movement(
        tenant_id=payment.tenant_id,
        application_id=payment.application_id,
        payer_account=payment.payer_account,
        payee_account=payment.payee_account,
        payee_name=payment.payee_name,
        amount_minor=payment.amount_minor,
        custody=str(signed_request(attempt.verified).authorization.custody),
        at=attempt.now,
    )
    [facts] = gather(session.connection(), [movement])
    verdict = assess(facts, policy_in_force(attempt.services, session.connection()))
    if verdict.outcome is not Outcome.PASS:
        raise _Rejected(verdict.reasons, {"risk": verdict.to_json()})
    instructions.record_step(session, payment, State.ACCEPTED, attempt.now, {"risk": verdict.to_json()})
    remember(session.connection(), [movement])


def _route(attempt: _Attempt) -> Route:
    payment = attempt.payment
    try:
        route = route_payee(attempt.services, attempt.session, attempt.core, attempt.document, attempt.now)
    except NotRoutable as unclear:
        resolution = unclear.resolution
        facts = {
            "routing_reasons": list(resolution.reasons) if resolution else [],
            "candidates": [candidate_body(match) for match in resolution.candidates] if resolution else [],
        }
        raise _Rejected([unclear.reason], facts) from unclear
    payment.channel = route.channel
    payment.payee_bank_id = route.bank_id
    payment.clearing_code = route.clearing_code
    instructions.record_step(attempt.session, payment, State.ROUTED, attempt.now, route.facts())
    return route


def _book(attempt: _Attempt, route: Route) -> None:
    session, payment, now = attempt.session, attempt.payment, attempt.now
    own = route.channel is Channel.BOOK
    kind = TransferKind.BOOK if own else TransferKind.CLEARING
    credit = payment.payee_account if own else transit_account(route.channel)
    try:
        attempt.core.post(Transfer(kind, payment.payer_account, credit, payment.amount_minor, payment.id))
    except InsufficientFunds as exc:
        raise _Rejected(["insufficient-funds"], {}) from exc
    instructions.record_step(session, payment, State.BOOKED, now, {"transfer": kind.value})
    if own:
        instructions.record_step(session, payment, State.SETTLED, now, {})
        return
    opens_at = route.choice.opens_at
    session.add(
        PaymentDispatch(
            payment_id=payment.id,
            state=DispatchState.WAITING,
            due_at=opens_at or now,
            deferred=opens_at is not None,
        )
    )


def _journal(services: Services, session: Session, payment: PaymentInstruction) -> None:
    body = {
        "document_sha256": payment.document_sha256,
        "state": State(payment.state).value,
        "reasons": list(payment.reasons),
        "authorization_id": payment.authorization_id,
    }
    services.journal.append(session, "payment", subject=payment.id, actor=payment.application_id, body=body)
