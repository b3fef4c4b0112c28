"""Sending what was booked to the clearing, and asking for what nobody answered.

1. Rows that are due are claimed, and their messages are made.
2. The intent is recorded in a transaction of its own (DISPATCHED, row SENDING).
3. Then the messages are sent, many in one request; what is certain and what is not is recorded again.
4. A row that may have arrived and has no outcome is asked for (pacs.028), again and again, and is sent again only when
   the clearing says that it never came.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.payments import outbox, outcomes
from app.payments.channel_models import OutboxItem, OutboxKind, OutboxState
from app.payments.clearing_errors import DeliveryRefused, DeliveryUncertain, NotDelivered
from app.payments.instructions import Standing
from app.payments.iso20022.messages import to_xml
from app.payments.iso20022.values import StatusRequest
from app.payments.lifecycle import IN_FLIGHT, State
from app.payments.outcomes import Report
from app.payments.packing import Packed, Parcel, bundles, pack

if TYPE_CHECKING:
    from app.payments.clearing import ClearingConnection
    from app.wiring import Services

SILENCE = timedelta(seconds=15)  # without an outcome after this it is asked for
ASK_FIRST, ASK_LONGEST = timedelta(seconds=5), timedelta(minutes=10)
RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=1), timedelta(minutes=10)
MOST_ATTEMPTS = 60  # some nine hours; then a person looks
MOST_AT_ONCE = 200
_IN_DOUBT = (OutboxState.SENDING, OutboxState.SENT)


def send_due(services: Services, clearing: ClearingConnection) -> int:
    """Send what is due, at most 200 instructions. Returns how many were dealt with."""
    now = services.clock()
    with services.transaction() as session:
        claimed = outbox.claim(session, OutboxKind.DISPATCH, (OutboxState.WAITING,), now, MOST_AT_ONCE)
    if not claimed:
        return 0
    packed = pack(services, claimed, now)
    with services.transaction() as session:
        parcels = _begin(services, session, claimed, packed, now)
    _send(services, clearing, parcels, now + outbox.LEASE / 2)
    return len(claimed)


def ask_for_silent(services: Services, clearing: ClearingConnection) -> int:
    """Ask for what may have arrived and has no outcome. Returns how many were asked for."""
    now = services.clock()
    with services.transaction() as session:
        claimed = outbox.claim(session, OutboxKind.DISPATCH, _IN_DOUBT, now, MOST_AT_ONCE)
    if not claimed:
        return 0
    request_id = new_id()
    with services.transaction() as session:
        references = _begin_asking(services, session, claimed, request_id, now)
    if references:
        # Asking changes nothing; what failed is asked again when it is due.
        with suppress(NotDelivered, DeliveryUncertain, DeliveryRefused):
            clearing.send([to_xml(StatusRequest(request_id, now, tuple(references)))])
    return len(references)


def _begin(
    services: Services, session: Session, claimed: Sequence[OutboxItem], packed: Packed, now: datetime
) -> list[Parcel]:
    """Record the intent of every row; gives what leaves. What cannot leave goes back to its payer.

    Meanwhile an instruction may have been cancelled, or our lease may have ended; then its message stays here.
    """
    leaving = _in_flight(session, claimed)
    rows = _still_ours(session, claimed, (OutboxState.WAITING,))
    parcels = []
    for parcel in packed.parcels:
        if all(item.id in rows and item.subject in leaving for item in parcel.items):
            parcels.append(parcel)
    sent = {item.id: parcel.message_id for parcel in parcels for item in parcel.items}
    ours = {row.subject for row in rows.values() if row.id not in sent}
    reports = [Report(rows[name].subject, State.DISPATCHED, facts={"message_id": sent[name]}) for name in sent]
    reports += [report for report in packed.refused if report.payment_id in ours & leaving.keys()]
    for row in rows.values():
        if row.id not in sent:
            opens_at = packed.waiting.get(row.id)
            row.deferred |= opens_at is not None  # so that its authorization is looked at again when it leaves
            outbox.set_state(row, OutboxState.WAITING, opens_at or now, row.last_error)
    begun = update(OutboxItem).where(OutboxItem.id.in_(sorted(sent)))
    values = {"state": OutboxState.SENDING, "due_at": now + SILENCE, "attempts": OutboxItem.attempts + 1}
    session.execute(begun.values(values).execution_options(synchronize_session=False))
    outcomes.apply(services, session, reports, leaving)
    return parcels


def _begin_asking(
    services: Services, session: Session, claimed: Sequence[OutboxItem], request_id: str, now: datetime
) -> list[str]:
    """Record what is asked for; gives its references."""
    in_flight = _in_flight(session, claimed)
    references = []
    for row in _still_ours(session, claimed, _IN_DOUBT).values():
        row.attempts += 1
        if row.attempts > MOST_ATTEMPTS:
            outbox.set_state(row, OutboxState.DEAD, now, "asked for in vain")
            continue
        outbox.note(row, asked=request_id)
        due_at = now + outbox.back_off(row.attempts, ASK_FIRST, ASK_LONGEST)
        outbox.set_state(row, OutboxState(row.state), due_at, row.last_error)
        references.append(row.subject)
    asked = [Report(each, State.UNKNOWN, facts={"request": request_id}) for each in references if each in in_flight]
    outcomes.apply(services, session, asked, in_flight)
    return references


def _send(services: Services, clearing: ClearingConnection, parcels: Sequence[Parcel], lease_ends: datetime) -> None:
    """Send messages, and record of each how that went."""
    unsent = list(parcels)
    for bundle in bundles(parcels):
        if services.clock() >= lease_ends:  # the clearing is slow: the rest was not sent, and others may have it
            _let_go(services, unsent, "not sent in time")
            return
        try:
            refusals = clearing.send([parcel.xml for parcel in bundle])
        except NotDelivered as exc:
            _let_go(services, unsent, str(exc))
            return
        except DeliveryUncertain as exc:
            _record_sent(services, bundle, str(exc))
        except DeliveryRefused as exc:
            _record_refused(services, bundle, [str(exc)] * len(bundle))
        else:
            taken = [parcel for parcel, refusal in zip(bundle, refusals, strict=True) if refusal is None]
            _record_sent(services, taken, None)
            _record_refused(services, bundle, refusals)
        del unsent[: len(bundle)]


def _record_sent(services: Services, parcels: Sequence[Parcel], doubt: str | None) -> None:
    """They were taken, or may have been. A row whose outcome came already, or that is being asked for, stays as it is.

    In doubt it is asked for at once; otherwise the clearing has its time to answer.
    """
    if not parcels:
        return
    now = services.clock()
    sent = (
        update(OutboxItem)
        .where(OutboxItem.id.in_([item.id for parcel in parcels for item in parcel.items]))
        .where(OutboxItem.state == OutboxState.SENDING, OutboxItem.claimed_until.is_not(None))
        .values(
            state=OutboxState.SENDING if doubt else OutboxState.SENT,
            due_at=now if doubt else now + SILENCE,
            attempts=0,  # counts the questions from here on
            claimed_until=None,
            first_sent_at=func.coalesce(OutboxItem.first_sent_at, now),
            last_error=doubt[: outbox.LONGEST_ERROR] if doubt else None,
        )
    )
    with services.transaction() as session:
        session.execute(sent)


def _let_go(services: Services, parcels: Sequence[Parcel], error: str) -> None:
    """Nothing of these left: they wait for their next turn, or for a person."""
    now = services.clock()
    with services.transaction() as session:
        for item in outbox.reload(session, [item.id for parcel in parcels for item in parcel.items]):
            if item.attempts >= MOST_ATTEMPTS:
                outbox.set_state(item, OutboxState.DEAD, now, error)
            else:
                due_at = now + outbox.back_off(item.attempts, RETRY_FIRST, RETRY_LONGEST)
                outbox.set_state(item, OutboxState.WAITING, due_at, error)


def _record_refused(services: Services, parcels: Sequence[Parcel], refusals: Sequence[str | None]) -> None:
    """The clearing does not take a message: each transfer goes once alone; refused alone, it waits for a person."""
    now = services.clock()
    refused = [(parcel, refusal) for parcel, refusal in zip(parcels, refusals, strict=True) if refusal is not None]
    if not refused:
        return
    with services.transaction() as session:
        for parcel, error in refused:
            for item in outbox.reload(session, [item.id for item in parcel.items]):
                outbox.note(item, alone=True)
                state = OutboxState.WAITING if len(parcel.items) > 1 else OutboxState.DEAD
                outbox.set_state(item, state, now, error)


def _in_flight(session: Session, claimed: Sequence[OutboxItem]) -> dict[str, Standing]:
    """Those whose money is on its way, locked. A row of any other has nothing to send any more."""
    payments = outcomes.lock_all(session, [item.subject for item in claimed])
    in_flight = {reference: payment for reference, payment in payments.items() if payment.state in IN_FLIGHT}
    if ended := payments.keys() - in_flight.keys():
        outbox.finish(session, OutboxKind.DISPATCH, ended)
    return in_flight


def _still_ours(
    session: Session, claimed: Sequence[OutboxItem], states: Sequence[OutboxState]
) -> dict[str, OutboxItem]:
    """The rows that are still leased to us, and in one of these states."""
    leases = {item.id: item.claimed_until for item in claimed}
    rows = outbox.reload(session, leases)
    return {row.id: row for row in rows if row.state in states and row.claimed_until == leases[row.id]}
