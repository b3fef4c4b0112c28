"""Statutory workdays of mainland China, with the exchanged weekends (调休) that the State Council announces
each autumn.
"""

from __future__ import annotations

from datetime import date

import chinese_calendar


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
