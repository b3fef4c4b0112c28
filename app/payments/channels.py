"""Which way money takes, as a pure function that explains itself.

Book transfer within the bank; otherwise IBPS (超级网银), BEPS (小额), HVPS (大额), the first that may carry
the amount. Limits and hours are dated parameters with their source (data/channels.json); a change is a new
entry there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.payments.workdays import is_workday

BEIJING = ZoneInfo("Asia/Shanghai")
_DATA = Path(__file__).parent / "data" / "channels.json"


class Channel(StrEnum):
    """A way from account to account."""

    BOOK = "book"
    IBPS = "ibps"
    BEPS = "beps"
    HVPS = "hvps"


@dataclass(frozen=True, slots=True)
class ChannelParameters:
    """Limits in fen, hours in Beijing time, in force from `effective_on`.

    `hvps_opens` is on the day before the workday.
    """

    version: str
    effective_on: date
    hvps_opens: time
    hvps_closes: time
    beps_limit_minor: int
    ibps_limit_minor: int
    most_transfers: tuple[tuple[Channel, int], ...]
    sources: tuple[tuple[str, str], ...]

    def most_in_message(self, channel: Channel) -> int:
        """How many transfers one message may carry: the real-time systems take them one by one, BEPS in bulk."""
        return dict(self.most_transfers)[channel]


@dataclass(frozen=True, slots=True)
class ChannelQuery:
    """What the choice depends on. `branch_known` says whether a clearing code of the branch is there."""

    amount_minor: int
    same_bank: bool
    branch_known: bool


@dataclass(frozen=True, slots=True)
class Considered:
    """One channel that was looked at, and why it was taken or not."""

    channel: Channel
    taken: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """`channel` is None where none may carry it.

    `opens_at` (UTC-comparable) is set where it must wait until then.
    """

    channel: Channel | None
    opens_at: datetime | None
    considered: tuple[Considered, ...]
    parameters_version: str


def parameters_on(day: date, ibps_limit_minor: int | None = None) -> ChannelParameters:
    """The newest parameters in force on a day (Beijing), with the participant's own limit for IBPS where one is set.

    Raises LookupError before the first ones.
    """
    in_force = [parameters for parameters in PARAMETERS if parameters.effective_on <= day]
    if not in_force:
        raise LookupError(f"no channel parameters are known for {day.isoformat()}")
    newest = max(in_force, key=lambda parameters: parameters.effective_on)
    if ibps_limit_minor is None:
        return newest
    return replace(newest, version=f"{newest.version}+ibps-{ibps_limit_minor}", ibps_limit_minor=ibps_limit_minor)


def choose_channel(
    query: ChannelQuery,
    parameters: ChannelParameters,
    at: datetime,
    workday: Callable[[date], bool] = is_workday,
) -> ChannelChoice:
    """Choose for an aware moment.

    Raises CalendarUnknown where HVPS needs a workday of a year that is not known.
    """
    if query.same_bank:
        return _taken(Channel.BOOK, "same-bank", None, (), parameters)
    passed: list[Considered] = []
    if query.amount_minor <= parameters.ibps_limit_minor:
        return _taken(Channel.IBPS, "within-limit", None, passed, parameters)
    passed.append(Considered(Channel.IBPS, False, "above-limit"))
    if not query.branch_known:
        passed.extend(Considered(channel, False, "needs-branch") for channel in (Channel.BEPS, Channel.HVPS))
        return ChannelChoice(None, None, tuple(passed), parameters.version)
    if query.amount_minor <= parameters.beps_limit_minor:
        return _taken(Channel.BEPS, "within-limit", None, passed, parameters)
    passed.append(Considered(Channel.BEPS, False, "above-limit"))
    opens_at = hvps_opening(parameters, at, workday)
    reason = "open" if opens_at is None else "closed-until-next-workday"
    return _taken(Channel.HVPS, reason, opens_at, passed, parameters)


def hvps_opening(
    parameters: ChannelParameters, at: datetime, workday: Callable[[date], bool] = is_workday
) -> datetime | None:
    """None while HVPS is open at an aware moment, otherwise when it opens next (Beijing time).

    Raises CalendarUnknown.
    """
    local = at.astimezone(BEIJING)
    day = local.date()
    while True:
        opens = datetime.combine(day - timedelta(days=1), parameters.hvps_opens, BEIJING)
        closes = datetime.combine(day, parameters.hvps_closes, BEIJING)
        if local < closes and workday(day):
            return None if opens <= local else opens
        day += timedelta(days=1)


def _taken(
    channel: Channel,
    reason: str,
    opens_at: datetime | None,
    passed: list[Considered] | tuple[()],
    parameters: ChannelParameters,
) -> ChannelChoice:
    return ChannelChoice(channel, opens_at, (*passed, Considered(channel, True, reason)), parameters.version)


def _read_parameters() -> tuple[ChannelParameters, ...]:
    entries: list[dict[str, Any]] = json.loads(_DATA.read_text(encoding="utf-8"))
    return tuple(
        ChannelParameters(
            version=entry["version"],
            effective_on=date.fromisoformat(entry["effective_on"]),
            hvps_opens=time.fromisoformat(entry["hvps_opens"]),
            hvps_closes=time.fromisoformat(entry["hvps_closes"]),
            beps_limit_minor=entry["beps_limit_minor"],
            ibps_limit_minor=entry["ibps_limit_minor"],
            most_transfers=tuple((Channel(name), most) for name, most in entry["most_transfers"].items()),
            sources=tuple(entry["sources"].items()),
        )
        for entry in entries
    )


PARAMETERS = _read_parameters()
