"""Reconciliation to the fen: the core's books, instructions, holds, names and the channels' end-of-day files.

Instructions and bookings are read side by side in the order of their references, in bounded memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.payments import channel_files
from app.payments.channel_files import ChannelLine
from app.payments.channels import Channel
from app.payments.closings import end_of
from app.payments.core_banking import CoreBanking
from app.payments.lifecycle import IN_FLIGHT, State
from app.payments.models import PaymentInstruction, PaymentName, TransferKind

if TYPE_CHECKING:
    from app.wiring import Services

MAX_FAULTS = 200
_CHUNK = 2000
_CHANNELS = (Channel.IBPS, Channel.BEPS, Channel.HVPS)
_OUT = frozenset({TransferKind.CLEARING})
_BACK = _OUT | {TransferKind.REVERSAL}
_THERE = _OUT | {TransferKind.SETTLEMENT}
_FEES = frozenset({TransferKind.FEE, TransferKind.FEE_REFUND})
_BY_CLEARING = (TransferKind.SETTLEMENT, TransferKind.RETURN)
_MIDNIGHT = timedelta(hours=1)  # so near to it the two sides may name different days
_FACTS = (
    PaymentInstruction.id,
    PaymentInstruction.state,
    PaymentInstruction.amount_minor,
    PaymentInstruction.fee_minor,
    PaymentInstruction.channel,
)

# Which transfers an instruction in a state has, its fee aside.
_EXPECTED: dict[State, tuple[frozenset[TransferKind], ...]] = {
    State.HELD: (frozenset(),),
    State.BOOKED: (_OUT,),
    State.DISPATCHED: (_OUT,),
    State.UNKNOWN: (_OUT,),
    State.SETTLED: (frozenset({TransferKind.BOOK}), _THERE),
    State.RETURNED: (_THERE | {TransferKind.RETURN},),
    State.REJECTED: (frozenset(), _BACK),
    State.CANCELLED: (frozenset(), _BACK),
}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and what differs, in words; at most 200 faults are listed."""

    instructions: int
    transfers: int
    files: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    payment_id: str
    state: State
    amount_minor: int
    fee_minor: int
    channel: str | None


def reconcile(
    services: Services, session: Session, days: tuple[date, ...] = (), today: date | None = None
) -> Reconciliation:
    """Compare everything with everything, and with the channels' files of `days` (Beijing). With `today` a file that
    should have come long ago is a fault."""
    core = services.core_banking(session, services.clock())
    faults = [*core.find_faults()]
    counted = _compare_instructions(session, core, faults)
    names = session.scalar(select(func.count()).select_from(PaymentName)) or 0
    if names != counted[0]:
        faults.append(f"{names} names for {counted[0]} instructions")
    files = sum(_compare_file(session, core, day, faults) for day in days)
    if today is not None:
        faults += _late_files(session, core, today)
    return Reconciliation(*counted, files, tuple(faults[:MAX_FAULTS]))


def _compare_instructions(session: Session, core: CoreBanking, faults: list[str]) -> tuple[int, int]:
    on_hold = core.held_by_payment()
    held: dict[str, int] = {}
    on_the_way: Counter[str] = Counter()
    instructions = transfers = 0
    groups = core.booked_by_payment()
    group = next(groups, None)
    for facts in _instructions(session):
        instructions += 1
        while group is not None and group[0] < facts.payment_id:
            faults.append(f"{group[0]}: transfers without an instruction")
            group = next(groups, None)
        booked: Mapping[TransferKind, int] = {}
        if group is not None and group[0] == facts.payment_id:
            booked, group = group[1], next(groups, None)
        transfers += len(booked)
        _compare_one(facts, booked, faults)
        if facts.state is State.HELD:
            held[facts.payment_id] = facts.amount_minor + facts.fee_minor
        if facts.state in IN_FLIGHT:
            on_the_way[facts.channel or ""] += facts.amount_minor
    if group is not None:
        faults.append(f"{group[0]}: transfers without an instruction")
    differing = {payment_id for payment_id, _ in on_hold.items() ^ held.items()}
    faults += [f"{payment_id}: hold and state differ" for payment_id in sorted(differing)]
    for channel in _CHANNELS:
        found = core.in_transit(channel)
        if found != on_the_way[channel]:
            faults.append(f"transit account of {channel}: {found} fen, {on_the_way[channel]} on their way")
    return instructions, transfers


