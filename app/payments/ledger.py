"""The embedded ledger: double entry in fen.

Every transfer has both legs in one row, so the sum of all balances is zero.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.payments.account_number import is_account_number
from app.payments.models import AccountKind, LedgerAccount, LedgerTransfer, TransferKind
from app.problems import Conflict, InvalidInput

# The bank's own side. Their numbers have letters, so no customer's number can be one of them.
FUNDING_ACCOUNT = "INTERNAL-FUNDING"
SETTLEMENT_ACCOUNT = "INTERNAL-SETTLEMENT"
_INTERNAL = {FUNDING_ACCOUNT: "客户存款来源", SETTLEMENT_ACCOUNT: "存放中央银行清算款项"}


class AccountUnknown(LookupError):
    """The ledger has no such account."""


class InsufficientFunds(Exception):
    """The customer's available balance does not cover the amount; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Transfer:
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


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What `inspect_ledger` found. Sound when the sum is zero and no account differs from its transfers."""

    accounts: int
    sum_of_balances_minor: int
    differing_accounts: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every fen is where the transfers say."""
        return self.sum_of_balances_minor == 0 and not self.differing_accounts


def transit_account(channel: str) -> str:
    """The internal account through which money leaves by a channel."""
    return f"INTERNAL-TRANSIT-{channel.upper()}"


def post(session: Session, transfer: Transfer, at: datetime) -> None:
    """Book both legs. Raises InsufficientFunds, AccountUnknown; then nothing is changed.

    Both rows are locked in the order of their numbers first, so that opposite transfers cannot deadlock;
    the balance is tested and changed by one statement.
    """
    numbers = (transfer.debit_account, transfer.credit_account)
    locked = select(LedgerAccount.number).where(LedgerAccount.number.in_(numbers))
    found = session.scalars(locked.order_by(LedgerAccount.number).with_for_update()).all()
    if len(found) != len(set(numbers)):
        raise AccountUnknown(", ".join(sorted(set(numbers) - set(found))))
    covered = or_(LedgerAccount.kind == AccountKind.INTERNAL, LedgerAccount.balance_minor >= transfer.amount_minor)
    if not _change(session, and_(LedgerAccount.number == numbers[0], covered), -transfer.amount_minor):
        raise InsufficientFunds
    _change(session, LedgerAccount.number == numbers[1], transfer.amount_minor)
    session.add(
        LedgerTransfer(
            kind=transfer.kind,
            payment_id=transfer.payment_id,
            debit_account=transfer.debit_account,
            credit_account=transfer.credit_account,
            amount_minor=transfer.amount_minor,
            posted_at=at,
        )
    )
    session.flush()


def _change(session: Session, where: ColumnElement[bool], by_minor: int) -> bool:
    statement = update(LedgerAccount).where(where).values(balance_minor=LedgerAccount.balance_minor + by_minor)
    result = session.execute(statement.execution_options(synchronize_session=False))
    return result.rowcount == 1  # type: ignore[attr-defined, no-any-return]


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
    session.add(
        LedgerAccount(
            number=account.number,
            kind=AccountKind.CUSTOMER,
            tenant_id=account.tenant_id,
            name=account.name,
            balance_minor=0,
            opened_at=at,
        )
    )
    session.flush()
    ensure_internal_account(session, FUNDING_ACCOUNT, at)
    if account.balance_minor:
        funding = Transfer(TransferKind.OPENING, FUNDING_ACCOUNT, account.number, account.balance_minor)
        post(session, funding, at)


def ensure_internal_account(session: Session, number: str, at: datetime) -> None:
    """Make one of the bank's own accounts where it is not there yet; two transactions may try at once."""
    if session.scalar(select(LedgerAccount.number).where(LedgerAccount.number == number)) is not None:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    name = _INTERNAL.get(number, "待清算款项")
    row = {"number": number, "kind": AccountKind.INTERNAL, "name": name, "balance_minor": 0, "opened_at": at}
    session.execute(dialect.insert(LedgerAccount).values(row).on_conflict_do_nothing())


def balance_of(session: Session, number: str) -> int:
    """The available balance in fen. Raises AccountUnknown."""
    balance = session.scalar(select(LedgerAccount.balance_minor).where(LedgerAccount.number == number))
    if balance is None:
        raise AccountUnknown(number)
    return balance


def inspect_ledger(session: Session) -> LedgerReport:
    """Recompute every balance from the transfers alone and compare."""
    amount = func.sum(LedgerTransfer.amount_minor)
    moved: Counter[str] = Counter()
    for column, sign in ((LedgerTransfer.credit_account, 1), (LedgerTransfer.debit_account, -1)):
        for number, total in session.execute(select(column, amount).group_by(column)):
            moved[number] += sign * int(total)
    statement = select(LedgerAccount.number, LedgerAccount.balance_minor).order_by(LedgerAccount.number)
    balances = [(number, balance) for number, balance in session.execute(statement)]
    differing = tuple(number for number, balance in balances if balance != moved[number])
    return LedgerReport(len(balances), sum(balance for _, balance in balances), differing)
