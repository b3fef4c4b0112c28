"""The simulated clearing decides once, remembers for ever, and tells when its time has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.payments.iso20022.messages import parse_message, to_xml
from app.payments.iso20022.values import (
    NOT_RECEIVED,
    ChannelStatement,
    CreditTransfer,
    CreditTransfers,
    Message,
    PaymentReturns,
    Status,
    StatusReport,
    StatusRequest,
    TransferStatus,
)
from app.payments.simulator.moods import CALM, MOODS, WORST, Mood
from app.payments.simulator.store import Store
from app.payments.simulator.system import Simulator
from tests.app.payments.iso20022.examples import DAY, MESSAGES, NOW, OTHER, REFERENCE, TRANSFER, TRANSFERS
from tests.conftest import FakeClock

SLOW = Mood("slow", delay=(10.0, 10.0))


class Side:
    """One simulator on a file, and what it said so far."""

    def __init__(self, folder: Path, clock: FakeClock, mood: Mood = CALM, seed: str = "") -> None:
        self.simulator = Simulator(Store(folder / "state.db"), mood, clock, seed)
        self._got: list[str] = []

    def send(self, message: Message) -> str | None:
        [refusal] = self.simulator.receive([to_xml(message)])
        return refusal

    def hear(self) -> list[Message]:
        found = self.simulator.collect(self._got, 100)
        self._got = [name for name, _ in found]
        return [parse_message(xml) for _, xml in found]

    def statuses(self) -> list[TransferStatus]:
        return [each for message in self.hear() if isinstance(message, StatusReport) for each in message.statuses]


@pytest.fixture
def side(tmp_path: Path, clock: FakeClock) -> Iterator[Side]:
    made = Side(tmp_path, clock)
    yield made
    made.simulator.close()


def many(count: int) -> CreditTransfers:
    transfers = tuple(replace(TRANSFER, reference=f"{number:026d}") for number in range(count))
    return CreditTransfers("M-many", NOW, "beps", DAY, transfers)


def test_it_settles_and_tells_once_acknowledged_nothing_more(side: Side) -> None:
    side.send(TRANSFERS)
    assert side.statuses() == [TransferStatus(REFERENCE, Status.SETTLED)]
    assert side.hear() == []


def test_what_is_not_acknowledged_is_told_again(side: Side) -> None:
    side.send(TRANSFERS)
    assert side.simulator.collect([], 10) == side.simulator.collect([], 10)


@pytest.mark.parametrize(
    ("changes", "channel", "reason"),
    [
        ({"payee_account": "62170000" + "0001"}, "ibps", "AC01"),
        ({"payee_account": "62170000" + "0002"}, "ibps", "AC04"),
        ({"clearing_code": "105331000010"}, "ibps", "RC01"),
        ({"amount_minor": 100_000_000 + 1}, "beps", "AM02"),
        ({"amount_minor": 100_000_000 + 1}, "hvps", None),
    ],
)
def test_what_is_wrong_with_a_transfer_is_refused_in_every_mood(
    side: Side, clock: FakeClock, changes: dict[str, object], channel: str, reason: str | None
) -> None:
    clock.advance(timedelta(days=1))  # a workday
    wrong = replace(TRANSFER, **changes)  # type: ignore[arg-type]
    side.send(CreditTransfers("M-1", NOW, channel, DAY, (wrong,)))
    [status] = side.statuses()
    assert (status.status, status.reason) == (Status.REJECTED if reason else Status.SETTLED, reason)


def test_the_limit_of_ibps_may_be_the_banks_own(tmp_path: Path, clock: FakeClock) -> None:
    simulator = Simulator(Store(tmp_path / "state.db"), CALM, clock, ibps_limit_minor=TRANSFER.amount_minor)
    above = replace(TRANSFER, reference=OTHER, amount_minor=TRANSFER.amount_minor + 1)
    assert simulator.receive([to_xml(CreditTransfers("M-1", NOW, "ibps", DAY, (TRANSFER, above)))]) == [None]
    assert {fate.reference: fate.reason for fate in simulator.fates()} == {REFERENCE: None, OTHER: "AM02"}
    simulator.close()


@pytest.mark.parametrize(
    ("hours", "reason"),
    [(0, "TM01"), (8, "TM01"), (9, None), (29, None), (30, "TM01")],
    ids=["Sunday noon", "Sunday 20:00", "Sunday 21:00", "Monday 17:00", "Monday 18:00"],
)
def test_a_large_amount_is_refused_while_its_channel_is_closed(
    side: Side, clock: FakeClock, hours: int, reason: str | None
) -> None:
    clock.advance(timedelta(hours=hours))
    side.send(CreditTransfers("M-1", NOW, "hvps", DAY, (TRANSFER,)))
    assert [status.reason for status in side.statuses()] == [reason]


def test_the_same_transfer_again_moves_nothing_and_another_under_its_name_is_refused(side: Side) -> None:
    side.send(TRANSFERS)
    side.send(replace(TRANSFERS, message_id="M-9"))
    assert len(side.simulator.fates()) == 1
    side.send(replace(TRANSFERS, message_id="M-10", transfers=(replace(TRANSFER, amount_minor=1),)))
    assert [each.reason for each in side.statuses()] == [None, "DUPL"]
    assert side.simulator.fates()[0].amount_minor == TRANSFER.amount_minor


def test_who_asks_hears_pending_then_the_end_and_of_a_stranger_that_it_never_came(
    tmp_path: Path, clock: FakeClock
) -> None:
    side = Side(tmp_path, clock, SLOW)
    side.send(TRANSFERS)
    asked = (REFERENCE, OTHER)
    side.send(StatusRequest("Q-1", NOW, asked))
    assert side.statuses() == [
        TransferStatus(REFERENCE, Status.PENDING),
        TransferStatus(OTHER, Status.REJECTED, NOT_RECEIVED),
    ]
    clock.advance(timedelta(seconds=10))
    assert [each.status for each in side.statuses()] == [Status.SETTLED]
    side.send(StatusRequest("Q-2", NOW, asked))
    assert [each.status for each in side.statuses()] == [Status.SETTLED, Status.REJECTED]


def test_a_restart_forgets_nothing_and_the_seed_decides_alike(tmp_path: Path, clock: FakeClock) -> None:
    first = Side(tmp_path / "a", clock, WORST, "7")
    first.send(many(50))
    first.simulator.close()
    again = Side(tmp_path / "a", clock, WORST, "7")
    twin = Side(tmp_path / "b", clock, WORST, "7")
    for transfer in reversed(many(50).transfers):  # in another order, one by one
        twin.send(CreditTransfers(f"M-{transfer.reference}", NOW, "beps", DAY, (transfer,)))
    ends = [
        [(each.reason, each.return_reason, each.returned_at) for each in s.simulator.fates()] for s in (again, twin)
    ]
    assert ends[0] == ends[1]
    clock.advance(timedelta(minutes=5))
    assert any(isinstance(message, PaymentReturns) for message in again.hear())


def test_the_worst_mood_is_silent_duplicates_and_sends_money_back(tmp_path: Path, clock: FakeClock) -> None:
    side = Side(tmp_path, clock, WORST, "1")
    side.send(many(200))
    clock.advance(timedelta(minutes=2))
    heard = [message for _ in range(5) for message in side.hear()]
    told = {each.reference for message in heard if isinstance(message, StatusReport) for each in message.statuses}
    names = [message.message_id for message in heard]
    assert 100 < len(told) < 200
    assert len(set(names)) < len(names)
    assert any(fate.reason for fate in side.simulator.fates())
    assert any(fate.returned_at for fate in side.simulator.fates())


def test_the_file_of_a_day_comes_when_the_day_is_over_and_has_all_of_it(tmp_path: Path, clock: FakeClock) -> None:
    mood = replace(MOODS["calm"], returned=1.0, return_delay=(60.0, 60.0))
    side = Side(tmp_path, clock, mood)
    side.send(TRANSFERS)
    assert side.simulator.statement("ibps", DAY) is None
    clock.advance(timedelta(days=1))
    xml = side.simulator.statement("ibps", DAY)
    assert xml is not None
    statement = parse_message(xml)
    assert isinstance(statement, ChannelStatement)
    assert [(each.amount_minor, each.returned) for each in statement.entries] == [(123_45, False), (123_45, True)]
    assert statement.net_minor == 0


def test_it_takes_only_what_a_bank_sends(side: Side) -> None:
    assert side.send(MESSAGES[2]) == "unsuitable: StatusReport"
    assert side.simulator.receive([b"<nonsense/>", to_xml(TRANSFERS)]) == ["not-iso-20022", None]
    assert len(side.simulator.fates()) == 1


def test_two_transfers_decided_together_are_told_together(side: Side) -> None:
    two: tuple[CreditTransfer, ...] = (TRANSFER, replace(TRANSFER, reference=OTHER))
    side.send(replace(TRANSFERS, transfers=two))
    [report] = side.hear()
    assert isinstance(report, StatusReport)
    assert len(report.statuses) == 2
