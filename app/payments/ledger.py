"""The embedded ledger: double entry in fen.

Every transfer has both legs in one row, so it cannot be unbalanced, and the sum of all balances is zero. The database
itself moves the balances as transfers and holds are recorded; nothing here ever writes a balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.payments.account_number import is_account_number
from app.payments.models import AccountKind, LedgerAccount, LedgerHold, LedgerTransfer, TransferKind
from app.problems import Conflict, InvalidInput

# The bank's own side, opened by the migration. Their numbers have letters, so no customer's number can be one of them.
FUNDING_ACCOUNT = "INTERNAL-FUNDING"
SETTLEMENT_ACCOUNT = "INTERNAL-SETTLEMENT"
FEE_ACCOUNT = "INTERNAL-FEES"
_AFTER = timedelta(microseconds=1)


class AccountUnknown(LookupError):
    """The ledger has no such account."""


class InsufficientFunds(Exception):
    """The customer's available balance does not cover the amount; nothing was changed."""


class Transfer(NamedTuple):
    """One booking to make: `amount_minor` fen, more than zero, from one account to another."""

    kind: TransferKind
    debit_account: str
    credit_account: str
    amount_minor: int
    payment_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A customer's account to open, with its opening balance in fen."""

    number: str
    tenant_id: str
    name: str
    balance_minor: int


class Account(NamedTuple):
    """A customer's account as it stands, locked or not. Amounts in fen."""

    number: str
    tenant_id: str
    name: str
    balance_minor: int
    held_minor: int
    last_posted_at: datetime | None = None

    @property
    def available_minor(self) -> int:
        """What may be spent."""
        return self.balance_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What `inspect_ledger` found. Sound when the sum is zero and no account differs from its transfers and holds."""

    accounts: int
    sum_of_balances_minor: int
    differing_accounts: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every fen is where the transfers say."""
        return not self.faults

    @property
    def faults(self) -> list[str]:
        """What is not, in words."""
        differing = self.differing_accounts
        faults = [f"account {number}: balance or held amount differs from what moved" for number in differing]
        if self.sum_of_balances_minor:
            faults.append(f"the sum of all balances is {self.sum_of_balances_minor} fen")
        return faults


def transit_account(channel: str) -> str:
    """The internal account through which money leaves by a channel."""
    return f"INTERNAL-TRANSIT-{channel.upper()}"


def read_accounts(session: Session, numbers: Collection[str], *, lock: bool = False) -> dict[str, Account]:
    """The customers' accounts among `numbers`.

    With `lock` their rows stay locked until the transaction ends. Always in the order of the numbers, so that opposite
    transfers cannot wait for each other.
    """
    statement = _CUSTOMERS.where(LedgerAccount.number.in_(sorted(numbers)))
    if lock:
        statement = statement.with_for_update()
    return {account.number: account for account in _accounts(session, statement)}


def list_accounts(session: Session, tenant_id: str) -> list[Account]:
    """An enterprise's accounts, by number."""
    return _accounts(session, _CUSTOMERS.where(LedgerAccount.tenant_id == tenant_id))


_CUSTOMERS = (
    select(
        LedgerAccount.number,
        LedgerAccount.tenant_id,
        LedgerAccount.name,
        LedgerAccount.balance_minor,
        LedgerAccount.held_minor,
        LedgerAccount.last_posted_at,
    )
    .where(LedgerAccount.kind == AccountKind.CUSTOMER)
    .order_by(LedgerAccount.number)
)


def _accounts(session: Session, statement: Select[str, str | None, str, int, int, datetime | None]) -> list[Account]:
    """A customer's account has a tenant; only the bank's own have none."""
    return [Account(*row) for row in session.execute(statement)]  # type: ignore[arg-type]


def next_moment(accounts: Iterable[Account], now: datetime) -> datetime:
    """When to book on accounts that are locked: now, and after all that was booked on them before, also by a machine
    whose clock is ahead. So nothing comes to stand behind what a statement has told already."""
    booked = [account.last_posted_at for account in accounts if account.last_posted_at is not None]
    return max(now, max(booked) + _AFTER) if booked else now


def post(session: Session, transfer: Transfer, at: datetime) -> None:
    """Book both legs. Raises InsufficientFunds, AccountUnknown; then nothing is changed."""
    numbers = {transfer.debit_account, transfer.credit_account}
    customers = read_accounts(session, numbers, lock=True)
    known = session.scalars(select(LedgerAccount.number).where(LedgerAccount.number.in_(numbers))).all()
    if missing := numbers - set(known):
        raise AccountUnknown(", ".join(sorted(missing)))
    payer = customers.get(transfer.debit_account)
    if payer is not None and payer.available_minor < transfer.amount_minor:
        raise InsufficientFunds
    record(session, [transfer], at)


