"""What becomes of instructions after they were booked, as channels and people report it.

Reports are applied as a group: their instructions are locked in one order, those for whom it is no news stay as they
are, and what is booked, recorded, told to the journal and to platforms is written in one statement each, all in the
caller's transaction. Raises StepNotAllowed for a report that contradicts what is known, NotFound for an instruction
that is not there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.journal.leaves import Entry
from app.payments import callbacks, outbox
from app.payments.channel_models import OutboxKind
from app.payments.channels import BEIJING, Channel
from app.payments.instructions import STANDING_COLUMNS, Standing
from app.payments.ledger import FEE_ACCOUNT, SETTLEMENT_ACCOUNT, Transfer, next_moment, transit_account
from app.payments.lifecycle import FINAL, IN_FLIGHT, State, is_news
from app.payments.models import DailyUse, PaymentInstruction, PaymentStep, TransferKind
from app.problems import NotFound

if TYPE_CHECKING:
    from app.wiring import Services

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Report:
    """Where an instruction stands now, by somebody's word. `facts` are kept with the step."""

    payment_id: str
    state: State
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def apply(
    services: Services,
    session: Session,
    reports: Sequence[Report],
    locked: Mapping[str, Standing] | None = None,
) -> set[str]:
    """Act on reports in their order; gives the references of those for whom they were news.

    `locked` are the instructions where the caller has locked them all already, by `lock_all`.

    - dispatched: it may leave now. To be committed before anything is sent.
    - unknown: nobody says what became of it; it must be asked for.
    - settled: the other bank has it: transit account to the settlement account.
    - rejected: it was refused, or must not leave: transit account back to the payer, the fee included.
    - cancelled: its enterprise took it back before it left.
    - returned: 退汇: settled, and sent back by the other bank: settlement account to the payer. The fee stays earned.
      Where the return comes before the news that it was settled, it is settled first.
    """
    if locked is None:
        locked = lock_all(session, {report.payment_id for report in reports})
    return _Round(services, session).apply(reports, locked)


