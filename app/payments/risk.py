"""Funds risk control (资金风控): pure rules with name and version, each decision explained and kept.

A policy is a value; changing a figure means a new version, so that an old decision can be understood for ever. A rule
that has nothing to say returns None and costs nothing: it runs for every item of a payroll.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

from app.payments.channels import BEIJING
from app.payments.party_text import folded_name
from app.payments.risk_facts import RiskFacts
from app.payments.workdays import CalendarUnknown, is_workday


class Outcome(StrEnum):
    """What a rule says, from mild to strict."""

    PASS = "pass"  # noqa: S105 - not a password
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """The figures that the rules use; amounts in fen, hours of the day in Beijing time, counts of 60 s.

    The lists hold account numbers and folded names.
    """

    name: str
    version: int
    platform_custody_ceiling_minor: int
    payer_attempts_per_minute: int
    application_attempts_per_minute: int
    night_from: int
    night_until: int
    night_new_payee_ceiling_minor: int
    holiday_new_payee_ceiling_minor: int
    new_payee_ceiling_minor: int
    large_amount_minor: int
    history_least_payments: int
    history_factor: int
    history_floor_minor: int
    blocked: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule has against a payment."""

    rule: str
    version: int
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """The strictest of all findings, and all of them; a rule that passed left none."""

    policy: str
    policy_version: int
    outcome: Outcome
    findings: tuple[Finding, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Stable codes: `risk-<rule>` of what refuses, or where nothing does `hold-<rule>` of what holds."""
        prefix = "risk" if self.outcome is Outcome.REFUSE else "hold"
        return [f"{prefix}-{each.rule}" for each in self.findings if each.outcome is self.outcome]

    def to_json(self) -> dict[str, Any]:
        """As it is kept with the payment."""
        facts: dict[str, Any] = {
            "policy": self.policy,
            "version": self.policy_version,
            "outcome": str(self.outcome),
        }
        if self.findings:
            facts["findings"] = [asdict(each) | {"outcome": each.outcome.value} for each in self.findings]
        return facts


STANDARD = RiskPolicy(
    name="standard",
    version=2,
    platform_custody_ceiling_minor=5_000_00,
    payer_attempts_per_minute=3_000,
    application_attempts_per_minute=600_000,
    night_from=23,
    night_until=6,
    night_new_payee_ceiling_minor=500_000_00,
    holiday_new_payee_ceiling_minor=2_000_000_00,
    new_payee_ceiling_minor=3_000_000_00,
    large_amount_minor=5_000_000_00,
    history_least_payments=10,
    history_factor=10,
    history_floor_minor=500_000_00,
)


def assess(facts: RiskFacts, policy: RiskPolicy) -> RiskVerdict:
    """Ask every rule; the strictest word holds."""
    findings = tuple(finding for rule in RULES if (finding := rule(facts, policy)) is not None)
    if not findings:
        return RiskVerdict(policy.name, policy.version, Outcome.PASS)
    refused = any(finding.outcome is Outcome.REFUSE for finding in findings)
    return RiskVerdict(policy.name, policy.version, Outcome.REFUSE if refused else Outcome.HOLD, findings)


def custody_ceiling(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """A platform that holds the enterprise's key has both identities, so one break-in is enough: small sums only."""
    ceiling = policy.platform_custody_ceiling_minor
    if facts.custody != "platform" or facts.amount_minor <= ceiling:
        return None
    return Finding("custody-ceiling", 1, Outcome.REFUSE, f"key held by the platform, ceiling {ceiling}")


def blocked_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """The payee's account or name is on the block list."""
    if not policy.blocked or not _is_listed(facts, policy.blocked):
        return None
    return Finding("blocked-payee", 2, Outcome.REFUSE, "on the block list")


def watched_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """The payee's account or name is on the watch list: a person looks first."""
    if not policy.watched or not _is_listed(facts, policy.watched):
        return None
    return Finding("watched-payee", 1, Outcome.HOLD, "on the watch list")


def velocity(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """More instructions from one account within a minute than the policy allows."""
    at_most = policy.payer_attempts_per_minute
    if facts.payer.last_minute <= at_most:
        return None
    return Finding("velocity", 2, Outcome.REFUSE, f"{facts.payer.last_minute} in 60 s, limit {at_most}")


def platform_velocity(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """More instructions from one application within a minute than the policy allows."""
    at_most = policy.application_attempts_per_minute
    if facts.application.last_minute <= at_most:
        return None
    return Finding("platform-velocity", 1, Outcome.REFUSE, f"{facts.application.last_minute} in 60 s, limit {at_most}")


def night_new_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """A large sum to somebody never paid before, at night in Beijing."""
    ceiling = policy.night_new_payee_ceiling_minor
    if facts.payee.payments or facts.amount_minor <= ceiling:
        return None
    hour = facts.at.astimezone(BEIJING).hour
    if policy.night_until <= hour < policy.night_from:
        return None
    return Finding("night-new-payee", 2, Outcome.REFUSE, f"hour {hour}, new payee, ceiling {ceiling}")


def holiday_new_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """A large sum to somebody never paid before, on a day on which the enterprise's people do not work."""
    ceiling = policy.holiday_new_payee_ceiling_minor
    if facts.payee.payments or facts.amount_minor <= ceiling:
        return None
    if not is_holiday(facts.at.astimezone(BEIJING).date()):
        return None
    return Finding("holiday-new-payee", 1, Outcome.HOLD, f"no workday, new payee, ceiling {ceiling}")


def new_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """A very large sum to somebody never paid before."""
    ceiling = policy.new_payee_ceiling_minor
    if facts.payee.payments or facts.amount_minor <= ceiling:
        return None
    return Finding("new-payee", 1, Outcome.HOLD, f"new payee, ceiling {ceiling}")


def large_amount(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """Above this a second person of the enterprise always looks."""
    if facts.amount_minor <= policy.large_amount_minor:
        return None
    return Finding("large-amount", 1, Outcome.HOLD, f"above {policy.large_amount_minor}")


def unlike_history(facts: RiskFacts, policy: RiskPolicy) -> Finding | None:
    """Many times the largest sum that this account ever paid."""
    largest = facts.payer.largest_minor
    if facts.amount_minor <= policy.history_floor_minor or facts.payer.payments < policy.history_least_payments:
        return None
    if facts.amount_minor <= largest * policy.history_factor:
        return None
    return Finding("unlike-history", 1, Outcome.HOLD, f"largest so far {largest}, factor {policy.history_factor}")


@lru_cache(maxsize=64)
def is_holiday(day: date) -> bool:
    """Whether nobody works that day. A day that the calendar does not know counts as a holiday: the stricter answer."""
    try:
        return not is_workday(day)
    except CalendarUnknown:
        return True


def _is_listed(facts: RiskFacts, entries: frozenset[str]) -> bool:
    return facts.payee_account in entries or folded_name(facts.payee_name) in entries


RULES: tuple[Callable[[RiskFacts, RiskPolicy], Finding | None], ...] = (
    custody_ceiling,
    blocked_payee,
    velocity,
    platform_velocity,
    night_new_payee,
    watched_payee,
    holiday_new_payee,
    new_payee,
    large_amount,
    unlike_history,
)