def record(session: Session, transfers: Sequence[Transfer], at: datetime) -> None:
    """Record transfers that are covered, by rows that `read_accounts` locked; the database moves the balances."""
    rows = [transfer_row(transfer, at) for transfer in transfers]
    if rows:
        session.execute(insert(LedgerTransfer), rows)


def transfer_row(transfer: Transfer, at: datetime) -> dict[str, object]:
    """The columns of a transfer. Its name is the payment's and the kind, so that each kind happens once."""
    return {
        "id": f"{transfer.payment_id or new_id()}-{transfer.kind}",
        "payment_id": transfer.payment_id,
        "kind": transfer.kind,
        "debit_account": transfer.debit_account,
        "credit_account": transfer.credit_account,
        "amount_minor": transfer.amount_minor,
        "posted_at": at,
    }


def place_hold(session: Session, payment_id: str, account: str, amount_minor: int, at: datetime) -> None:
    """Keep an amount for a payment that waits; the caller has locked the account and seen that it is covered."""
    session.execute(
        insert(LedgerHold).values(payment_id=payment_id, account=account, amount_minor=amount_minor, placed_at=at)
    )


def release_hold(session: Session, payment_id: str, at: datetime) -> bool:
    """Let a held amount go. False where there is none or it was released before."""
    released = update(LedgerHold).where(LedgerHold.payment_id == payment_id, LedgerHold.released_at.is_(None))
    return session.scalar(released.values(released_at=at).returning(LedgerHold.payment_id)) is not None


def open_customer_account(session: Session, account: NewAccount, at: datetime) -> None:
    """Open an account and fund it by a transfer.

    Raises InvalidInput (number, balance), Conflict (number taken).
    """
    if not is_account_number(account.number):
        raise InvalidInput("an account number has 12 to 19 digits, the last one by Luhn")
    if account.balance_minor < 0:
        raise InvalidInput("an opening balance is not negative")
    if session.get(LedgerAccount, account.number) is not None:
        raise Conflict("the account number is taken")
    row = {
        "number": account.number,
        "kind": AccountKind.CUSTOMER,
        "tenant_id": account.tenant_id,
        "name": account.name,
        "balance_minor": 0,
        "opened_at": at,
    }
    session.execute(insert(LedgerAccount).values(row))
    if account.balance_minor:
        funding = Transfer(TransferKind.OPENING, FUNDING_ACCOUNT, account.number, account.balance_minor)
        record(session, [funding], at)


def balance_of(session: Session, number: str) -> int:
    """The balance in fen, held amounts included. Raises AccountUnknown."""
    account = session.execute(
        select(LedgerAccount.kind, LedgerAccount.balance_minor).where(LedgerAccount.number == number)
    ).first()
    if account is None:
        raise AccountUnknown(number)
    if account.kind == AccountKind.CUSTOMER:
        return int(account.balance_minor)
    amount = func.coalesce(func.sum(LedgerTransfer.amount_minor), 0)
    credited = session.scalar(select(amount).where(LedgerTransfer.credit_account == number)) or 0
    debited = session.scalar(select(amount).where(LedgerTransfer.debit_account == number)) or 0
    return int(credited) - int(debited)


def inspect_ledger(session: Session) -> LedgerReport:
    """Recompute every balance from the transfers alone, and every held amount from the holds, and compare."""
    moved = moved_amounts(session)
    amount = func.sum(LedgerHold.amount_minor)
    open_holds = select(LedgerHold.account, amount).where(LedgerHold.released_at.is_(None)).group_by(LedgerHold.account)
    held = {number: int(total) for number, total in session.execute(open_holds)}
    total, differing, seen = 0, [], set()
    statement = select(
        LedgerAccount.number, LedgerAccount.kind, LedgerAccount.balance_minor, LedgerAccount.held_minor
    ).order_by(LedgerAccount.number)
    for number, kind, balance, on_hold in session.execute(statement):
        customer = kind == AccountKind.CUSTOMER
        total += balance if customer else moved[number]
        seen.add(number)
        if (customer and balance != moved[number]) or on_hold != held.get(number, 0):
            differing.append(number)
    differing += sorted(set(moved) - seen)
    return LedgerReport(len(seen), total, tuple(differing))


def moved_amounts(session: Session, before: datetime | None = None) -> Counter[str]:
    """What all transfers together, or those posted before a moment, did to every account, in fen."""
    amount = func.sum(LedgerTransfer.amount_minor)
    moved: Counter[str] = Counter()
    for column, sign in ((LedgerTransfer.credit_account, 1), (LedgerTransfer.debit_account, -1)):
        totals = select(column, amount).group_by(column)
        if before is not None:
            totals = totals.where(LedgerTransfer.posted_at < before)
        for number, total in session.execute(totals):
            moved[number] += sign * int(total)
    return moved
