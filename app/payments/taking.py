"""Taking instructions: from an order to received, accepted, routed and booked, a whole group in one transaction.

A single payment is a group of one or shares its group with others that arrived at the same moment; the items of a
payroll are a group. Everything is read first, decided without I/O, and written at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from app.db import new_id
from app.gateway.documents import compact
from app.gateway.problems import InvalidDocument, LimitExceeded
from app.journal.leaves import Entry
from app.oauth.authorizations import StandingAuthorization
from app.payments import approvals
from app.payments.booking import booking_steps, booking_transfers, dispatch_of
from app.payments.channels import BEIJING, Channel
from app.payments.core_banking import CoreBanking
from app.payments.fees import fee_for
from app.payments.ledger import Account, Transfer, next_moment
from app.payments.lifecycle import MONEY_MOVED, State
from app.payments.messages import PaymentDocument
from app.payments.parties import NotRoutable, Route, find_route, is_here
from app.payments.payee_banks import Found, find_banks
from app.payments.problems import CalendarMissing
from app.payments.risk import Outcome, assess
from app.payments.risk_facts import Movement, RiskFacts, facts_of, keeping, reading
from app.payments.risk_lists import policy_in_force
from app.payments.store import Claim, Name, Opened, Opening, Spend, Store, Use, store_of
from app.problems import Conflict, Fault, Problem
from app.routing.problems import DirectoryMissing
from app.wiring import Services

_OLDEST_REQUEST = timedelta(hours=24)
_CLOCK_SKEW = timedelta(minutes=5)
_COUNTED = MONEY_MOVED | {State.HELD}


class Order(NamedTuple):
    """One instruction as its enterprise ordered it; its form was checked and nothing else.

    `document` is what was signed, None for the item of a batch, whose `batch_id` and `position` say where it stands.
    """

    tenant_id: str
    terms: PaymentDocument
    document: bytes | None
    document_sha256: str
    content_jti: str
    application_id: str
    authorization: StandingAuthorization
    product_x5t_s256: str
    batch_id: str | None = None
    position: int | None = None


@dataclass(slots=True)
class Taken:
    """An instruction that was taken: what was decided about it. `answer` is what every repetition is told."""

    order: Order
    payment_id: str
    state: State = State.RECEIVED
    reasons: list[str] = field(default_factory=list)
    route: Route | None = None
    fee_minor: int = 0
    available_minor: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    trail: list[list[Any]] = field(default_factory=lambda: [[str(State.RECEIVED), {}]])

    def step(self, state: State, facts: dict[str, Any]) -> None:
        """Go on to `state`, because of `facts`."""
        self.state = state
        self.trail.append([str(state), facts])

    def reject(self, reasons: list[str], facts: dict[str, Any]) -> None:
        """End here; nothing was booked."""
        self.reasons = reasons
        self.details = facts
        self.step(State.REJECTED, facts)

    @property
    def claim(self) -> Claim:
        """Its name."""
        order = self.order
        return Claim(order.tenant_id, order.terms.instruction_id, self.payment_id, order.document_sha256)

    @property
    def answer(self) -> dict[str, Any]:
        """What the answer says that the columns of the instruction do not, or will not say for ever."""
        route = self.route
        return {
            "state": str(self.state),
            "reasons": self.reasons,
            "channel": str(route.channel) if route else None,
            "bank": route.bank_id if route else None,
            "clearing_code": route.clearing_code if route else self.order.terms.payee.clearing_code,
            "available_balance_minor": self.available_minor,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same document again: the instruction that was taken under this name before."""

    payment_id: str


Outcomes = list[Taken | Repeated | Problem]


def take(services: Services, session: Session, orders: Sequence[Order], at: datetime) -> Outcomes:
    """Take a group of orders in the caller's transaction; one outcome for each, in order.

    A Problem (InvalidDocument, Conflict, LimitExceeded, CalendarMissing, DirectoryMissing) leaves nothing behind for
    its order and concerns no other; what passed a limit was an attempt, and counts for velocity.
    """
    group = Group(services, session, orders, at)
    return group.take(store_of(session).open_group(group.opening()))


