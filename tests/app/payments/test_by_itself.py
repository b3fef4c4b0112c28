"""What payments need done without anybody asking is done by the jobs process."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from app.operations import jobs
from app.payments.models import LedgerClosing
from app.payments.partitions import AHEAD
from tests.app.payments.test_batches import abandon, told
from tests.app.payments.world import OPENING, Bank, payment
from tests.conftest import FakeClock


def test_days_are_closed_batches_finished_held_payments_ended_and_partitions_made(bank: Bank, clock: FakeClock) -> None:
    services = bank.services
    batch = abandon(bank, "B-1")
    clock.advance(timedelta(hours=14))
    held = bank.pay(payment(instruction_id="held", amount_minor=OPENING // 2))  # so much was never paid before
    assert held.body["state"] == "held"
    due: dict[str, datetime] = {}
    clock.advance(timedelta(days=1, minutes=1))
    jobs.run_due(services, due)
    assert told(bank, batch)["state"] == "finished"
    assert bank.status(instruction_id="held").body["reasons"] == ["hold-expired"]
    with services.reading() as session:
        assert session.scalar(select(func.count()).select_from(LedgerClosing)) == 2
        if services.engine.dialect.name != "sqlite":
            days = (
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'payment_days' AND tablename LIKE '%transfers_20%'"
            )
            assert session.scalar(text(days)) >= AHEAD  # one day may have begun without its partition
