"""News for platforms: one outbox row for each, delivered signed and sealed until the receiver says 2xx.

The receiver knows a repeated event by `event_id`. What an event says of a state is what was so when it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.problems import InvalidInput, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=5), timedelta(hours=2)
MOST_ATTEMPTS = 40  # some three days
MOST_AT_ONCE = 16  # two rounds of eight that all time out still end within the lease
_PARALLEL = 8
_SILENT = frozenset({State.DISPATCHED})  # between the bank and the clearing only
Send = Callable[["Services", CallbackRequest], int]


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


def announce(services: Services, session: Session, payment: PaymentInstruction, state: State) -> None:
    """Let the platform know where an instruction stands now: one row in the transaction that moves it."""
    if state in _SILENT or session.get(CallbackAddress, payment.application_id) is None:
        return
    now = services.clock()
    event = {
        "type": "payment",
        "instruction_id": payment.instruction_id,
        "bank_reference": payment.id,
        "state": state.value,
        "reasons": list(payment.reasons),
        "at": now.isoformat(),
    }
    session.add(
        OutboxItem(
            id=new_id(),
            kind=OutboxKind.CALLBACK,
            subject=payment.id,
            state=OutboxState.WAITING,
            due_at=now,
            created_at=now,
            payload=event,
        )
    )


def deliver_callbacks(services: Services, send: Send = send_callback) -> int:
    """Deliver what is due, eight at a time, at most 16; returns how many were answered by 2xx."""
    with services.transaction() as session:
        claimed = outbox.claim(session, OutboxKind.CALLBACK, (OutboxState.WAITING,), services.clock(), MOST_AT_ONCE)
        ids = [item.id for item in claimed]
    if not ids:
        return 0
    with ThreadPoolExecutor(min(_PARALLEL, len(ids))) as pool:
        return sum(pool.map(lambda item_id: _deliver(services, item_id, send), ids))


def _deliver(services: Services, item_id: str, send: Send) -> bool:
    """One attempt. The network is asked between two transactions."""
    with services.reading() as session:
        item = session.get(OutboxItem, item_id)
        if item is None:  # another worker delivered it, after our lease was over
            return False
        payment = session.get_one(PaymentInstruction, item.subject)
        address = session.get(CallbackAddress, payment.application_id)
    error, final = None, False
    if address is not None:
        try:
            send(services, _make(services, address.url, item, payment))
        except CallbackFailed as exc:
            error = str(exc)
        except (CallbackRefused, UnknownCertificate, ExpiredCertificate, RevokedCertificate) as exc:
            error, final = f"{type(exc).__name__}: {exc}", True
    now = services.clock()
    with services.transaction() as session:
        for row in outbox.reload(session, [item_id]):
            row.attempts += 1
            if error is None:
                session.delete(row)
            elif final or row.attempts >= MOST_ATTEMPTS:
                outbox.set_state(row, OutboxState.DEAD, now, error)
            else:
                due_at = now + outbox.back_off(row.attempts, RETRY_FIRST, RETRY_LONGEST)
                outbox.set_state(row, OutboxState.WAITING, due_at, error)
    return error is None


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
