"""What the embedded ledger has booked, as it is told: to account holders as entries, to reconciliation by payment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select, tuple_, union_all
from sqlalchemy.orm import Session

from app.payments.models import LedgerHold, LedgerTransfer, TransferKind

_CHUNK = 2000
Place = tuple[datetime, str]  # where an entry stands on its account: when it was booked, and its id


class Entry(NamedTuple):
    """One booking on an account; `amount_minor` fen with the sign of what it did to the account."""

    id: str
    kind: TransferKind
    amount_minor: int
    booked_at: datetime
    payment_id: str | None

    @property
    def place(self) -> Place:
        """Entries are told in the order of their places."""
        return self.booked_at, self.id


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of an account's entries: from `since`, before `until`, beyond the place `after`; None is no bound."""

    since: datetime | None = None
    until: datetime | None = None
    after: Place | None = None


def list_entries(session: Session, account: str, stretch: Stretch, most: int) -> Sequence[Entry]:
    """The first `most` entries of a stretch. Each side of the account has its own index, so each is read by itself and
    merged."""
    sides = []
    for column in (LedgerTransfer.debit_account, LedgerTransfer.credit_account):
        side = select(LedgerTransfer.id, LedgerTransfer.posted_at).where(column == account)
        if stretch.since is not None:
            side = side.where(LedgerTransfer.posted_at >= stretch.since)
        if stretch.until is not None:
            side = side.where(LedgerTransfer.posted_at < stretch.until)
        if stretch.after is not None:
            side = side.where(tuple_(LedgerTransfer.posted_at, LedgerTransfer.id) > stretch.after)
        side = side.order_by(LedgerTransfer.posted_at, LedgerTransfer.id).limit(most)
        sides.append(select(side.subquery()))
    merged = union_all(*sides).subquery()
    wanted = select(merged.c.id).order_by(merged.c.posted_at, merged.c.id).limit(most)
    found = select(LedgerTransfer).where(LedgerTransfer.id.in_(list(session.scalars(wanted))))
    rows = session.scalars(found.order_by(LedgerTransfer.posted_at, LedgerTransfer.id))
    return [_entry(row, account) for row in rows]


def booked_by_payment(session: Session) -> Iterator[tuple[str, Mapping[TransferKind, int]]]:
    """What was booked for each payment, in the order of their references, in bounded memory. Amounts in fen."""
    columns = (LedgerTransfer.payment_id, LedgerTransfer.kind, LedgerTransfer.amount_minor)
    of_payments = select(*columns).where(LedgerTransfer.payment_id.is_not(None)).order_by(LedgerTransfer.payment_id)
    rows = session.execute(of_payments.execution_options(yield_per=_CHUNK))
    for payment_id, group in groupby(rows, key=lambda row: str(row[0])):
        yield payment_id, {TransferKind(kind): amount for _, kind, amount in group}


def booked_between(
    session: Session, kinds: Collection[TransferKind], since: datetime, until: datetime
) -> Iterator[tuple[str, datetime]]:
    """The payments for which something of these kinds was booked, and when."""
    booked = select(LedgerTransfer.payment_id, LedgerTransfer.posted_at).where(
        LedgerTransfer.kind.in_(kinds), LedgerTransfer.posted_at >= since, LedgerTransfer.posted_at < until
    )
    for payment_id, posted_at in session.execute(booked.order_by(LedgerTransfer.posted_at, LedgerTransfer.id)):
        if payment_id is not None:
            yield payment_id, posted_at


def held_by_payment(session: Session) -> Mapping[str, int]:
    """What is on hold now, in fen."""
    open_holds = select(LedgerHold.payment_id, LedgerHold.amount_minor).where(LedgerHold.released_at.is_(None))
    return dict(session.execute(open_holds).all())


def _entry(row: LedgerTransfer, account: str) -> Entry:
    amount = row.amount_minor if row.credit_account == account else -row.amount_minor
    return Entry(row.id, TransferKind(row.kind), amount, row.posted_at, row.payment_id)
