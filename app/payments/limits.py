"""What an authorization allows: at once, and in one day of Beijing time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.gateway.problems import LimitExceeded
from app.payments.models import DailyUse


def use_limits(
    session: Session, authorization_id: str, amount_minor: int, day: date, limits: Mapping[str, int]
) -> None:
    """Count an amount (fen) against `single_minor` and `daily_minor`; the daily test and count are one
    statement.

    Raises LimitExceeded.
    """
    if amount_minor > limits["single_minor"]:
        raise LimitExceeded("the amount is above the limit for one payment")
    daily = limits["daily_minor"]
    if amount_minor > daily or not _count(session, authorization_id, amount_minor, day, daily):
        raise LimitExceeded("the amount is above what is left of the daily limit")


def give_back(session: Session, authorization_id: str, amount_minor: int, day: date) -> None:
    """Take an amount out of the day's count again, because the payment was rejected before it was booked."""
    session.execute(
        update(DailyUse)
        .where(DailyUse.authorization_id == authorization_id, DailyUse.day == day)
        .values(used_minor=DailyUse.used_minor - amount_minor)
        .execution_options(synchronize_session=False)
    )


def _count(session: Session, authorization_id: str, amount_minor: int, day: date, daily_minor: int) -> bool:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    row = {"authorization_id": authorization_id, "day": day, "used_minor": amount_minor}
    statement = dialect.insert(DailyUse).values(row)
    counted = statement.on_conflict_do_update(
        index_elements=[DailyUse.authorization_id, DailyUse.day],
        set_={"used_minor": DailyUse.used_minor + amount_minor},
        where=DailyUse.used_minor + amount_minor <= daily_minor,
    )
    return session.scalar(counted.returning(DailyUse.used_minor)) is not None
