"""The choice of the channel, its hours and its explanation."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.payments.channels import (
    BEIJING,
    PARAMETERS,
    Channel,
    ChannelQuery,
    choose_channel,
    hvps_opening,
    parameters_on,
)
from app.payments.workdays import CalendarUnknown, is_workday

NOW = PARAMETERS[-1]
WORKDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=BEIJING)


def beijing(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("amount", "same_bank", "branch_known", "channel"),
    [
        (10**15, True, False, Channel.BOOK),
        (1, False, False, Channel.IBPS),
        (NOW.ibps_limit_minor, False, False, Channel.IBPS),
        (NOW.ibps_limit_minor + 1, False, True, Channel.BEPS),
        (NOW.ibps_limit_minor + 1, False, False, None),
        (NOW.beps_limit_minor, False, True, Channel.BEPS),
        (NOW.beps_limit_minor + 1, False, True, Channel.HVPS),
        (10**15, False, True, Channel.HVPS),
    ],
)
def test_the_first_channel_that_may_carry_it(
    amount: int, same_bank: bool, branch_known: bool, channel: Channel | None
) -> None:
    choice = choose_channel(ChannelQuery(amount, same_bank, branch_known), NOW, WORKDAY_NOON)
    assert choice.channel is channel
    assert choice.opens_at is None
    assert [each.channel for each in choice.considered if each.taken] == ([channel] if channel else [])
    assert choice.parameters_version == NOW.version


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-20T17:14", None),  # Friday
        ("2026-11-20T17:15", "2026-11-22T20:30"),
        ("2026-11-20T20:30", "2026-11-22T20:30"),
        ("2026-11-22T20:29", "2026-11-22T20:30"),
        ("2026-11-22T20:30", None),  # Sunday evening belongs to Monday
        ("2026-11-23T17:15", "2026-11-23T20:30"),
        ("2026-11-23T23:59", None),
        ("2026-09-30T18:00", "2026-10-07T20:30"),  # National Day
        ("2026-10-10T12:00", None),  # a Saturday that is worked
    ],
)
def test_hours_of_the_large_value_system(at: str, opens: str | None) -> None:
    assert hvps_opening(NOW, beijing(at)) == (beijing(opens) if opens else None)


@given(st.integers(0, 353 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)))
def test_it_opens_when_it_says_and_not_before(at: datetime) -> None:
    opens = hvps_opening(NOW, at)
    if opens is not None:
        assert opens > at
        assert hvps_opening(NOW, opens) is None
        assert hvps_opening(NOW, opens - timedelta(seconds=1)) == opens


def test_a_year_that_nobody_announced_fails_loudly() -> None:
    with pytest.raises(CalendarUnknown, match="2099"):
        is_workday(date(2099, 1, 4))
    query = ChannelQuery(NOW.beps_limit_minor + 1, same_bank=False, branch_known=True)
    with pytest.raises(CalendarUnknown):
        choose_channel(query, NOW, datetime(2099, 1, 4, tzinfo=UTC))


def test_parameters_are_dated_and_have_sources() -> None:
    assert parameters_on(NOW.effective_on) == NOW
    assert {name for name, _ in NOW.sources} == {"hvps", "beps", "ibps"}
    with pytest.raises(LookupError):
        parameters_on(NOW.effective_on - timedelta(days=1))
