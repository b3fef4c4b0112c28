"""End-of-day files: fetched once each, and all lines of a day when every channel's file is here."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta

import pytest

from app.payments import channel_files
from app.payments.clearing import embedded_clearing
from app.payments.iso20022.errors import MessageRefused
from app.payments.jobs import dispatch_outbox, fetch_channel_files
from tests.app.payments.test_jobs import Connection, send
from tests.app.payments.world import Bank
from tests.conftest import FakeClock

TODAY = date(2026, 11, 22)


def test_a_day_is_complete_when_every_file_is_here(routed_bank: Bank, clock: FakeClock) -> None:
    send(routed_bank, amount_minor=100)
    send(routed_bank, amount_minor=200, instruction_id="P-2", account="621700000001")
    dispatch_outbox(routed_bank.services)
    fetch_channel_files(routed_bank.services)
    with routed_bank.services.reading() as session:
        assert channel_files.entries(session, TODAY) is None
    clock.advance(timedelta(days=1))
    assert fetch_channel_files(routed_bank.services) == len(channel_files.CHANNELS)
    assert fetch_channel_files(routed_bank.services) == 0
    with routed_bank.services.reading() as session:
        lines = channel_files.entries(session, TODAY)
    assert lines is not None
    assert [(line.channel.value, line.amount_minor, line.returned) for line in lines] == [("ibps", 100, False)]


def test_another_days_file_is_refused(routed_bank: Bank, clock: FakeClock) -> None:
    clock.advance(timedelta(days=2))

    class Mixed(Connection):
        def statement(self, channel: str, day: date) -> bytes | None:
            return self.inner.statement(channel, TODAY)

    with closing(Mixed(routed_bank)) as clearing, pytest.raises(MessageRefused):
        channel_files.fetch(routed_bank.services, clearing)
    with closing(embedded_clearing(routed_bank.services)) as clearing:
        assert channel_files.fetch(routed_bank.services, clearing) > 0