def _compare_one(facts: _Facts, booked: Mapping[TransferKind, int], faults: list[str]) -> None:
    kinds = frozenset(booked) - _FEES
    if kinds not in _EXPECTED.get(facts.state, ()):
        faults.append(f"{facts.payment_id}: {facts.state} with the transfers {', '.join(sorted(kinds)) or 'none'}")
    if any(booked[kind] != facts.amount_minor for kind in kinds):
        faults.append(f"{facts.payment_id}: a transfer has another amount than the instruction")
    fee = facts.fee_minor if kinds else 0
    given_back = fee if TransferKind.REVERSAL in kinds else 0
    if (booked.get(TransferKind.FEE, 0), booked.get(TransferKind.FEE_REFUND, 0)) != (fee, given_back):
        faults.append(f"{facts.payment_id}: its fee was not booked or given back as it should")


def _compare_file(session: Session, core: CoreBanking, day: date, faults: list[str]) -> bool:
    """What the channels say they settled and sent back on a day, against the states here."""
    lines = channel_files.entries(session, day)
    if lines is None:
        return False
    payments = _named_in(session, lines)
    for (payment_id, returned), count in Counter((line.payment_id, line.returned) for line in lines).items():
        if count > 1:
            faults.append(f"{day}: {payment_id} {'returned' if returned else 'settled'} {count} times there")
    for line in lines:
        payment = payments.get(line.payment_id)
        where = f"{line.channel.value} of {day}: {line.payment_id}"
        if payment is None:
            faults.append(f"{where}: unknown here")
            continue
        agreed = {State.RETURNED} if line.returned else {State.SETTLED, State.RETURNED}
        if payment.amount_minor != line.amount_minor or payment.channel != line.channel:
            faults.append(f"{where}: another amount or channel")
        if payment.state not in agreed:
            faults.append(f"{where}: {'returned' if line.returned else 'settled'} there, {payment.state} here")
    before = channel_files.entries(session, day - timedelta(days=1))
    for kind, word in ((TransferKind.SETTLEMENT, "settled"), (TransferKind.RETURN, "returned")):
        is_return = kind is TransferKind.RETURN
        there = {line.payment_id for line in lines if line.returned is is_return}
        there_before = {line.payment_id for line in before or () if line.returned is is_return}
        for payment_id, posted_at in _done_here(core, day, kind):
            is_near_midnight = posted_at < end_of(day - timedelta(days=1)) + _MIDNIGHT
            if is_near_midnight and (before is None or payment_id in there_before):
                continue
            if payment_id not in there:
                faults.append(f"{day}: {payment_id} {word} here and in no file")
    return True


def _late_files(session: Session, core: CoreBanking, today: date) -> Iterator[str]:
    """Days before yesterday on which something was settled, and whose files are still not here."""
    for back in range(2, channel_files.DAYS_BACK + 1):
        day = today - timedelta(days=back)
        if channel_files.entries(session, day) is None and any(True for _ in _done_here(core, day, *_BY_CLEARING)):
            yield f"{day}: something was settled, and a channel's file is not here"


def _named_in(session: Session, lines: Sequence[ChannelLine]) -> dict[str, _Facts]:
    names = sorted({line.payment_id for line in lines})
    found: dict[str, _Facts] = {}
    for first in range(0, len(names), _CHUNK):
        chosen = select(*_FACTS).where(PaymentInstruction.id.in_(names[first : first + _CHUNK]))
        found |= {row.id: _facts(row) for row in session.execute(chosen)}
    return found


def _done_here(core: CoreBanking, day: date, *kinds: TransferKind) -> Iterator[tuple[str, datetime]]:
    """What was posted of these kinds from an hour before a day to an hour before its end: of those near midnight the
    other side may name either day, and the days together leave nothing out."""
    return core.booked_between(kinds, end_of(day - timedelta(days=1)) - _MIDNIGHT, end_of(day) - _MIDNIGHT)


def _instructions(session: Session) -> Iterator[_Facts]:
    rows = session.execute(select(*_FACTS).order_by(PaymentInstruction.id).execution_options(yield_per=_CHUNK))
    return map(_facts, rows)


def _facts(row: Sequence[Any]) -> _Facts:
    payment_id, state, amount, fee, channel = row
    return _Facts(payment_id, State(state), amount, fee, channel)