class Group:
    """Orders on their way. What must be locked and read is asked for by `opening`, once; `take` decides and writes."""

    def __init__(self, services: Services, session: Session, orders: Sequence[Order], at: datetime) -> None:
        self._services = services
        self._session = session
        self._dialect = session.get_bind().dialect.name
        self._store: Store = store_of(session)
        self._core: CoreBanking = services.core_banking(session, at)
        self._at = at
        self._day: date = at.astimezone(BEIJING).date()
        self._orders = orders
        self._policy = policy_in_force(services, session.connection())
        self._fees = services.fees(session, at)
        self._refused: dict[str, Problem] = {}
        self._used: dict[Use, int] = {}
        self._firsts: dict[Name, Taken] = {}  # of several orders of one name the first
        for order in orders:
            self._firsts.setdefault((order.tenant_id, order.terms.instruction_id), Taken(order, new_id()))
        named = {each.payment_id: each.order.terms for each in self._firsts.values()}
        self._resolved = find_banks(services, session, named)
        self._refused |= {key: found for key, found in self._resolved.items() if isinstance(found, DirectoryMissing)}

    def opening(self, spends: Sequence[Spend] = (), counted: Sequence[str] = (), window: int = 0) -> Opening:
        """What the group needs of the database before it is taken, with what its requests spend besides."""
        taken = self._firsts.values()
        return Opening(
            spends=spends,
            counted=counted,
            window=window,
            claims=[each.claim for each in taken],
            accounts=_accounts_of(taken, self._resolved) if self._core.is_embedded else (),
            uses={self._use(each) for each in taken},
            questions=reading([movement_of(each.order, self._at) for each in taken], self._dialect) if taken else (),
        )

    def give_up(self, opened: Opened) -> None:
        """Free what was claimed; the group is made anew without those of its requests that were refused."""
        if claims := [each.claim for each in self._firsts.values() if each.payment_id in opened.free]:
            self._store.give_names_back(claims)

    def take(self, opened: Opened) -> Outcomes:
        """Decide and write; one outcome for each order."""
        if not self._firsts:
            return []
        accounts, self._used = opened.accounts, opened.used
        fresh = [each for each in self._firsts.values() if each.payment_id in opened.free]
        if not self._core.is_embedded:
            accounts = self._core.lock(_accounts_of(fresh, self._resolved))
        posted_at = next_moment(accounts.values(), self._services.clock())
        outcomes = self._compare_names(opened.free)
        for taken in fresh:
            if faults := _faults(taken.order, accounts, self._at):
                self._refused[taken.payment_id] = InvalidDocument(f"{len(faults)} faults", faults=tuple(faults))
        sound = self._standing(fresh)
        movements = [movement_of(taken.order, self._at, first=taken is sound[0]) for taken in sound]
        facts = facts_of(movements, *opened.answers)
        available = {number: account.available_minor for number, account in accounts.items()}
        for taken, risk in zip(sound, facts, strict=True):
            if (beyond := self._find_limit(taken)) is not None:
                self._refused[taken.payment_id] = beyond
            else:
                self._decide(taken, risk, accounts, available)
        kept = self._standing(sound)
        moved = {taken.payment_id for taken in kept if taken.state in MONEY_MOVED}
        with self._store.writing():
            self._write(kept, posted_at)
            booked = [each for taken, each in zip(sound, movements, strict=True) if taken.payment_id in moved]
            self._store.write(keeping(movements, booked, self._dialect))
            if given_back := [taken.claim for taken in fresh if taken.payment_id in self._refused]:
                self._store.give_names_back(given_back)
        if held := [taken for taken in kept if taken.state is State.HELD]:
            self._store.write_now()  # of what came to the account in this group, something may be put aside
            for taken in held:
                self._hold(taken)
        return [self._refused.get(each.payment_id, each) if isinstance(each, Taken) else each for each in outcomes]

    def _compare_names(self, free: set[str]) -> Outcomes:
        """Whoever comes later under a name, in this group or ever, hears what the first heard."""
        borne = [name for name, each in self._firsts.items() if each.payment_id not in free]
        earlier = self._store.find_names(borne) if borne else {}
        outcomes: Outcomes = []
        for order in self._orders:
            name = order.tenant_id, order.terms.instruction_id
            bearer, first = earlier.get(name), self._firsts[name]
            if order.document_sha256 != (bearer or first.claim).document_sha256:
                outcomes.append(Conflict("the instruction_id names a different document"))
            else:
                outcomes.append(Repeated(bearer.payment_id) if bearer else first)
        return outcomes

    def _standing(self, some: Iterable[Taken]) -> list[Taken]:
        return [taken for taken in some if taken.payment_id not in self._refused]

    def _find_limit(self, taken: Taken) -> LimitExceeded | None:
        """Which limit of its authorization is passed, after those that were decided before it."""
        limits, amount = taken.order.authorization.limits, taken.order.terms.amount_minor
        if amount > limits["single_minor"]:
            return LimitExceeded("the amount is above the limit for one payment")
        if self._used[self._use(taken)] + amount > limits["daily_minor"]:
            return LimitExceeded("the amount is above what is left of the daily limit")
        return None

    def _use(self, taken: Taken) -> Use:
        return taken.order.authorization.id, self._day

    def _decide(
        self,
        taken: Taken,
        risk: RiskFacts,
        accounts: Mapping[str, Account],
        available: dict[str, int],
    ) -> None:
        """Risk, route, funds: what becomes of one instruction. Changes `available` and what is used of the day's limit
        where money moves or will."""
        terms, payer = taken.order.terms, taken.order.terms.payer_account
        resolved = self._resolved[taken.payment_id]
        verdict = assess(risk, self._policy)
        told: dict[str, Any] = {"risk": verdict.to_json()}
        try:
            if verdict.outcome is Outcome.REFUSE:
                taken.reject(verdict.reasons, told)
                return
            if isinstance(resolved, NotRoutable | DirectoryMissing):
                raise resolved
            settings = self._services.settings
            route = find_route(terms.payee, terms.amount_minor, resolved, accounts, self._core, self._at, settings)
            taken.route, taken.details = route, route.explanation()
            is_item = taken.order.batch_id is not None
            taken.fee_minor = fee_for(self._fees, route.channel, terms.amount_minor, batch=is_item)
            if taken.fee_minor:
                told["fees"] = {"name": self._fees.name, "version": self._fees.version}
            needed = terms.amount_minor + taken.fee_minor
            if available[payer] < needed:
                taken.reject(["insufficient-funds"], told)
                return
            available[payer] -= needed
            if verdict.outcome is Outcome.HOLD:
                taken.reasons = verdict.reasons
                taken.step(State.HELD, told)
                return
            taken.step(State.ACCEPTED, told)
            for state, facts in booking_steps(route):
                taken.step(state, facts)
            if route.channel is Channel.BOOK:
                available[terms.payee.account] += terms.amount_minor
        except NotRoutable as unclear:
            taken.reject([unclear.reason], unclear.facts() | told)
        except CalendarMissing as missing:
            self._refused[taken.payment_id] = missing
        finally:
            taken.available_minor = available[payer]
            if taken.state in _COUNTED:  # what is not paid uses nothing of the day's limit
                self._used[self._use(taken)] += terms.amount_minor

    def _write(self, kept: Sequence[Taken], posted_at: datetime) -> None:
        if self._used:
            self._store.set_use(self._used)
        if not kept:
            return
        group_id = new_id()
        self._store.add_instructions([_row(taken, group_id) for taken in kept], self._at)
        booked = [taken for taken in kept if taken.state in MONEY_MOVED]
        if transfers := [transfer for taken in booked for transfer in _transfers(taken)]:
            self._core.post(transfers, posted_at)
        leaving = [taken for taken in booked if taken.state is State.BOOKED]
        if leaving:
            rows = [dispatch_of(taken.payment_id, taken.route, self._at) for taken in leaving]
            self._store.add_dispatches(rows, self._at)
        self._store.add_entry(_journal_entry(kept, group_id), self._at)

    def _hold(self, taken: Taken) -> None:
        order = taken.order
        self._core.hold(taken.payment_id, order.terms.payer_account, order.terms.amount_minor + taken.fee_minor)
        approvals.hold(
            self._services,
            self._session,
            payment_id=taken.payment_id,
            tenant_id=order.tenant_id,
            reasons=taken.reasons,
            authorization_id=order.authorization.id,
            at=self._at,
        )


