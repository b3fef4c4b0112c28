"""Whole names, today's and former ones, and notes behind them."""

from datetime import date

from app.routing.clearing_code import check_digit
from app.routing.directory import Branch, DirectoryContent, FormerName, make_directory
from app.routing.model import load_model
from app.routing.recognition import Decision, Recogniser, RoutingQuery


def code(first11: str) -> str:
    return first11 + check_digit(first11)


BRANCHES = [
    Branch(code("10523200001"), "中国建设银行股份有限公司沈阳沈海支行", "ccb", "2210"),
    Branch(code("10523200002"), "中国建设银行股份有限公司沈阳浑河支行", "ccb", "2210"),
    Branch(code("10233600001"), "中国工商银行股份有限公司杭州分行", "icbc", "3310"),
]
FORMER = [
    FormerName(BRANCHES[0].code, "中国建设银行沈阳沈海分理处", date(2025, 5, 13)),
    FormerName(BRANCHES[0].code, "中国建设银行沈阳沈海支行", date(2024, 5, 13)),
    FormerName(BRANCHES[1].code, "中国建设银行沈阳沈海支行", date(2026, 3, 16)),
]
RECOGNISER = Recogniser(make_directory(DirectoryContent("names", "official", BRANCHES, (), FORMER)), load_model())


def test_a_whole_name_needs_no_guess() -> None:
    found = RECOGNISER.recognise(RoutingQuery("中国建设银行沈阳浑河支行"))
    assert (found.decision, found.reasons, found.branch) == (Decision.AUTO, ("exact-name",), BRANCHES[1])


def test_a_whole_former_name_leads_to_the_branch_with_its_day() -> None:
    found = RECOGNISER.recognise(RoutingQuery("中国建设银行股份有限公司沈阳沈海分理处"))
    assert found.branch == BRANCHES[0]
    assert "former-name" in found.reasons
    assert found.candidates[0].former == FORMER[0]


def test_a_name_that_was_anothers_is_a_question_with_todays_first() -> None:
    found = RECOGNISER.recognise(RoutingQuery("中国建设银行沈阳沈海支行"))
    assert found.decision is Decision.CONFIRM
    assert [match.branch for match in found.candidates] == BRANCHES[:2]
    assert "branch-not-unique" in found.reasons


def test_notes_behind_a_name_do_not_count() -> None:
    for note in ("（对公）", " 电话0571-88886666", "，行号请查"):
        found = RECOGNISER.recognise(RoutingQuery(f"工行杭州分行{note}"))
        assert found.candidates[0].branch == BRANCHES[2], note
