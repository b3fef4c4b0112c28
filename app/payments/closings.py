"""Daily closings: the transfers of a day (Beijing) and the balances they left, as digests chained to the day before.

A closing starts from the balances that the one before it recorded and adds the day's transfers, so it costs what the
day cost. Once a day is closed the database takes no transfer of that day any more; what was booked can be compared for
ever, and `verify_closings` proves the whole chain from the transfers alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.journal.models import JournalEntry
from app.payments.channels import BEIJING
from app.payments.ledger import moved_amounts
from app.payments.models import LedgerAccount, LedgerClosing, LedgerClosingBalance, LedgerTransfer

if TYPE_CHECKING:
    from app.wiring import Services

GRACE = timedelta(minutes=10)  # no transaction of the day before is still on its way then
MOST_AT_ONCE = 31
_CHUNK = 2000
_JOURNALED = "ledger-closed"
_ONE_DAY = timedelta(days=1)
_COMPARED = ("transfers", "amount_minor", "accounts", "transfers_sha256", "balances_sha256", "sha256")


@dataclass(frozen=True, slots=True)
class Moves:
    """The transfers of a stretch of time, and what they did to every account. Amounts in fen."""

    transfers: int
    amount_minor: int
    sha256: bytes
    moved: Counter[str]


@dataclass(frozen=True, slots=True)
class DayDigest:
    """What a closing says of a day. `accounts` is None in closings of before, which digested all balances."""

    day: date
    transfers: int
    amount_minor: int
    accounts: int | None
    transfers_sha256: bytes
    balances_sha256: bytes
    previous_sha256: bytes

    @property
    def sha256(self) -> bytes:
        """The link of the chain."""
        head = f"{self.day.isoformat()}\n{self.transfers}\n{self.amount_minor}\n"
        if self.accounts is not None:
            head += f"{self.accounts}\n"
        rest = self.transfers_sha256 + self.balances_sha256 + self.previous_sha256
        return hashlib.sha256(head.encode() + rest).digest()


def close_days(services: Services) -> int:
    """Close every day that is over and not closed yet, the oldest first; returns how many."""
    closed = 0
    for _ in range(MOST_AT_ONCE):
        with services.reading() as session:  # payments go on meanwhile
            day = _next_day(session)
            if day is None or services.clock() < end_of(day) + GRACE:
                return closed
            found, balances = _digest_day(session, day)
        with services.transaction() as session:
            closed += _record(services, session, found, balances)
    return closed


def verify_closings(session: Session) -> list[str]:
    """Recompute every closing from the transfers alone, in one walk through them, and compare its digest with the one
    that the journal was told; what differs, in words."""
    faults: list[str] = []
    balances: Counter[str] = Counter()
    previous: LedgerClosing | None = None
    journaled = _journaled(session)
    for closing in session.scalars(select(LedgerClosing).order_by(LedgerClosing.day)).all():
        if journaled.pop(closing.day.isoformat(), None) != closing.sha256.hex():
            faults.append(f"closing of {closing.day}: the journal knows another")
        if previous is not None and closing.day != previous.day + _ONE_DAY:
            faults.append(f"closing of {previous.day + _ONE_DAY}: missing")
        if closing.previous_sha256 != (previous.sha256 if previous is not None else b""):
            faults.append(f"closing of {closing.day}: does not follow the day before")
        moves = _read_moves(session, previous, closing.day)
        balances.update(moves.moved)
        is_carried_on = closing.accounts is not None and previous is not None and previous.accounts is not None
        told = {number: balances[number] for number in moves.moved} if is_carried_on else balances
        accounts = len(told) if closing.accounts is not None else None
        found = _digest(closing.day, moves, told, accounts, closing.previous_sha256)
        faults += [
            f"closing of {closing.day}: {name} differs"
            for name in _COMPARED
            if getattr(found, name) != getattr(closing, name)
        ]
        if _recorded(session, closing.day) != (dict(told) if accounts is not None else {}):
            faults.append(f"closing of {closing.day}: the recorded balances differ")
        previous = closing
    return [*faults, *(f"closing of {day}: only the journal knows of it" for day in journaled)]


def _journaled(session: Session) -> dict[str, str]:
    """The digest of each closing as it was first told to the journal, whose head others have witnessed."""
    told = select(JournalEntry).where(JournalEntry.kind == _JOURNALED).order_by(JournalEntry.id.desc())
    return {entry.subject: str(entry.body["sha256"]) for entry in session.scalars(told)}


def end_of(day: date) -> datetime:
    """The first moment that is no longer the day, UTC."""
    after = day + _ONE_DAY
    return datetime(after.year, after.month, after.day, tzinfo=BEIJING).astimezone(UTC)


def _next_day(session: Session) -> date | None:
    last: date | None = session.scalar(select(func.max(LedgerClosing.day)))
    if last is not None:
        return last + _ONE_DAY
    first: datetime | None = session.scalar(select(func.min(LedgerTransfer.posted_at)))
    return first.astimezone(BEIJING).date() if first is not None else None


def _digest_day(session: Session, day: date) -> tuple[DayDigest, Mapping[str, int]]:
    """What the closing of a day says, and the balances that it records."""
    previous = session.get(LedgerClosing, day - _ONE_DAY)
    moves = _read_moves(session, previous, day)
    if previous is not None and previous.accounts is None:  # it recorded no balances: once, from all transfers
        balances = moved_amounts(session, before=previous.ends_at)
    else:
        balances = _opening_balances(session, moves.moved)
    balances.update(moves.moved)
    before = previous.sha256 if previous is not None else b""
    return _digest(day, moves, balances, len(balances), before), balances


def _digest(
    day: date, moves: Moves, balances: Mapping[str, int], accounts: int | None, previous_sha256: bytes
) -> DayDigest:
    lines = "".join(f"{number} {balances[number]}\n" for number in sorted(balances))
    balances_sha256 = hashlib.sha256(lines.encode()).digest()
    return DayDigest(day, moves.transfers, moves.amount_minor, accounts, moves.sha256, balances_sha256, previous_sha256)


def _record(services: Services, session: Session, found: DayDigest, balances: Mapping[str, int]) -> bool:
    row = {
        "day": found.day,
        "ends_at": end_of(found.day),
        "transfers": found.transfers,
        "amount_minor": found.amount_minor,
        "accounts": found.accounts,
        "transfers_sha256": found.transfers_sha256,
        "balances_sha256": found.balances_sha256,
        "previous_sha256": found.previous_sha256,
        "sha256": found.sha256,
        "closed_at": services.clock(),
    }
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    closed = dialect.insert(LedgerClosing).values(row).on_conflict_do_nothing().returning(LedgerClosing.day)
    if session.scalar(closed) is None:
        return False  # another process closed it
    for numbers in _chunks(balances):
        rows = [{"account": each, "day": found.day, "balance_minor": balances[each]} for each in numbers]
        session.execute(insert(LedgerClosingBalance), rows)
    body = {"transfers": found.transfers, "amount_minor": found.amount_minor, "sha256": found.sha256.hex()}
    services.journal.append(session, _JOURNALED, subject=found.day.isoformat(), actor="service", body=body)
    return True


def _read_moves(session: Session, previous: LedgerClosing | None, day: date) -> Moves:
    """The transfers since the closing before, up to the end of the day."""
    columns = (
        LedgerTransfer.id,
        LedgerTransfer.kind,
        LedgerTransfer.debit_account,
        LedgerTransfer.credit_account,
        LedgerTransfer.amount_minor,
        LedgerTransfer.posted_at,
    )
    chosen = select(*columns).where(LedgerTransfer.posted_at < end_of(day)).order_by(LedgerTransfer.id)
    if previous is not None:
        chosen = chosen.where(LedgerTransfer.posted_at >= previous.ends_at)
    transfers, total, digest, moved = 0, 0, hashlib.sha256(), Counter[str]()
    for name, kind, debit, credit, amount, at in session.execute(chosen.execution_options(yield_per=_CHUNK)):
        posted = at.isoformat(timespec="microseconds")
        digest.update(f"{name} {kind} {debit} {credit} {amount} {posted}\n".encode())
        moved[debit] -= amount
        moved[credit] += amount
        transfers, total = transfers + 1, total + amount
    return Moves(transfers, total, digest.digest(), moved)


def _opening_balances(session: Session, numbers: Collection[str]) -> Counter[str]:
    """With what the closings left these accounts; without a row an account never moved before."""
    newest = (
        select(LedgerClosingBalance.balance_minor)
        .where(LedgerClosingBalance.account == LedgerAccount.number)
        .order_by(LedgerClosingBalance.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    opening: Counter[str] = Counter()
    for chunk in _chunks(numbers):
        rows = session.execute(select(LedgerAccount.number, newest).where(LedgerAccount.number.in_(chunk)))
        opening.update({number: balance or 0 for number, balance in rows})
    return opening


def _recorded(session: Session, day: date) -> dict[str, int]:
    columns = select(LedgerClosingBalance.account, LedgerClosingBalance.balance_minor)
    return {row.account: row.balance_minor for row in session.execute(columns.where(LedgerClosingBalance.day == day))}


def _chunks(numbers: Collection[str]) -> Iterator[list[str]]:
    rest = iter(sorted(numbers))
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
