"""Instructions as stored: claimed once, moved step by step, read by the enterprise's pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import new_id
from app.payments.channels import Channel
from app.payments.lifecycle import State, verify_step
from app.payments.messages import PaymentDocument
from app.payments.models import PaymentInstruction, PaymentStep
from app.problems import NotFound

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest
    from app.oauth.authorizations import StandingAuthorization

_MONEY_MOVED = (State.BOOKED, State.DISPATCHED, State.SETTLED)


@dataclass(frozen=True, slots=True)
class StepView:
    """One recorded step."""

    state: State
    at: datetime
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InstructionView:
    """An instruction for a page. Amounts in fen, times aware UTC; `steps` is empty in lists."""

    bank_reference: str
    tenant_id: str
    instruction_id: str
    amount_minor: int
    payer_account: str
    payee_account: str
    payee_name: str
    purpose: str
    channel: Channel | None
    state: State
    reasons: tuple[str, ...]
    received_at: datetime
    updated_at: datetime
    steps: tuple[StepView, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a request with two identities always has; `verify.py` leaves these empty only where one is enough."""

    authorization: StandingAuthorization
    product_x5t_s256: str
    content_jti: str


def signed_request(verified: VerifiedRequest) -> SignedRequest:
    """The enterprise's part of a verified request. Raises TypeError where a view forgot to ask for content."""
    authorization, product, jti = verified.authorization, verified.product_x5t_s256, verified.content_jti
    if authorization is None or product is None or jti is None:
        raise TypeError("payments need a request with an enterprise's content")
    return SignedRequest(authorization, product, jti)


def claim(
    session: Session, verified: VerifiedRequest, document: PaymentDocument, at: datetime
) -> PaymentInstruction | None:
    """Take the name (enterprise, instruction_id) for this request; None where it was taken before.

    One INSERT … ON CONFLICT DO NOTHING: of any number of simultaneous copies one gets the row, the others
    wait for its commit.
    """
    signed = signed_request(verified)
    row = {
        "id": new_id(),
        "tenant_id": signed.authorization.enterprise_tenant_id,
        "instruction_id": document.instruction_id,
        "document": verified.document,
        "document_sha256": verified.document_sha256,
        "content_jti": signed.content_jti,
        "application_id": verified.application_id,
        "authorization_id": signed.authorization.id,
        "product_x5t_s256": signed.product_x5t_s256,
        "amount_minor": document.amount_minor,
        "payer_account": document.payer_account,
        "payee_account": document.payee.account,
        "payee_name": document.payee.name,
        "purpose": document.purpose,
        "clearing_code": document.payee.clearing_code,
        "state": State.RECEIVED,
        "steps": 1,
        "reasons": [],
        "answer": {},
        "received_at": at,
        "updated_at": at,
    }
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(PaymentInstruction).values(row).on_conflict_do_nothing()
    if session.scalar(statement.returning(PaymentInstruction.id)) is None:
        return None
    session.add(PaymentStep(payment_id=row["id"], position=1, state=State.RECEIVED, facts={}, at=at))
    return session.get_one(PaymentInstruction, row["id"])


def record_step(
    session: Session, payment: PaymentInstruction, state: State, at: datetime, facts: dict[str, Any]
) -> None:
    """Move an instruction on and keep why. Raises StepNotAllowed."""
    verify_step(payment.state, state)
    payment.state = state
    payment.steps += 1
    payment.updated_at = at
    session.add(PaymentStep(payment_id=payment.id, position=payment.steps, state=state, facts=facts, at=at))


def find_by_name(session: Session, tenant_id: str, instruction_id: str) -> PaymentInstruction | None:
    """The instruction that the enterprise named so."""
    return session.scalar(
        select(PaymentInstruction).where(
            PaymentInstruction.tenant_id == tenant_id, PaymentInstruction.instruction_id == instruction_id
        )
    )


def find_by_reference(session: Session, tenant_id: str, bank_reference: str) -> PaymentInstruction | None:
    """The enterprise's instruction with this reference of the bank."""
    return session.scalar(
        select(PaymentInstruction).where(
            PaymentInstruction.tenant_id == tenant_id, PaymentInstruction.id == bank_reference
        )
    )


def is_new_payee(session: Session, payment: PaymentInstruction) -> bool:
    """Whether the enterprise has never paid this account before."""
    paid = select(PaymentInstruction.id).where(
        PaymentInstruction.tenant_id == payment.tenant_id,
        PaymentInstruction.payee_account == payment.payee_account,
        PaymentInstruction.state.in_(_MONEY_MOVED),
    )
    return session.execute(paid.limit(1)).first() is None


def count_recent(session: Session, payment: PaymentInstruction, within: timedelta, at_most: int) -> int:
    """How many other instructions the payer's account gave lately; counting stops at `at_most`."""
    recent = select(PaymentInstruction.id).where(
        PaymentInstruction.payer_account == payment.payer_account,
        PaymentInstruction.received_at > payment.received_at - within,
        PaymentInstruction.id != payment.id,
    )
    counted = session.scalar(select(func.count()).select_from(recent.limit(at_most).subquery()))
    return counted or 0


def list_instructions(
    session: Session,
    tenant_id: str | None,
    *,
    state: State | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[InstructionView]:
    """Newest first; of one enterprise, or of all for `None`.

    `before` is the last bank_reference of the page before.
    """
    statement = select(PaymentInstruction).order_by(PaymentInstruction.id.desc()).limit(max(1, min(limit, 200)))
    if tenant_id is not None:
        statement = statement.where(PaymentInstruction.tenant_id == tenant_id)
    if state is not None:
        statement = statement.where(PaymentInstruction.state == state)
    if before is not None:
        statement = statement.where(PaymentInstruction.id < before)
    return [_view(row) for row in session.scalars(statement)]


def get_instruction(session: Session, tenant_id: str | None, bank_reference: str) -> InstructionView:
    """One instruction with its steps; of one enterprise, or of any for `None`. Raises NotFound."""
    statement = select(PaymentInstruction).where(PaymentInstruction.id == bank_reference)
    if tenant_id is not None:
        statement = statement.where(PaymentInstruction.tenant_id == tenant_id)
    payment = session.scalar(statement)
    if payment is None:
        raise NotFound("there is no such instruction")
    return _view(payment, list_steps(session, payment.id))


def list_steps(session: Session, payment_id: str) -> tuple[StepView, ...]:
    """The recorded steps of an instruction in the order in which they happened."""
    steps = select(PaymentStep).where(PaymentStep.payment_id == payment_id).order_by(PaymentStep.position)
    return tuple(StepView(State(step.state), step.at, step.facts) for step in session.scalars(steps))


def _view(row: PaymentInstruction, steps: tuple[StepView, ...] = ()) -> InstructionView:
    return InstructionView(
        bank_reference=row.id,
        tenant_id=row.tenant_id,
        instruction_id=row.instruction_id,
        amount_minor=row.amount_minor,
        payer_account=row.payer_account,
        payee_account=row.payee_account,
        payee_name=row.payee_name,
        purpose=row.purpose,
        channel=Channel(row.channel) if row.channel else None,
        state=State(row.state),
        reasons=tuple(row.reasons),
        received_at=row.received_at,
        updated_at=row.updated_at,
        steps=steps,
    )
