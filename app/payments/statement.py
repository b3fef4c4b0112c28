"""Statements: what was booked on an account, oldest first, a page at a time."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.problems import InvalidDocument
from app.gateway.typed_documents import parse_document
from app.payments.books import Entry, Place, Stretch
from app.payments.channels import BEIJING
from app.payments.instructions import signed_request
from app.payments.messages import StatementDocument
from app.payments.models import PaymentInstruction
from app.problems import Fault, NotFound
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
    core = services.core_banking(session, services.clock())
    account = core.find([asked.account]).get(asked.account)
    if account is None or account.tenant_id != tenant_id:
        raise NotFound("there is no such account")
    found = core.entries(account.number, _stretch(asked), asked.limit + 1)
    page, more = found[: asked.limit], len(found) > asked.limit
    instructions = _instructions(session, {entry.payment_id for entry in page if entry.payment_id})
    sealed = {
        "account": account.number,
        "name": account.name,
        "currency": "CNY",
        "balance_minor": account.balance_minor,
        "available_balance_minor": account.available_minor,
        "entries": [_tell(entry, asked.account, instructions.get(entry.payment_id or "")) for entry in page],
        "next_cursor": _cursor(page[-1].place) if more else None,
        "end_cursor": _cursor(page[-1].place) if page else asked.cursor,
    }
    return GatewayAnswer(status=_OK, body={"entries": len(page), "more": more}, sealed=sealed)


def _stretch(asked: StatementDocument) -> Stretch:
    return Stretch(
        since=_midnight(asked.from_date) if asked.from_date else None,
        until=_midnight(asked.to_date + timedelta(days=1)) if asked.to_date else None,
        after=_read_cursor(asked.cursor) if asked.cursor else None,
    )


def _instructions(session: Session, references: set[str]) -> dict[str, PaymentInstruction]:
    found = session.scalars(select(PaymentInstruction).where(PaymentInstruction.id.in_(references)))
    return {payment.id: payment for payment in found}


def _tell(entry: Entry, account: str, payment: PaymentInstruction | None) -> dict[str, Any]:
    told = {
        "entry_id": entry.id,
        "kind": entry.kind.value,
        "amount_minor": entry.amount_minor,
        "posted_at": entry.booked_at.isoformat(),
        "bank_reference": entry.payment_id,
    }
    if payment is None:
        return told
    came_in = entry.amount_minor > 0
    other = payment.payer_account if came_in and payment.payee_account == account else payment.payee_account
    told |= {"counter_account": other, "purpose": payment.purpose}
    if payment.payer_account == account:
        told |= {"instruction_id": payment.instruction_id, "counter_name": payment.payee_name}
    return told


def _cursor(place: Place) -> str:
    booked_at, entry_id = place
    text = f"{booked_at.astimezone(UTC).isoformat(timespec='microseconds')} {entry_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> Place:
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
