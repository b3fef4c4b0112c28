"""The rules of funds risk control."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.payments.party_text import folded_name
from app.payments.risk import RULES, STANDARD, Outcome, RiskVerdict, assess
from app.payments.risk_facts import NOTHING, Activity, RiskFacts

CALM = RiskFacts(
    amount_minor=STANDARD.platform_custody_ceiling_minor + 1,
    payer_account="6221",
    payee_account="6222",
    payee_name="苏州供应商有限公司",
    custody="agent",
    at=datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
    payee=NOTHING,
    payer=NOTHING,
    application=NOTHING,
)
KNOWN = CALM._replace(payee=Activity(1, 100, 100))
NIGHT = CALM.at.replace(hour=15, minute=30)
SUNDAY = CALM.at.replace(day=22)
POLICY = replace(STANDARD, blocked=frozenset({"666", folded_name("坏人 公司")}), watched=frozenset({"777"}))
BUSY = Activity(0, 0, 0, STANDARD.application_attempts_per_minute + 1)
HABIT = Activity(STANDARD.history_least_payments, 0, STANDARD.history_floor_minor // STANDARD.history_factor)


def rules(verdict: RiskVerdict) -> list[str]:
    return [finding.rule for finding in verdict.findings]


def test_an_ordinary_payment_passes_every_rule_and_says_by_which_policy() -> None:
    verdict = assess(CALM, STANDARD)
    assert verdict.to_json() == {"policy": STANDARD.name, "version": STANDARD.version, "outcome": "pass"}
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (CALM._replace(custody="platform"), "custody-ceiling"),
        (CALM._replace(payee_account="666"), "blocked-payee"),
        (CALM._replace(payee_name="坏人公司"), "blocked-payee"),
        (CALM._replace(payer=Activity(0, 0, 0, STANDARD.payer_attempts_per_minute + 1)), "velocity"),
        (
            CALM._replace(application=Activity(0, 0, 0, STANDARD.application_attempts_per_minute + 1)),
            "platform-velocity",
        ),
        (CALM._replace(at=NIGHT, amount_minor=STANDARD.night_new_payee_ceiling_minor + 1), "night-new-payee"),
    ],
)
def test_each_rule_refuses_for_its_own_reason(facts: RiskFacts, rule: str) -> None:
    verdict = assess(facts, POLICY)
    assert verdict.outcome is Outcome.REFUSE
    assert rules(verdict) == [rule]
    assert verdict.reasons == [f"risk-{rule}"]
    assert verdict.findings[0].why


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (CALM._replace(payee_account="777"), "watched-payee"),
        (CALM._replace(at=SUNDAY, amount_minor=STANDARD.holiday_new_payee_ceiling_minor + 1), "holiday-new-payee"),
        (CALM._replace(amount_minor=STANDARD.new_payee_ceiling_minor + 1), "new-payee"),
        (KNOWN._replace(amount_minor=STANDARD.large_amount_minor + 1), "large-amount"),
        (KNOWN._replace(amount_minor=STANDARD.history_floor_minor + 1, payer=HABIT), "unlike-history"),
    ],
)
def test_each_rule_holds_for_its_own_reason(facts: RiskFacts, rule: str) -> None:
    verdict = assess(facts, POLICY)
    assert verdict.outcome is Outcome.HOLD
    assert rules(verdict) == [rule]
    assert verdict.reasons == [f"hold-{rule}"]
    assert verdict.to_json()["findings"][0]["rule"] == rule


@pytest.mark.parametrize(
    "facts",
    [
        CALM._replace(custody="platform", amount_minor=STANDARD.platform_custody_ceiling_minor),
        CALM._replace(payer=Activity(0, 0, 0, STANDARD.payer_attempts_per_minute)),
        CALM._replace(application=Activity(0, 0, 0, STANDARD.application_attempts_per_minute)),
        KNOWN._replace(at=NIGHT, amount_minor=STANDARD.night_new_payee_ceiling_minor + 1),
        CALM._replace(at=NIGHT, amount_minor=STANDARD.night_new_payee_ceiling_minor),
        CALM._replace(at=SUNDAY, amount_minor=STANDARD.holiday_new_payee_ceiling_minor),
        CALM._replace(amount_minor=STANDARD.new_payee_ceiling_minor),
        KNOWN._replace(amount_minor=STANDARD.large_amount_minor),
        KNOWN._replace(amount_minor=STANDARD.history_floor_minor, payer=HABIT),
        KNOWN._replace(amount_minor=STANDARD.history_floor_minor + 1, payer=HABIT._replace(payments=1)),
        CALM._replace(payee_name="坏人公司二"),
    ],
)
def test_what_is_just_within_passes(facts: RiskFacts) -> None:
    assert assess(facts, POLICY).outcome is Outcome.PASS


def test_a_refusal_outweighs_a_hold_and_both_are_told() -> None:
    verdict = assess(CALM._replace(payee_account="666", amount_minor=STANDARD.large_amount_minor + 1), POLICY)
    assert verdict.outcome is Outcome.REFUSE
    assert {"blocked-payee", "large-amount"} <= set(rules(verdict))
    assert verdict.reasons == ["risk-blocked-payee"]


def test_a_day_that_the_calendar_does_not_know_is_judged_as_a_holiday() -> None:
    far = CALM._replace(at=CALM.at.replace(year=2099), amount_minor=STANDARD.holiday_new_payee_ceiling_minor + 1)
    assert rules(assess(far, POLICY)) == ["holiday-new-payee"]
