"""The jobs process: everything in its time, and one failure stops nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.db import new_id
from app.identity.models import Account, LoginSession, Role, TenantKind
from app.identity.service import create_account, create_tenant
from app.identity.sessions import begin
from app.journal import JournalEntry
from app.once import Spent, spend
from app.operations import jobs
from app.wiring import Services
from tests.conftest import FakeClock


def count_waiting(services: Services) -> int:
    with services.reading() as session:
        return session.scalar(select(func.count()).where(JournalEntry.leaf_index.is_(None))) or 0


def test_every_job_runs_at_the_first_round_and_then_in_its_own_time(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def job(name: str, seconds: float) -> jobs.Job:
        return jobs.Job(name, timedelta(seconds=seconds), lambda _: done.append(name) or 0)

    monkeypatch.setattr(jobs, "JOBS", (job("often", 1), job("seldom", 60)))
    due: dict[str, datetime] = {}
    for _ in range(3):
        jobs.run_due(services, due)
    assert done == ["often", "seldom"]
    clock.advance(timedelta(seconds=1))
    jobs.run_due(services, due)
    assert done == ["often", "seldom", "often"]
    clock.advance(timedelta(minutes=1))
    jobs.run_due(services, due)
    assert sorted(done) == ["often", "often", "often", "seldom", "seldom"]


def test_a_job_that_fails_stops_no_other_and_is_tried_again(
    services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def fail(_: Services) -> int:
        done.append("failed")
        raise RuntimeError("the disk is full")

    second = timedelta(seconds=1)
    good = jobs.Job("good", second, lambda _: done.append("good") or 0)
    monkeypatch.setattr(jobs, "JOBS", (jobs.Job("bad", second, fail), good))
    due: dict[str, datetime] = {}
    jobs.run_due(services, due)
    clock.advance(second)
    jobs.run_due(services, due)
    assert done == ["failed", "good"] * 2


def test_the_real_jobs_seal_the_journal_and_forget_what_is_over(services: Services, clock: FakeClock) -> None:
    with services.transaction() as session:
        tenant = create_tenant(
            services, session, kind=TenantKind.BANK, name="银行", uscc="91110000MA01YL0AB9", actor="test"
        )
        account = create_account(
            services,
            session,
            tenant_id=tenant.id,
            login="officer",
            name="人",
            role=Role.AUDITOR,
            password=f"password {new_id()}",
            actor="test",
        ).account
        spend(session, "nonce", "key", "soon over", clock() + timedelta(minutes=1))
        spend(session, "nonce", "key", "later over", clock() + timedelta(days=2))
        begin(services, session, session.get_one(Account, account.id))
    assert count_waiting(services) > 0
    due: dict[str, datetime] = {}
    jobs.run_due(services, due)
    assert count_waiting(services) == 0
    with services.reading() as session:
        assert services.journal.verify(session).whole
        assert session.scalar(select(func.count()).select_from(Spent)) == 2
    clock.advance(timedelta(days=1))
    jobs.run_due(services, due)
    with services.reading() as session:
        assert session.scalar(select(func.count()).select_from(Spent)) == 1
        assert session.scalar(select(func.count()).select_from(LoginSession)) == 0
