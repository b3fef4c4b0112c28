"""The simulated clearing systems: what arrives is decided at once and told when its time has come.

The fate of a transfer follows from the seed and its reference alone, so it is the same after a restart and in
whatever order things arrive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random

from app.payments.channels import BEIJING, Channel, ChannelParameters, hvps_opening, parameters_on
from app.payments.iso20022.errors import MessageRefused
from app.payments.iso20022.messages import parse_message, to_xml
from app.payments.iso20022.values import (
    NOT_RECEIVED,
    ChannelStatement,
    CreditTransfer,
    CreditTransfers,
    PaymentReturns,
    ReturnedTransfer,
    StatementEntry,
    Status,
    StatusReport,
    StatusRequest,
    TransferStatus,
)
from app.payments.simulator.moods import Mood
from app.payments.simulator.store import Fate, Mail, Store
from app.payments.workdays import CalendarUnknown
from app.routing.clearing_code import InvalidClearingCode, parse_clearing_code
from pki.ports import Clock

_REASONS = ("AC01", "AC04", "AC06", "BE01", "MD07")  # ExternalStatusReason1Code
_RETURN_REASONS = ("AC04", "BE04", "MS02", "CUST")  # ExternalReturnReason1Code
_DUPLICATE = "DUPL"


class Simulator:
    """The other side. Safe to share between threads; a second process on the same file sees the same."""

    def __init__(
        self, store: Store, mood: Mood, clock: Clock, seed: str = "", ibps_limit_minor: int | None = None
    ) -> None:
        self._store = store
        self._mood = mood
        self._clock = clock
        self._seed = seed
        self._ibps_limit_minor = ibps_limit_minor

    def receive(self, messages: Sequence[bytes]) -> list[str | None]:
        """Take messages, all at once; the same again changes nothing. Gives of each why it is not taken, or None."""
        read = [_read(xml) for xml in messages]
        with self._store.transaction():
            for message in read:
                if isinstance(message, CreditTransfers):
                    self._receive_transfers(message)
                elif isinstance(message, StatusRequest):
                    self._answer_request(message)
        return [message if isinstance(message, str) else None for message in read]

    def collect(self, acknowledged: Sequence[str], most: int) -> list[tuple[str, bytes]]:
        """(delivery id, xml) of what is due and was not acknowledged."""
        return [(mail.id, mail.xml) for mail in self._store.collect(acknowledged, self._now(), most)]

    def statement(self, channel: str, day: date) -> bytes | None:
        """The end-of-day file of a day that is over in Beijing; None for today and later."""
        now = self._clock()
        if day >= now.astimezone(BEIJING).date():
            return None
        entries = tuple(StatementEntry(*row) for row in self._store.settled_on(channel, day.isoformat()))
        name = f"EOD-{channel}-{day:%Y%m%d}"
        return to_xml(ChannelStatement(name, now, channel, day, entries))

    def fates(self) -> list[Fate]:
        """What became, or will become, of everything that arrived."""
        return self._store.fates()

    def close(self) -> None:
        """Let go of the state."""
        self._store.close()

    def _receive_transfers(self, message: CreditTransfers) -> None:
        new = []
        doubtful = []
        for transfer in message.transfers:
            known = self._store.find(transfer.reference)
            if known is None:
                fate = self._decide(message, transfer)
                self._store.add(fate)
                new.append(fate)
            elif known.digest != _digest(message.channel, transfer):
                doubtful.append(TransferStatus(transfer.reference, Status.REJECTED, _DUPLICATE))
        if doubtful:
            self._store.post([self._report(f"{message.message_id}-D", message.message_id, doubtful, self._now())])
        self._store.post(list(self._tell(message, new)))

    def _decide(self, message: CreditTransfers, transfer: CreditTransfer) -> Fate:
        mood, chance = self._mood, self._chance(transfer.reference)
        decided_at = self._now() + chance.uniform(*mood.delay)
        parameters = parameters_on(_day(decided_at), self._ibps_limit_minor)
        reason = find_fault(message.channel, transfer, parameters, self._clock())
        if reason is None and chance.random() < mood.rejected:
            reason = chance.choice(_REASONS)
        fate = Fate(
            reference=transfer.reference,
            digest=_digest(message.channel, transfer),
            message_id=message.message_id,
            channel=message.channel,
            amount_minor=transfer.amount_minor,
            reason=reason,
            decided_at=decided_at,
            day=_day(decided_at).isoformat(),
        )
        if reason is not None or chance.random() >= mood.returned:
            return fate
        returned_at = decided_at + chance.uniform(*mood.return_delay)
        return replace(
            fate,
            return_reason=chance.choice(_RETURN_REASONS),
            returned_at=returned_at,
            return_day=_day(returned_at).isoformat(),
        )

    def _tell(self, message: CreditTransfers, fates: Iterable[Fate]) -> Iterable[Mail]:
        """Reports of all that is told without being asked: together where it was decided together."""
        told: dict[float, list[Fate]] = {}
        for fate in fates:
            if self._chance(fate.reference, "silent").random() >= self._mood.silent:
                told.setdefault(fate.decided_at, []).append(fate)
            if fate.returned_at is not None:
                yield self._return(fate, fate.returned_at)
        for place, (decided_at, group) in enumerate(sorted(told.items())):
            name = f"{message.message_id}-S{place}"
            statuses = [_final_status(fate) for fate in group]
            chance = self._chance(name)
            if chance.random() < self._mood.pending:
                pending = [TransferStatus(fate.reference, Status.PENDING) for fate in group]
                yield self._report(f"{name}P", message.message_id, pending, self._now())
            report = self._report(name, message.message_id, statuses, decided_at)
            yield report
            if chance.random() < self._mood.duplicated:
                yield Mail(f"{report.id}-again", report.xml, decided_at)
                yield self._report(f"{name}X", message.message_id, statuses, decided_at + chance.uniform(0, 5))

    def _answer_request(self, request: StatusRequest) -> None:
        statuses = []
        for reference in request.references:
            fate = self._store.find(reference)
            if fate is None:
                statuses.append(TransferStatus(reference, Status.REJECTED, NOT_RECEIVED))
            elif fate.decided_at > self._now():
                statuses.append(TransferStatus(reference, Status.PENDING))
            else:
                statuses.append(_final_status(fate))
        self._store.post([self._report(f"{request.message_id}-A", request.message_id, statuses, self._now())])

    def _report(self, name: str, about: str, statuses: Sequence[TransferStatus], due_at: float) -> Mail:
        created = datetime.fromtimestamp(due_at, UTC)
        return Mail(name, to_xml(StatusReport(name, created, about, tuple(statuses))), due_at)

    def _return(self, fate: Fate, returned_at: float) -> Mail:
        name = f"R-{fate.reference}"
        returned = ReturnedTransfer(fate.reference, fate.amount_minor, fate.return_reason or _RETURN_REASONS[0])
        created = datetime.fromtimestamp(returned_at, UTC)
        message = PaymentReturns(name, created, fate.channel, _day(returned_at), (returned,))
        return Mail(name, to_xml(message), returned_at)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _chance(self, *names: str) -> Random:
        return Random("/".join((self._seed, *names)))  # noqa: S311 - behaviour, not secrets


def _read(xml: bytes) -> CreditTransfers | StatusRequest | str:
    """What a bank may send, or why this is nothing of the kind."""
    try:
        message = parse_message(xml)
    except MessageRefused as exc:
        return str(exc)
    return message if isinstance(message, CreditTransfers | StatusRequest) else f"unsuitable: {type(message).__name__}"


def find_fault(channel: str, transfer: CreditTransfer, parameters: ChannelParameters, at: datetime) -> str | None:
    """What every mood refuses a transfer for that comes at an aware moment, as ExternalStatusReason1Code; None where it
    may settle. Pure.

    Accounts ending in 0001 do not exist at the other banks, those ending in 0002 are closed.
    """
    limits = {Channel.IBPS: parameters.ibps_limit_minor, Channel.BEPS: parameters.beps_limit_minor}
    if transfer.amount_minor > limits.get(Channel(channel), transfer.amount_minor):
        return "AM02"
    if channel == Channel.HVPS and not _is_open(parameters, at):
        return "TM01"
    if transfer.clearing_code is not None:
        try:
            parse_clearing_code(transfer.clearing_code)
        except InvalidClearingCode:
            return "RC01"
    return {"0001": "AC01", "0002": "AC04"}.get(transfer.payee_account[-4:])


def _is_open(parameters: ChannelParameters, at: datetime) -> bool:
    try:
        return hvps_opening(parameters, at) is None
    except CalendarUnknown:
        return False


def _final_status(fate: Fate) -> TransferStatus:
    status = Status.SETTLED if fate.reason is None else Status.REJECTED
    return TransferStatus(fate.reference, status, fate.reason)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).date()


def _digest(channel: str, transfer: CreditTransfer) -> str:
    return hashlib.sha256(repr((channel, transfer)).encode()).hexdigest()