def dispatched(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """See `apply`."""
    return bool(apply(services, session, [Report(payment_id, State.DISPATCHED, facts=facts)]))


def unknown(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """See `apply`."""
    return bool(apply(services, session, [Report(payment_id, State.UNKNOWN, facts=facts)]))


def settle(services: Services, session: Session, payment_id: str, facts: Mapping[str, Any] = _NOTHING) -> bool:
    """See `apply`."""
    return bool(apply(services, session, [Report(payment_id, State.SETTLED, facts=facts)]))


def reject(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """See `apply`."""
    return bool(apply(services, session, [Report(payment_id, State.REJECTED, reason, facts)]))


def cancel(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """See `apply`. Raises StepNotAllowed once it may have left."""
    return bool(apply(services, session, [Report(payment_id, State.CANCELLED, reason, facts)]))


def return_(
    services: Services, session: Session, payment_id: str, reason: str, facts: Mapping[str, Any] = _NOTHING
) -> bool:
    """See `apply`."""
    return bool(apply(services, session, [Report(payment_id, State.RETURNED, reason, facts)]))


def lock(session: Session, payment_id: str) -> PaymentInstruction:
    """The instruction, locked, as it stands now and not as this session read it before. Raises NotFound."""
    chosen = select(PaymentInstruction).where(PaymentInstruction.id == payment_id).with_for_update()
    payment = session.scalar(chosen.execution_options(populate_existing=True))
    if payment is None:
        raise NotFound("there is no such instruction")
    return payment


def lock_all(session: Session, payment_ids: Collection[str]) -> dict[str, Standing]:
    """Instructions, locked in the order of their references, as they stand now. Raises NotFound."""
    chosen = select(*STANDING_COLUMNS).where(PaymentInstruction.id.in_(payment_ids)).order_by(PaymentInstruction.id)
    found = {row.id: Standing(*row) for row in session.execute(chosen.with_for_update())}
    if missing := set(payment_ids) - found.keys():
        raise NotFound(f"there is no such instruction: {min(missing)}")
    return found


def tell(services: Services, session: Session, payment: PaymentInstruction, *, actor: str) -> None:
    """Keep in the journal where an instruction stands now, and let its platform know."""
    services.journal.append_many(session, [_entry(payment, actor)])
    callbacks.announce(services, session, [callbacks.news_of(payment, services.clock())])


def _entry(payment: PaymentInstruction | Standing, actor: str) -> Entry:
    body = {"state": State(payment.state).value, "reasons": list(payment.reasons)}
    return Entry("payment-outcome", payment.id, actor, body)


class _Round:
    """Reports being applied: first decided upon one after another, then written together."""

    def __init__(self, services: Services, session: Session) -> None:
        self._services, self._session = services, session
        self._at = services.clock()
        self._core = services.core_banking(session, self._at)
        self._moved: dict[str, Standing] = {}
        self._steps: list[dict[str, Any]] = []
        self._transfers: list[Transfer] = []
        self._entries: list[Entry] = []
        self._news: list[callbacks.News] = []
        self._ended: list[str] = []
        self._unused: Counter[tuple[str, date]] = Counter()  # of an authorization's daily limit

    def apply(self, reports: Sequence[Report], locked: Mapping[str, Standing]) -> set[str]:
        for report in reports:
            self._take(locked[report.payment_id], report)
        self._write()
        return set(self._moved)

    def _take(self, payment: Standing, report: Report) -> None:
        state = report.state
        if state is State.RETURNED and payment.state in IN_FLIGHT:
            self._take(payment, Report(payment.id, State.SETTLED, facts={"by": "return"}))
        if not is_news(payment.state, state):
            return
        if state is State.SETTLED:
            self._move(payment, TransferKind.SETTLEMENT, _transit(payment), SETTLEMENT_ACCOUNT)
        elif state is State.RETURNED:
            self._move(payment, TransferKind.RETURN, SETTLEMENT_ACCOUNT, payment.payer_account)
        elif state in {State.REJECTED, State.CANCELLED}:
            self._give_back(payment)
        facts = dict(report.facts)
        if report.reason is not None:
            payment.reasons = [report.reason]
            facts = {"reason": report.reason, **facts}
        self._steps.append(payment.step(state, self._at, facts))
        self._moved[payment.id] = payment
        self._entries.append(_entry(payment, str(facts.get("approver", "clearing"))))
        self._news.append(callbacks.news_of(payment, self._at))
        if state in FINAL:  # nothing is to be sent any more
            self._ended.append(payment.id)

    def _give_back(self, payment: Standing) -> None:
        """The payer's money, and what was not paid after all of the day's limit."""
        payer = payment.payer_account
        if payment.state == State.HELD:
            self._core.release(payment.id)
        else:
            self._move(payment, TransferKind.REVERSAL, _transit(payment), payer)
            if payment.fee_minor:
                fee = Transfer(TransferKind.FEE_REFUND, FEE_ACCOUNT, payer, payment.fee_minor, payment.id)
                self._transfers.append(fee)
        day = payment.received_at.astimezone(BEIJING).date()
        self._unused[payment.authorization_id, day] += payment.amount_minor

    def _move(self, payment: Standing, kind: TransferKind, debit: str, credit: str) -> None:
        self._transfers.append(Transfer(kind, debit, credit, payment.amount_minor, payment.id))

    def _write(self) -> None:
        """In the order in which payments that are taken lock as well: accounts, then what was used of limits."""
        self._session.flush()
        self._write_steps()
        if self._transfers:
            locked = self._core.lock({transfer.credit_account for transfer in self._transfers})
            self._core.post(self._transfers, next_moment(locked.values(), self._services.clock()))
        for (authorization_id, day), amount in sorted(self._unused.items()):
            used = update(DailyUse).where(DailyUse.authorization_id == authorization_id, DailyUse.day == day)
            self._session.execute(used.values(used_minor=DailyUse.used_minor - amount))
        self._services.journal.append_many(self._session, self._entries)
        callbacks.announce(self._services, self._session, self._news)
        if self._ended:
            outbox.finish(self._session, OutboxKind.DISPATCH, self._ended)

    def _write_steps(self) -> None:
        """Those of a group mostly stand at the same place now: one statement for all that do."""
        alike: defaultdict[tuple[State, int, tuple[str, ...]], list[str]] = defaultdict(list)
        for payment in self._moved.values():
            alike[payment.state, payment.steps, tuple(payment.reasons)].append(payment.id)
        for (state, steps, reasons), ids in alike.items():
            moved = update(PaymentInstruction).where(PaymentInstruction.id.in_(sorted(ids)))
            values = {"state": state, "steps": steps, "reasons": list(reasons), "updated_at": self._at}
            self._session.execute(moved.values(values))
        if self._steps:
            self._session.execute(insert(PaymentStep), self._steps)


def _transit(payment: Standing) -> str:
    if payment.channel is None:
        raise ValueError(f"instruction {payment.id} was booked without a channel")
    return transit_account(Channel(payment.channel))
