"""News for platforms: one outbox row for each, delivered signed and sealed until the receiver says 2xx.

The receiver knows a repeated event by `event_id`. What an event says of a state is what was so when it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.db import new_id
from app.gateway.callbacks import (
    CallbackFailed,
    CallbackRefused,
    CallbackRequest,
    make_callback,
    send_callback,
    verify_callback_url,
)
from app.gateway.certificates import UnknownCertificate
from app.gateway.problems import ExpiredCertificate, RevokedCertificate
from app.oauth.models import Application
from app.payments import outbox
from app.payments.channel_models import CallbackAddress, OutboxItem, OutboxKind, OutboxState
from app.payments.instructions import Standing
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.problems import InvalidInput, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=5), timedelta(hours=2)
MOST_ATTEMPTS = 40  # some three days
MOST_AT_ONCE = 32  # two rounds of sixteen that all time out still end within the lease
_PARALLEL = 16
_SILENT = frozenset({State.DISPATCHED.value})  # between the bank and the clearing only
Send = Callable[["Services", CallbackRequest], int]


@dataclass(frozen=True, slots=True)
class _Letter:
    """One event with where it goes; without an address nobody wants to hear it any more."""

    item: OutboxItem
    payment: PaymentInstruction
    url: str | None


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why it was not delivered, and whether trying again could help."""

    reason: str
    is_final: bool = False


def set_address(services: Services, session: Session, application_id: str, url: str | None, actor: str) -> None:
    """Where an application hears of its payments; None: nowhere. Raises NotFound, InvalidInput."""
    if session.get(Application, application_id) is None:
        raise NotFound("no such application")
    if url is None:
        if (known := session.get(CallbackAddress, application_id)) is not None:
            session.delete(known)
    else:
        try:
            verify_callback_url(url)
        except CallbackRefused as exc:
            raise InvalidInput(str(exc)) from exc
        now = services.clock()
        session.merge(CallbackAddress(application_id=application_id, url=url, set_by=actor, set_at=now))
    body = {"set": url is not None}
    services.journal.append(session, "callback-address-set", subject=application_id, actor=actor, body=body)


@dataclass(frozen=True, slots=True)
class News:
    """What happened to an instruction, for the application that it came from."""

    application_id: str
    payment_id: str
    event: dict[str, Any]


def news_of(payment: PaymentInstruction | Standing, at: datetime) -> News:
    """Where an instruction stands now."""
    event = {
        "type": "payment",
        "instruction_id": payment.instruction_id,
        "bank_reference": payment.id,
        "state": State(payment.state).value,
        "reasons": list(payment.reasons),
        "at": at.isoformat(),
    }
    return News(payment.application_id, payment.id, event)


def announce(services: Services, session: Session, news: Sequence[News]) -> None:
    """Let platforms know: one row for each in the transaction that moves the instructions."""
    loud = [each for each in news if each.event["state"] not in _SILENT]
    addressed = select(CallbackAddress.application_id)
    chosen = addressed.where(CallbackAddress.application_id.in_({each.application_id for each in loud}))
    told = set(session.scalars(chosen)) if loud else set()
    now = services.clock()
    rows = [
        {
            "id": new_id(),
            "kind": OutboxKind.CALLBACK,
            "subject": each.payment_id,
            "state": OutboxState.WAITING,
            "due_at": now,
            "created_at": now,
            "payload": each.event,
        }
        for each in loud
        if each.application_id in told
    ]
    if rows:
        session.execute(insert(OutboxItem), rows)


def deliver_callbacks(services: Services, send: Send = send_callback) -> int:
    """Deliver what is due, sixteen at a time, at most 32; returns how many were answered by 2xx."""
    with services.transaction() as session:
        claimed = outbox.claim(session, OutboxKind.CALLBACK, (OutboxState.WAITING,), services.clock(), MOST_AT_ONCE)
    if not claimed:
        return 0
    letters = _address(services, claimed)
    with ThreadPoolExecutor(min(_PARALLEL, len(letters))) as pool:
        failures = dict(pool.map(lambda letter: _deliver(services, letter, send), letters))
    now = services.clock()
    with services.transaction() as session:
        for row in outbox.reload(session, failures):
            failure = failures[row.id]
            row.attempts += 1
            if failure is None:
                session.delete(row)
            elif failure.is_final or row.attempts >= MOST_ATTEMPTS:
                outbox.set_state(row, OutboxState.DEAD, now, failure.reason)
            else:
                due_at = now + outbox.back_off(row.attempts, RETRY_FIRST, RETRY_LONGEST)
                outbox.set_state(row, OutboxState.WAITING, due_at, failure.reason)
    return sum(failure is None for failure in failures.values())


def _address(services: Services, claimed: Sequence[OutboxItem]) -> list[_Letter]:
    with services.reading() as session:
        chosen = select(PaymentInstruction).where(PaymentInstruction.id.in_([item.subject for item in claimed]))
        payments = {payment.id: payment for payment in session.scalars(chosen)}
        applications = {payment.application_id for payment in payments.values()}
        addresses = select(CallbackAddress).where(CallbackAddress.application_id.in_(applications))
        urls = {address.application_id: address.url for address in session.scalars(addresses)}
    return [_Letter(item, payments[item.subject], urls.get(payments[item.subject].application_id)) for item in claimed]


def _deliver(services: Services, letter: _Letter, send: Send) -> tuple[str, _Failure | None]:
    """One attempt, outside of every transaction; gives the row and what went wrong."""
    failure = None
    if letter.url is not None:
        try:
            send(services, _make(services, letter.url, letter.item, letter.payment))
        except CallbackFailed as exc:
            failure = _Failure(str(exc))
        except (CallbackRefused, UnknownCertificate, ExpiredCertificate, RevokedCertificate) as exc:
            failure = _Failure(f"{type(exc).__name__}: {exc}", is_final=True)
    return letter.item.id, failure


def _make(services: Services, url: str, item: OutboxItem, payment: PaymentInstruction) -> CallbackRequest:
    sealed: dict[str, Any] = {
        "amount_minor": payment.amount_minor,
        "currency": "CNY",
        "payer_account": payment.payer_account,
        "payee": {"name": payment.payee_name, "account": payment.payee_account},
        "purpose": payment.purpose,
    }
    return make_callback(
        services, url, item.id, item.payload or {}, sealed=sealed, product_x5t_s256=payment.product_x5t_s256
    )
