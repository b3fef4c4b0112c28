"""The port to the bank's core system, and the embedded ledger that carries the whole flow on one machine.

The port speaks of groups: a core that is asked once for a hundred accounts can be somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from app.payments import books, ledger
from app.payments.books import Entry, Stretch
from app.payments.channels import Channel
from app.payments.closings import verify_closings
from app.payments.ledger import Account, Transfer
from app.payments.models import TransferKind
from app.payments.party_text import same_name
from app.payments.store import store_of


class CoreBanking(Protocol):
    """What payments ask of the bank's core. A transfer is named by (payment_id, kind) and happens once.

    `is_embedded`: its accounts are rows of this database, which a group of payments locks together with what else it
    needs. Any other core is asked by `lock`.
    """

    is_embedded: bool

    def lock(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """The customers' accounts among `numbers`, which nobody else changes until this transaction ends."""

    def find(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """The customers' accounts among `numbers`, as they stand."""

    def list_of(self, tenant_id: str) -> Sequence[Account]:
        """An enterprise's accounts, by number."""

    def is_holder(self, account: Account, name: str) -> bool:
        """Payee name check (户名校验): whether the account is in this name."""

    def post(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """Book all of them or none; the caller has locked the accounts and seen that they are covered.

        `at` is a moment since then, and after all that was booked on these accounts before (`ledger.next_moment`).
        """

    def hold(self, payment_id: str, account: str, amount_minor: int) -> None:
        """Put an amount aside for a payment that waits."""

    def release(self, payment_id: str) -> bool:
        """Give a held amount free; False where nothing is held."""

    def entries(self, account: str, stretch: Stretch, most: int) -> Sequence[Entry]:
        """What was booked on an account, oldest first; on one account no two have the same place."""

    def booked_by_payment(self) -> Iterator[tuple[str, Mapping[TransferKind, int]]]:
        """What was booked for each payment in fen, in the order of their references: for reconciliation."""

    def booked_between(
        self, kinds: Collection[TransferKind], since: datetime, until: datetime
    ) -> Iterator[tuple[str, datetime]]:
        """The payments for which something of these kinds was booked, and when."""

    def held_by_payment(self) -> Mapping[str, int]:
        """What is on hold, in fen."""

    def in_transit(self, channel: Channel) -> int:
        """What has left by a channel and has not arrived, in fen: the balance of its transit account."""

    def find_faults(self) -> Sequence[str]:
        """What is wrong with its books by themselves, in words."""


CoreFactory = Callable[[Session, datetime], CoreBanking]  # for one transaction, at its moment


class EmbeddedCore:
    """The service's own ledger, working inside the transaction it is made for."""

    is_embedded = True

    def __init__(self, session: Session, at: datetime) -> None:
        self._session = session
        self._at = at

    def lock(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """See CoreBanking."""
        return ledger.read_accounts(self._session, numbers, lock=True)

    def find(self, numbers: Collection[str]) -> Mapping[str, Account]:
        """See CoreBanking."""
        return ledger.read_accounts(self._session, numbers)

    def list_of(self, tenant_id: str) -> Sequence[Account]:
        """See CoreBanking."""
        return ledger.list_accounts(self._session, tenant_id)

    def is_holder(self, account: Account, name: str) -> bool:
        """See CoreBanking."""
        return same_name(account.name, name)

    def post(self, transfers: Sequence[Transfer], at: datetime) -> None:
        """See CoreBanking."""
        store_of(self._session).add_transfers(transfers, at)

    def hold(self, payment_id: str, account: str, amount_minor: int) -> None:
        """See CoreBanking."""
        ledger.place_hold(self._session, payment_id, account, amount_minor, self._at)

    def release(self, payment_id: str) -> bool:
        """See CoreBanking."""
        return ledger.release_hold(self._session, payment_id, self._at)

    def entries(self, account: str, stretch: Stretch, most: int) -> Sequence[Entry]:
        """See CoreBanking."""
        return books.list_entries(self._session, account, stretch, most)

    def booked_by_payment(self) -> Iterator[tuple[str, Mapping[TransferKind, int]]]:
        """See CoreBanking."""
        return books.booked_by_payment(self._session)

    def booked_between(
        self, kinds: Collection[TransferKind], since: datetime, until: datetime
    ) -> Iterator[tuple[str, datetime]]:
        """See CoreBanking."""
        return books.booked_between(self._session, kinds, since, until)

    def held_by_payment(self) -> Mapping[str, int]:
        """See CoreBanking."""
        return books.held_by_payment(self._session)

    def in_transit(self, channel: Channel) -> int:
        """See CoreBanking."""
        return ledger.balance_of(self._session, ledger.transit_account(channel))

    def find_faults(self) -> Sequence[str]:
        """See CoreBanking."""
        return [*ledger.inspect_ledger(self._session).faults, *verify_closings(self._session)]