def group_digest(lines: Iterable[str]) -> str:
    """What the journal's leaf says of a group: SHA-256 over its members' lines in the order of their references."""
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def group_line(payment_id: str, state: str, document_sha256: str, authorization_id: str) -> str:
    """One member of a group, in the state in which it was answered."""
    return f"{payment_id} {state} {document_sha256} {authorization_id}\n"


def _journal_entry(kept: Sequence[Taken], group_id: str) -> Entry:
    """One leaf for the group, which its members name by `group_id`; the digest is of one line for each of them."""
    applications = {taken.order.application_id for taken in kept}
    actor = applications.pop() if len(applications) == 1 else "platforms"
    digest = group_digest(_line(taken) for taken in kept)
    return Entry("payments", group_id, actor, {"payments": len(kept), "sha256": digest})


def movement_of(order: Order, at: datetime, *, first: bool = True) -> Movement:
    """What risk control looks at. Of a batch the first item alone counts as an attempt."""
    terms = order.terms
    return Movement(
        tenant_id=order.tenant_id,
        application_id=order.application_id,
        payer_account=terms.payer_account,
        payee_account=terms.payee.account,
        payee_name=terms.payee.name,
        amount_minor=terms.amount_minor,
        custody=str(order.authorization.custody),
        at=at,
        attempts=1 if first or order.batch_id is None else 0,
    )


