"""The port to the bank's core system, and the embedded ledger that carries the whole flow on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.payments import ledger
from app.payments.ledger import Transfer
from app.payments.models import AccountKind, LedgerAccount
from app.payments.party_text import same_name


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """A customer's account as payments need to know it."""

    number: str
    tenant_id: str
    name: str


class CoreBanking(Protocol):
    """What payments ask of the bank's core. A transfer is named by (payment_id, kind) and happens once."""

    def find_account(self, number: str) -> AccountFacts | None:
        """The customer's account of this number, or None."""

    def is_holder(self, number: str, name: str) -> bool:
        """Payee name check (户名校验): whether the account is in this name."""

    def balance(self, number: str) -> int:
        """The available balance in fen. Raises AccountUnknown."""

    def post(self, transfer: Transfer) -> None:
        """Book both legs or nothing. Raises InsufficientFunds, AccountUnknown."""


class EmbeddedCore:
    """The service's own ledger, working inside the transaction it is made for."""

    def __init__(self, session: Session, at: datetime) -> None:
        self._session = session
        self._at = at

    def find_account(self, number: str) -> AccountFacts | None:
        """See CoreBanking."""
        statement = select(LedgerAccount.tenant_id, LedgerAccount.name).where(
            LedgerAccount.number == number, LedgerAccount.kind == AccountKind.CUSTOMER
        )
        row = self._session.execute(statement).first()
        return AccountFacts(number, row.tenant_id, row.name) if row else None

    def is_holder(self, number: str, name: str) -> bool:
        """See CoreBanking."""
        account = self.find_account(number)
        return account is not None and same_name(account.name, name)

    def balance(self, number: str) -> int:
        """See CoreBanking."""
        return ledger.balance_of(self._session, number)

    def post(self, transfer: Transfer) -> None:
        """See CoreBanking. The bank's own accounts are made at first use."""
        for number in (transfer.debit_account, transfer.credit_account):
            if not number.isdigit():
                ledger.ensure_internal_account(self._session, number, self._at)
        ledger.post(self._session, transfer, self._at)
