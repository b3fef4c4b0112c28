"""Use cases of payments, in the order in which things happen. Everything begins at a VerifiedRequest.

`taking.py` takes instructions from received to booked, many at once in one transaction; an answer leaves after the
commit. What goes to other banks waits in the outbox, and `outcomes.py` records what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.typed_documents import parse_document
from app.payments import instructions, ledger, outcomes
from app.payments.answers import answer_of_taken, current_answer, saved_answer
from app.payments.instructions import (
    find_by_name,
    find_by_reference,
    get_instruction,
    list_instructions,
    signed_request,
)
from app.payments.lifecycle import StepNotAllowed
from app.payments.messages import BalanceDocument, CancelDocument, PaymentDocument, StatusDocument
from app.payments.models import PaymentInstruction
from app.payments.taking import Order, Outcomes, Repeated, take
from app.problems import Conflict, NotFound, Problem
from app.wiring import Services

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest

__all__ = [
    "balance",
    "cancel",
    "get_instruction",
    "list_instructions",
    "open_account",
    "order_of",
    "pay",
    "pay_together",
    "record_refusal",
    "status",
]

_OK = 200


def order_of(verified: VerifiedRequest, members: Mapping[str, Any] | None = None) -> Order:
    """The signed document of one payment, strictly read; `members` is what it says, where it was parsed already.

    Raises InvalidDocument.
    """
    signed = signed_request(verified)
    return Order(
        tenant_id=signed.authorization.enterprise_tenant_id,
        terms=parse_document(verified.document, PaymentDocument, members=members),
        document=verified.document,
        document_sha256=verified.document_sha256,
        content_jti=signed.content_jti,
        application_id=verified.application_id,
        authorization=signed.authorization,
        product_x5t_s256=signed.product_x5t_s256,
    )


def pay(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Carry out one payment, once and only once.

    Raises InvalidDocument, Conflict, LimitExceeded, CalendarMissing, DirectoryMissing; then nothing is kept
    under the instruction's name. Every other outcome is an answer that is saved for ever, `rejected` included.
    """
    [answer] = pay_together(services, session, [order_of(verified)])
    if isinstance(answer, Problem):
        raise answer
    return answer


def pay_together(services: Services, session: Session, orders: Sequence[Order]) -> list[GatewayAnswer | Problem]:
    """Carry out a group of payments in one transaction; each has its own answer or refusal, as of `pay`."""
    at = services.clock()
    return tell_outcomes(session, take(services, session, orders, at), at)


def tell_outcomes(session: Session, outcomes: Outcomes, at: datetime) -> list[GatewayAnswer | Problem]:
    """The answer to each order of a group."""
    answers: list[GatewayAnswer | Problem] = []
    for outcome in outcomes:
        if isinstance(outcome, Problem):
            answers.append(outcome)
        elif isinstance(outcome, Repeated):
            answers.append(saved_answer(session.get_one(PaymentInstruction, outcome.payment_id)))
        else:
            answers.append(answer_of_taken(outcome, at))
    return answers


def status(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Where an instruction stands now. Raises InvalidDocument, NotFound (also for another enterprise's)."""
    payment = _find(session, verified, parse_document(verified.document, StatusDocument))
    return _tell(services, session, payment)


def cancel(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Take an instruction back that has not left yet; again is harmless.

    Raises InvalidDocument, NotFound, Conflict (it has left, or has ended otherwise).
    """
    asked = parse_document(verified.document, CancelDocument)
    payment = outcomes.lock(session, _find(session, verified, asked).id)
    try:
        outcomes.cancel(services, session, payment.id, "cancelled", {"by": verified.client_id, "why": asked.reason})
    except StepNotAllowed as exc:
        raise Conflict(f"the instruction is {payment.state}") from exc
    return _tell(services, session, payment)


def balance(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Balances of the enterprise's accounts, in fen. Raises InvalidDocument, NotFound (also for another's account)."""
    asked = parse_document(verified.document, BalanceDocument)
    core = services.core_banking(session, services.clock())
    accounts = core.list_of(signed_request(verified).authorization.enterprise_tenant_id)
    accounts = [account for account in accounts if asked.account in {None, account.number}]
    if asked.account is not None and not accounts:
        raise NotFound("there is no such account")
    sealed = {
        "as_of": services.clock().isoformat(),
        "currency": "CNY",
        "accounts": [
            {
                "account": account.number,
                "name": account.name,
                "balance_minor": account.balance_minor,
                "held_minor": account.held_minor,
                "available_balance_minor": account.available_minor,
            }
            for account in accounts
        ],
    }
    return GatewayAnswer(status=_OK, body={"accounts": len(accounts)}, sealed=sealed)


def record_refusal(services: Services, verified: VerifiedRequest, refusal: Problem) -> None:
    """Keep in the journal that a request was refused, after the rollback, in a commit that refusals share."""
    body = {
        "document_sha256": verified.document_sha256,
        "reason": refusal.code,
        "authorization_id": signed_request(verified).authorization.id,
    }
    subject, actor = verified.request_id, verified.application_id
    services.commits.run(
        lambda session: services.journal.append(session, "payment-refused", subject=subject, actor=actor, body=body)
    )


def open_account(
    services: Services, session: Session, *, tenant_id: str, number: str, name: str, balance_minor: int
) -> None:
    """Open a customer's account with a balance in fen, for demonstration data.

    Raises InvalidInput, Conflict.
    """
    account = ledger.NewAccount(number, tenant_id, name, balance_minor)
    ledger.open_customer_account(session, account, services.clock())


def _find(session: Session, verified: VerifiedRequest, asked: StatusDocument | CancelDocument) -> PaymentInstruction:
    tenant_id = signed_request(verified).authorization.enterprise_tenant_id
    if asked.instruction_id is not None:
        payment = find_by_name(session, tenant_id, asked.instruction_id)
    else:
        payment = find_by_reference(session, tenant_id, asked.bank_reference or "")
    if payment is None:
        raise NotFound("there is no such instruction")
    return payment


def _tell(services: Services, session: Session, payment: PaymentInstruction) -> GatewayAnswer:
    accounts = services.core_banking(session, payment.updated_at).find([payment.payer_account])
    payer = accounts.get(payment.payer_account)  # the bank may have closed it since
    told = current_answer(payment, payer.available_minor if payer else None)
    steps = [
        {"state": step.state.value, "at": step.at.isoformat()} for step in instructions.list_steps(session, payment)
    ]
    body = dict(told.body) | {"updated_at": payment.updated_at.isoformat(), "steps": steps}
    return GatewayAnswer(status=told.status, body=body, sealed=told.sealed)