def _transfers(taken: Taken) -> list[Transfer]:
    assert taken.route is not None  # booked means routed
    terms = taken.order.terms
    return booking_transfers(
        taken.payment_id,
        taken.route.channel,
        terms.payer_account,
        terms.payee.account,
        terms.amount_minor,
        taken.fee_minor,
    )


def _accounts_of(fresh: Iterable[Taken], resolved: Mapping[str, Found]) -> set[str]:
    numbers = set()
    for taken in fresh:
        terms, bank = taken.order.terms, resolved[taken.payment_id]
        numbers.add(terms.payer_account)
        if not isinstance(bank, NotRoutable | DirectoryMissing) and is_here(bank):
            numbers.add(terms.payee.account)
    return numbers


def _faults(order: Order, accounts: Mapping[str, Account], at: datetime) -> list[Fault]:
    terms = order.terms
    faults = find_order_faults(accounts.get(terms.payer_account), order.tenant_id, terms.requested_at, at)
    if terms.payee.account == terms.payer_account:
        faults.append(Fault("/payee/account", "same-as-payer"))
    return faults


def find_order_faults(
    payer: Account | None, tenant_id: str, requested_at: datetime | None, at: datetime
) -> list[Fault]:
    """What is wrong with an order whoever is paid: the account it is to be paid from, and its time."""
    faults = []
    if payer is None or payer.tenant_id != tenant_id:
        faults.append(Fault("/payer_account", "account-unknown"))
    if requested_at is not None:
        if requested_at > at + _CLOCK_SKEW:
            faults.append(Fault("/requested_at", "in-the-future"))
        elif requested_at < at - _OLDEST_REQUEST:
            faults.append(Fault("/requested_at", "too-old"))
    return faults


def _row(taken: Taken, group_id: str) -> tuple[Any, ...]:
    """In the order of INSTRUCTION_COLUMNS."""
    order, terms, route = taken.order, taken.order.terms, taken.route
    return (
        taken.payment_id,
        order.tenant_id,
        terms.instruction_id,
        _document(taken),
        order.document_sha256,
        order.content_jti,
        order.application_id,
        order.authorization.id,
        order.product_x5t_s256,
        terms.amount_minor,
        taken.fee_minor,
        terms.payer_account,
        terms.payee.account,
        terms.payee.name,
        terms.purpose,
        route.clearing_code if route else terms.payee.clearing_code,
        route.bank_id if route else None,
        str(route.channel) if route else None,
        str(taken.state),
        len(taken.trail),
        compact(taken.reasons),
        compact(taken.answer),
        compact(taken.trail),
        group_id,
        order.batch_id,
        order.position,
    )


def _document(taken: Taken) -> bytes | None:
    """An item's document is its batch's; a held one is read again by itself when it is released."""
    if taken.order.document is None and taken.state is State.HELD:
        return taken.order.terms.model_dump_json(exclude_none=True).encode()
    return taken.order.document


def _line(taken: Taken) -> str:
    return group_line(taken.payment_id, str(taken.state), taken.order.document_sha256, taken.order.authorization.id)
