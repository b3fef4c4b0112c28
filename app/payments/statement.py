"""Statements: what was booked on an account, oldest first, a page at a time."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, tuple_, union_all
from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.problems import InvalidDocument
from app.payments.channels import BEIJING
from app.payments.instructions import signed_request
from app.payments.messages import StatementDocument
from app.payments.models import LedgerTransfer, PaymentInstruction
from app.problems import Fault, NotFound
from app.routing.documents import parse_document
from app.wiring import Services

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest

_OK = 200


def statement(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """One page of an account of the enterprise.

    `next_cursor` is None on the last page for now; asked again later it goes on with what came since. Raises
    InvalidDocument, NotFound (also for another enterprise's account).
    """
    asked = parse_document(verified.document, StatementDocument)
    tenant_id = signed_request(verified).authorization.enterprise_tenant_id
    account = services.core_banking(session, services.clock()).find([asked.account]).get(asked.account)
    if account is None or account.tenant_id != tenant_id:
        raise NotFound("there is no such account")
    after = _read_cursor(asked.cursor) if asked.cursor else None
    rows = _read(session, asked, after)
    page, more = rows[: asked.limit], len(rows) > asked.limit
    instructions = _instructions(session, {row.payment_id for row in page if row.payment_id})
    sealed = {
        "account": account.number,
        "name": account.name,
        "currency": "CNY",
        "balance_minor": account.balance_minor,
        "available_balance_minor": account.available_minor,
        "entries": [_entry(row, asked.account, instructions.get(row.payment_id or "")) for row in page],
        "next_cursor": _cursor(page[-1]) if more else None,
        "end_cursor": _cursor(page[-1]) if page else asked.cursor,
    }
    return GatewayAnswer(status=_OK, body={"entries": len(page), "more": more}, sealed=sealed)


def _read(session: Session, asked: StatementDocument, after: tuple[datetime, str] | None) -> list[LedgerTransfer]:
    """One row more than a page. Each side of the account has its own index, so each is read by itself and merged."""
    sides = []
    for column in (LedgerTransfer.debit_account, LedgerTransfer.credit_account):
        side = select(LedgerTransfer.id, LedgerTransfer.posted_at).where(column == asked.account)
        if asked.from_date is not None:
            side = side.where(LedgerTransfer.posted_at >= _midnight(asked.from_date))
        if asked.to_date is not None:
            side = side.where(LedgerTransfer.posted_at < _midnight(asked.to_date + timedelta(days=1)))
        if after is not None:
            side = side.where(tuple_(LedgerTransfer.posted_at, LedgerTransfer.id) > after)
        side = side.order_by(LedgerTransfer.posted_at, LedgerTransfer.id).limit(asked.limit + 1)
        sides.append(select(side.subquery()))
    merged = union_all(*sides).subquery()
    wanted = select(merged.c.id).order_by(merged.c.posted_at, merged.c.id).limit(asked.limit + 1)
    found = select(LedgerTransfer).where(LedgerTransfer.id.in_(list(session.scalars(wanted))))
    return list(session.scalars(found.order_by(LedgerTransfer.posted_at, LedgerTransfer.id)))


def _instructions(session: Session, references: set[str]) -> dict[str, PaymentInstruction]:
    found = session.scalars(select(PaymentInstruction).where(PaymentInstruction.id.in_(references)))
    return {payment.id: payment for payment in found}


def _entry(row: LedgerTransfer, account: str, payment: PaymentInstruction | None) -> dict[str, Any]:
    """`amount_minor` has the sign of what it did to the account."""
    credit = row.credit_account == account
    entry = {
        "entry_id": row.id,
        "kind": row.kind,
        "amount_minor": row.amount_minor if credit else -row.amount_minor,
        "posted_at": row.posted_at.isoformat(),
        "bank_reference": row.payment_id,
    }
    if payment is None:
        return entry
    other = payment.payer_account if credit and payment.payee_account == account else payment.payee_account
    entry |= {"counter_account": other, "purpose": payment.purpose}
    if payment.payer_account == account:
        entry |= {"instruction_id": payment.instruction_id, "counter_name": payment.payee_name}
    return entry


def _cursor(row: LedgerTransfer) -> str:
    text = f"{row.posted_at.astimezone(UTC).isoformat(timespec='microseconds')} {row.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, name = text.partition(" ")
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not name.isprintable() or not name:
            raise ValueError("not a cursor")
        at = at.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as exc:
        raise InvalidDocument("1 fault", faults=(Fault("/cursor", "wrong-form"),)) from exc
    return at, name


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING)
