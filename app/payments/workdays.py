"""Statutory workdays of mainland China, with the exchanged weekends (调休) that the State Council announces
each autumn.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import chinese_calendar

if TYPE_CHECKING:
    from app.wiring import Services

NOTICE = timedelta(days=30)  # in which a new calendar can be installed
log = logging.getLogger(__name__)


class CalendarUnknown(LookupError):
    """The calendar of this year is not known to the installed `chinesecalendar`; guessing would be worse."""

    def __init__(self, year: int) -> None:
        super().__init__(f"the working calendar of {year} is not known; update the package chinesecalendar")
        self.year = year


def is_workday(day: date) -> bool:
    """Raises CalendarUnknown outside the years that the package covers."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError as exc:
        raise CalendarUnknown(day.year) from exc


def warn_before_end(services: Services) -> int:
    """Tell operators while there is time: beyond the calendar no payment goes by HVPS, and every day is a holiday to
    risk control. Returns how many warnings were given."""
    day = (services.clock() + NOTICE).astimezone(ZoneInfo("Asia/Shanghai")).date()
    try:
        is_workday(day)
    except CalendarUnknown as unknown:
        log.warning("%s", unknown)
        return 1
    return 0
