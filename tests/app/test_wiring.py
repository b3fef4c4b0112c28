"""Connections: whoever holds one gets a second without waiting for others who hold one too."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool

from app.certificates.epoch import RevocationEpoch
from app.wiring import Services


def _take_all_but_one(services: Services, held: ExitStack) -> None:
    pool = services.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.01
    for _ in range(pool.size() + pool._max_overflow - 1):
        held.enter_context(services.engine.connect())


def test_a_transaction_reads_the_epoch_though_the_pool_is_empty(services: Services) -> None:
    with ExitStack() as held:
        _take_all_but_one(services, held)
        with services.transaction() as session:
            session.execute(text("SELECT 1"))
            assert RevocationEpoch(services).current() >= 0
            with pytest.raises(PoolExhausted):
                services.engine.connect()
    with services.reading() as session:
        session.execute(text("SELECT 1"))
        assert RevocationEpoch(services).current() >= 0


def test_the_pool_serves_whoever_holds_nothing(services: Services) -> None:
    for _ in range(2):
        with services.reading() as session:
            assert session.get_bind() is services.engine
        with services.transaction() as session:
            assert session.get_bind() is services.engine
