"""Too many failed log-ins from one network address, whatever the accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.identity import addresses, service
from app.identity.addresses import MOST_FAILURES, SLOTS, WINDOW
from app.identity.models import LogInCount, Role
from app.identity.problems import InvalidCredentials
from app.problems import TooManyRequests
from app.wiring import Services
from tests.app.identity.people import PASSWORD, Browser, People
from tests.conftest import FakeClock

ADDRESS = "192.0.2.7"


def count(services: Services, address: str, times: int = 1) -> None:
    for _ in range(times):
        addresses.count_log_in(services, address)


def test_one_more_than_allowed_is_refused_until_the_window_ends(services: Services, clock: FakeClock) -> None:
    count(services, ADDRESS, MOST_FAILURES)
    with pytest.raises(TooManyRequests) as refusal:
        count(services, ADDRESS)
    assert 0 < refusal.value.retry_after <= WINDOW
    count(services, "192.0.2.8")
    clock.advance(timedelta(seconds=WINDOW))
    count(services, ADDRESS)


def test_successes_do_not_count(services: Services) -> None:
    for _ in range(MOST_FAILURES + 5):
        count(services, ADDRESS)
        addresses.forgive_log_in(services, ADDRESS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("", "unix:", True),
    ],
)
def test_a_subscriber_is_one_address(services: Services, one: str, other: str, same: bool) -> None:
    count(services, one, MOST_FAILURES)
    if same:
        with pytest.raises(TooManyRequests):
            count(services, other)
    else:
        count(services, other)


def test_the_table_is_bounded(services: Services) -> None:
    for number in range(64):
        count(services, f"198.51.100.{number}")
    with services.reading() as session:
        assert session.scalar(select(func.max(LogInCount.slot))) < SLOTS
        assert session.scalar(select(func.count()).select_from(LogInCount)) <= 64


def test_a_guesser_is_told_to_wait_and_a_colleague_elsewhere_is_not(people: People) -> None:
    services = people.services
    for number in range(MOST_FAILURES):
        with pytest.raises(InvalidCredentials):
            service.log_in(services, login=f"nobody{number}", password=PASSWORD, code="000000", address="127.0.0.1")
    browser = Browser(people.app.test_client())
    sent = {"login": Role.AUDITOR, "password": PASSWORD, "code": people.code(Role.AUDITOR)}
    refused = browser.post("/login", **sent)
    assert refused.status_code == 429
    assert "操作太频繁" in refused.text
    assert service.log_in(services, **sent, address=ADDRESS)
