"""Held payments that wait for a second approver of the enterprise (复核); `second_approver.py` decides on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.identity.models import Account
from app.oauth.models import Authorization
from app.payments.channel_models import PaymentApproval
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.problems import NotFound

if TYPE_CHECKING:
    from app.wiring import Services

LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class HeldPayment:
    """A held payment for a page; amounts in fen. `outcome` is None while it waits."""

    payment_id: str
    instruction_id: str
    amount_minor: int
    payer_account: str
    payee_name: str
    payee_account: str
    purpose: str
    reasons: tuple[str, ...]
    held_at: datetime
    expires_at: datetime
    outcome: str | None
    decided_at: datetime | None
    may_approve: bool


def hold(
    services: Services,
    session: Session,
    *,
    payment_id: str,
    tenant_id: str,
    reasons: list[str],
    authorization_id: str,
    at: datetime,
) -> None:
    """Put a held payment before the enterprise's approvers, in the transaction that holds it."""
    session.add(
        PaymentApproval(
            payment_id=payment_id,
            tenant_id=tenant_id,
            authorization_id=authorization_id,
            reasons=reasons,
            held_at=at,
            expires_at=at + LONGEST,
        )
    )


def list_held(session: Session, account: Account, now: datetime, *, limit: int = 100) -> list[HeldPayment]:
    """What waits for the account's enterprise first, by its end, then what was decided, newest first."""
    statement = (
        select(PaymentApproval)
        .where(PaymentApproval.tenant_id == account.tenant_id)
        .order_by(PaymentApproval.outcome.is_not(None), PaymentApproval.payment_id.desc())
        .limit(limit)
    )
    return [_view(session, account, row, now) for row in session.scalars(statement)]


def get_held(session: Session, account: Account, payment_id: str, now: datetime) -> HeldPayment:
    """One of them. Raises NotFound, also for another enterprise's."""
    return _view(session, account, find_row(session, account, payment_id), now)


def list_overdue(session: Session, now: datetime, most: int) -> Sequence[str]:
    """Held payments that nobody decided upon in time, the oldest first."""
    overdue = select(PaymentApproval.payment_id).where(
        PaymentApproval.outcome.is_(None), PaymentApproval.expires_at <= now
    )
    return session.scalars(overdue.order_by(PaymentApproval.expires_at).limit(most)).all()


def close(session: Session, payment_id: str, outcome: str) -> None:
    """Nobody has to decide any more; the caller has locked the instruction. What was decided meanwhile stays."""
    undecided = PaymentApproval.payment_id == payment_id, PaymentApproval.outcome.is_(None)
    session.execute(update(PaymentApproval).where(*undecided).values(outcome=outcome))


def find_row(session: Session, account: Account, payment_id: str) -> PaymentApproval:
    """Raises NotFound."""
    row = session.get(PaymentApproval, payment_id)
    if row is None or row.tenant_id != account.tenant_id:
        raise NotFound("no such held payment of this enterprise")
    return row


def is_granted_by(session: Session, row: PaymentApproval, account: Account) -> bool:
    """Whether the account granted the authorization under which the payment came."""
    granted_by = session.scalar(select(Authorization.granted_by).where(Authorization.id == row.authorization_id))
    return granted_by == account.id


def _view(session: Session, account: Account, row: PaymentApproval, now: datetime) -> HeldPayment:
    payment = session.get_one(PaymentInstruction, row.payment_id)
    outcome = row.outcome
    if outcome is None and (payment.state != State.HELD or row.expires_at <= now):
        outcome = "cancelled" if payment.state == State.CANCELLED else "expired"
    return HeldPayment(
        payment_id=row.payment_id,
        instruction_id=payment.instruction_id,
        amount_minor=payment.amount_minor,
        payer_account=payment.payer_account,
        payee_name=payment.payee_name,
        payee_account=payment.payee_account,
        purpose=payment.purpose,
        reasons=tuple(row.reasons),
        held_at=row.held_at,
        expires_at=row.expires_at,
        outcome=outcome,
        decided_at=row.decided_at,
        may_approve=outcome is None and not is_granted_by(session, row, account),
    )
