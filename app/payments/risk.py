"""Funds risk control (资金风控): pure rules with name and version, each decision explained and kept.

A policy is a value; changing a figure means a new version, so that an old decision can be understood for
ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.payments.channels import BEIJING


class Outcome(StrEnum):
    """What a rule says."""

    PASS = "pass"  # noqa: S105 - not a password
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """All that the rules may look at.

    `recent_payments` counts the payer account's instructions of the last 60 s.
    """

    amount_minor: int
    payee_account: str
    custody: str
    new_payee: bool
    recent_payments: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """The figures that the rules use; amounts in fen, hours of the day in Beijing time."""

    name: str
    version: int
    platform_custody_ceiling_minor: int
    payments_per_minute: int
    night_from: int
    night_until: int
    night_new_payee_ceiling_minor: int
    blocked_payees: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's word."""

    rule: str
    version: int
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """The strictest of all findings, and all of them."""

    policy: str
    policy_version: int
    outcome: Outcome
    findings: tuple[Finding, ...]


STANDARD = RiskPolicy(
    name="standard",
    version=1,
    platform_custody_ceiling_minor=5_000_00,
    payments_per_minute=3_000,
    night_from=23,
    night_until=6,
    night_new_payee_ceiling_minor=500_000_00,
)


def assess(facts: RiskFacts, policy: RiskPolicy) -> RiskVerdict:
    """Ask every rule. Refuses where any of them does."""
    findings = tuple(rule(facts, policy) for rule in RULES)
    refused = any(finding.outcome is Outcome.REFUSE for finding in findings)
    return RiskVerdict(policy.name, policy.version, Outcome.REFUSE if refused else Outcome.PASS, findings)


def _finding(rule: str, version: int, refused: bool, why: str) -> Finding:
    return Finding(rule, version, Outcome.REFUSE if refused else Outcome.PASS, why)


def custody_ceiling(facts: RiskFacts, policy: RiskPolicy) -> Finding:
    """A platform that holds the enterprise's key has both identities, so one break-in is enough: small sums
    only.
    """
    ceiling = policy.platform_custody_ceiling_minor
    refused = facts.custody == "platform" and facts.amount_minor > ceiling
    return _finding("custody-ceiling", 1, refused, f"custody {facts.custody}, ceiling {ceiling} for platform")


def blocked_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding:
    """The payee's account is on the block list."""
    return _finding("blocked-payee", 1, facts.payee_account in policy.blocked_payees, "block list looked up")


def velocity(facts: RiskFacts, policy: RiskPolicy) -> Finding:
    """More instructions from one account within a minute than the policy allows."""
    refused = facts.recent_payments >= policy.payments_per_minute
    why = f"{facts.recent_payments} in 60 s, limit {policy.payments_per_minute}"
    return _finding("velocity", 1, refused, why)


def night_new_payee(facts: RiskFacts, policy: RiskPolicy) -> Finding:
    """A large sum to somebody never paid before, at night in Beijing."""
    hour = facts.at.astimezone(BEIJING).hour
    night = hour >= policy.night_from or hour < policy.night_until
    refused = night and facts.new_payee and facts.amount_minor > policy.night_new_payee_ceiling_minor
    why = f"hour {hour}, new payee {facts.new_payee}, ceiling {policy.night_new_payee_ceiling_minor}"
    return _finding("night-new-payee", 1, refused, why)


RULES: tuple[Callable[[RiskFacts, RiskPolicy], Finding], ...] = (
    custody_ceiling,
    blocked_payee,
    velocity,
    night_new_payee,
)
