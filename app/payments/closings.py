"""Daily closings: the transfers and balances of a day (Beijing) as digests, each chained to the day before.

Once a day is closed the database takes no transfer of that day any more; what was booked can be compared for ever.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.payments.channels import BEIJING
from app.payments.models import LedgerClosing, LedgerTransfer
from app.wiring import Services

GRACE = timedelta(minutes=10)  # no transaction of the day before is still on its way then
MOST_AT_ONCE = 31
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class DayDigest:
    """What a closing says of a day. Amounts in fen."""

    day: date
    transfers: int
    amount_minor: int
    transfers_sha256: bytes
    balances_sha256: bytes
    previous_sha256: bytes

    @property
    def sha256(self) -> bytes:
        """The link of the chain."""
        head = f"{self.day.isoformat()}\n{self.transfers}\n{self.amount_minor}\n".encode()
        return hashlib.sha256(head + self.transfers_sha256 + self.balances_sha256 + self.previous_sha256).digest()


def close_days(services: Services) -> int:
    """Close every day that is over and not closed yet, the oldest first; returns how many."""
    closed = 0
    for _ in range(MOST_AT_ONCE):
        with services.transaction() as session:
            day = _next_day(session)
            if day is None or services.clock() < end_of(day) + GRACE:
                return closed
            closed += _close(services, session, day)
    return closed


def digest_day(session: Session, day: date, previous_sha256: bytes) -> DayDigest:
    """Compute what a closing of the day says, from the transfers alone."""
    begins, ends = end_of(day - timedelta(days=1)), end_of(day)
    transfers, amount, digest = 0, 0, hashlib.sha256()
    for row in _transfers(session, begins, ends):
        transfers, amount = transfers + 1, amount + row.amount_minor
        digest.update(_line(row))
    return DayDigest(day, transfers, amount, digest.digest(), _digest_balances(session, ends), previous_sha256)


def verify_closings(session: Session) -> list[str]:
    """Recompute every closing; what differs, in words."""
    faults, previous, expected = [], b"", None
    for closing in session.scalars(select(LedgerClosing).order_by(LedgerClosing.day)):
        if expected is not None and closing.day != expected:
            faults.append(f"closing of {expected}: missing")
        if closing.previous_sha256 != previous:
            faults.append(f"closing of {closing.day}: does not follow the day before")
        found = digest_day(session, closing.day, closing.previous_sha256)
        for name in ("transfers", "amount_minor", "transfers_sha256", "balances_sha256", "sha256"):
            if getattr(found, name) != getattr(closing, name):
                faults.append(f"closing of {closing.day}: {name} differs")
        previous, expected = closing.sha256, closing.day + timedelta(days=1)
    return faults


def end_of(day: date) -> datetime:
    """The first moment that is no longer the day, UTC."""
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=BEIJING).astimezone(UTC)


def _next_day(session: Session) -> date | None:
    last: date | None = session.scalar(select(func.max(LedgerClosing.day)))
    if last is not None:
        return last + timedelta(days=1)
    first: datetime | None = session.scalar(select(func.min(LedgerTransfer.posted_at)))
    return first.astimezone(BEIJING).date() if first is not None else None


def _close(services: Services, session: Session, day: date) -> bool:
    previous = session.scalar(select(LedgerClosing.sha256).where(LedgerClosing.day == day - timedelta(days=1)))
    found = digest_day(session, day, previous or b"")
    row = {
        "day": day,
        "ends_at": end_of(day),
        "transfers": found.transfers,
        "amount_minor": found.amount_minor,
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
    body = {"transfers": found.transfers, "amount_minor": found.amount_minor, "sha256": found.sha256.hex()}
    services.journal.append(session, "ledger-closed", subject=day.isoformat(), actor="service", body=body)
    return True


def _transfers(session: Session, begins: datetime, ends: datetime) -> Iterator[LedgerTransfer]:
    of_day = select(LedgerTransfer).where(LedgerTransfer.posted_at >= begins, LedgerTransfer.posted_at < ends)
    for row in session.scalars(of_day.order_by(LedgerTransfer.id).execution_options(yield_per=_CHUNK)):
        yield row
        session.expunge(row)


def _line(row: LedgerTransfer) -> bytes:
    posted = row.posted_at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{row.id} {row.kind} {row.debit_account} {row.credit_account} {row.amount_minor} {posted}\n".encode()


def _digest_balances(session: Session, ends: datetime) -> bytes:
    """Of all accounts that ever moved, as they stood at the end of the day."""
    balances: Counter[str] = Counter()
    total = func.sum(LedgerTransfer.amount_minor)
    for column, sign in ((LedgerTransfer.credit_account, 1), (LedgerTransfer.debit_account, -1)):
        moved = select(column, total).where(LedgerTransfer.posted_at < ends).group_by(column)
        for number, amount in session.execute(moved):
            balances[number] += sign * int(amount)
    lines = "".join(f"{number} {balances[number]}\n" for number in sorted(balances))
    return hashlib.sha256(lines.encode()).digest()
