"""Instructions as stored: moved step by step, found by either name, read by the enterprise's pages."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.payments.channels import Channel
from app.payments.lifecycle import State, verify_step
from app.payments.models import PaymentInstruction, PaymentName, PaymentStep
from app.problems import NotFound

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest
    from app.oauth.authorizations import StandingAuthorization


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
    fee_minor: int = 0
    batch_id: str | None = None
    steps: tuple[StepView, ...] = ()


@dataclass(slots=True)
class Standing:
    """Where an instruction stands, and what its outcome depends on, read under its lock. Amounts in fen."""

    id: str
    application_id: str
    authorization_id: str
    instruction_id: str
    amount_minor: int
    fee_minor: int
    payer_account: str
    channel: Channel | None
    state: State
    steps: int
    reasons: list[str]
    received_at: datetime

    def step(self, state: State, at: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        """Move on; gives the row that keeps why. Raises StepNotAllowed."""
        verify_step(self.state, state)
        self.state, self.steps = state, self.steps + 1
        return {"payment_id": self.id, "position": self.steps, "state": state, "facts": facts, "at": at}


STANDING_COLUMNS = tuple(getattr(PaymentInstruction, field.name) for field in fields(Standing))


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


def record_step(
    session: Session, payment: PaymentInstruction, state: State, at: datetime, facts: dict[str, Any]
) -> None:
    """Move an instruction on and keep why, at the session's next flush. Raises StepNotAllowed."""
    verify_step(payment.state, state)
    payment.state = state
    payment.steps += 1
    payment.updated_at = at
    session.add(PaymentStep(payment_id=payment.id, position=payment.steps, state=state, facts=facts, at=at))


def find_by_name(session: Session, tenant_id: str, instruction_id: str) -> PaymentInstruction | None:
    """The instruction that the enterprise named so."""
    named = select(PaymentName.payment_id).where(
        PaymentName.tenant_id == tenant_id, PaymentName.instruction_id == instruction_id
    )
    payment_id = session.scalar(named)
    return session.get(PaymentInstruction, payment_id) if payment_id is not None else None


def find_by_reference(session: Session, tenant_id: str, bank_reference: str) -> PaymentInstruction | None:
    """The enterprise's instruction with this reference of the bank."""
    return session.scalar(
        select(PaymentInstruction).where(
            PaymentInstruction.tenant_id == tenant_id, PaymentInstruction.id == bank_reference
        )
    )


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
    return _view(payment, list_steps(session, payment))


def list_steps(session: Session, payment: PaymentInstruction) -> tuple[StepView, ...]:
    """The recorded steps of an instruction in the order in which they happened."""
    first = tuple(StepView(State(state), payment.received_at, facts) for state, facts in payment.trail)
    later = select(PaymentStep).where(PaymentStep.payment_id == payment.id).order_by(PaymentStep.position)
    return first + tuple(StepView(State(step.state), step.at, step.facts) for step in session.scalars(later))


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
        fee_minor=row.fee_minor,
        batch_id=row.batch_id,
        steps=steps,
    )
