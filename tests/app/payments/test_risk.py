"""The rules of funds risk control."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.payments.risk import RULES, STANDARD, Outcome, RiskFacts, assess

CALM = RiskFacts(
    amount_minor=STANDARD.platform_custody_ceiling_minor + 1,
    payee_account="6222",
    custody="agent",
    new_payee=True,
    recent_payments=0,
    at=datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
)
NIGHT = CALM.at.replace(hour=15, minute=30)
LARGE = STANDARD.night_new_payee_ceiling_minor + 1


def test_an_ordinary_payment_passes_every_rule() -> None:
    verdict = assess(CALM, STANDARD)
    assert verdict.outcome is Outcome.PASS
    assert len(verdict.findings) == len(RULES)
    assert (verdict.policy, verdict.policy_version) == (STANDARD.name, STANDARD.version)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (replace(CALM, custody="platform"), "custody-ceiling"),
        (replace(CALM, payee_account="666"), "blocked-payee"),
        (replace(CALM, recent_payments=STANDARD.payments_per_minute), "velocity"),
        (replace(CALM, at=NIGHT, amount_minor=LARGE), "night-new-payee"),
    ],
)
def test_each_rule_refuses_for_its_own_reason(facts: RiskFacts, rule: str) -> None:
    verdict = assess(facts, replace(STANDARD, blocked_payees=frozenset({"666"})))
    assert verdict.outcome is Outcome.REFUSE
    refused = [each for each in verdict.findings if each.outcome is Outcome.REFUSE]
    assert [each.rule for each in refused] == [rule]
    assert refused[0].why


@pytest.mark.parametrize(
    "facts",
    [
        replace(CALM, custody="platform", amount_minor=STANDARD.platform_custody_ceiling_minor),
        replace(CALM, recent_payments=STANDARD.payments_per_minute - 1),
        replace(CALM, at=NIGHT, amount_minor=LARGE, new_payee=False),
        replace(CALM, at=NIGHT, amount_minor=LARGE - 1),
        replace(CALM, amount_minor=LARGE),
    ],
)
def test_what_is_just_within_passes(facts: RiskFacts) -> None:
    assert assess(facts, STANDARD).outcome is Outcome.PASS
