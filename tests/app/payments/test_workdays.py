"""The working calendar ends with a warning and not with a surprise."""

import logging
from datetime import UTC, datetime

import pytest

from app.payments import workdays
from app.wiring import Services
from tests.conftest import FakeClock


@pytest.mark.parametrize(("year", "warnings"), [(2025, 0), (2098, 1)])
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_operators_are_told_a_month_ahead(
    services: Services, clock: FakeClock, caplog: pytest.LogCaptureFixture, year: int, warnings: int
) -> None:
    clock.now = datetime(year, 12, 2, tzinfo=UTC)
    caplog.set_level(logging.WARNING, logger=workdays.__name__)
    assert workdays.warn_before_end(services) == warnings
    assert (
        caplog.messages
        == [f"the working calendar of {year + 1} is not known; update the package chinesecalendar"][:warnings]
    )
