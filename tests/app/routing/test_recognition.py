"""From what people type to a decision."""

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.routing.clearing_code import check_digit
from app.routing.directory import Branch, Directory, DirectoryContent, FormerName, make_directory
from app.routing.model import load_model
from app.routing.recognition import MAX_CANDIDATES, Decision, Recogniser, Resolution, RoutingQuery
from app.routing.sandbox import generate_sandbox

SANDBOX = make_directory(DirectoryContent("sandbox-1", "sandbox", list(generate_sandbox())))


def recognise(query: RoutingQuery, directory: Directory) -> Resolution:
    return Recogniser(directory, load_model()).recognise(query)


def code(first11: str) -> str:
    return first11 + check_digit(first11)


OWN = [
    Branch(code("10230509001"), "中国工商银行股份有限公司苏州中山路支行", "icbc", "3050"),
    Branch(code("10230509002"), "中国工商银行股份有限公司苏州中山北路支行", "icbc", "3050"),
    Branch(code("10229009001"), "中国工商银行股份有限公司上海市中山路支行", "icbc", "2900"),
    Branch(code("10558109001"), "中国建设银行股份有限公司广州北京路支行", "ccb", "5810"),
    Branch(code("31333109001"), "杭州银行股份有限公司西湖支行", "hangzhou", "3310"),
    Branch(code("40233609001"), "浙江德清农村商业银行股份有限公司乾元支行", "浙江德清农村商业银行", "3310"),
    Branch(code("10430509001"), "中国银行股份有限公司苏州观前支行", "boc", "3050"),
    Branch(code("10430509002"), "中国银行股份有限公司苏州观前支行", "boc", "3050"),
]
FORMER = [FormerName(OWN[0].code, "中国工商银行股份有限公司苏州玄妙观支行", date(2025, 5, 13))]
_PLACES = {(branch.bank_id, branch.area_code) for branch in OWN}
REST = [b for b in generate_sandbox() if (b.bank_id, b.area_code) not in _PLACES or "分行营业部" in b.name]
DIRECTORY = make_directory(DirectoryContent("test-1", "official", [*OWN, *REST], (), FORMER))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("中国工商银行股份有限公司苏州中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("工行苏州中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("工商银行江苏省苏州市分行中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("苏州 工商銀行 中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("ICBC Suzhou 中山北路支行", "中国工商银行股份有限公司苏州中山北路支行"),
        ("建行广州北京路支行", "中国建设银行股份有限公司广州北京路支行"),
        ("上海市中山路支行（工行）", "中国工商银行股份有限公司上海市中山路支行"),
        ("gongshang yinhang suzhou zhongshanbeilu zhihang", "中国工商银行股份有限公司苏州中山北路支行"),
        ("开户行：工行苏州市分行中山路支行（对公）", "中国工商银行股份有限公司苏州中山路支行"),
        ("德清农商行乾元支行", "浙江德清农村商业银行股份有限公司乾元支行"),
    ],
)
def test_an_exact_name_is_automatic(text: str, name: str) -> None:
    resolution = recognise(RoutingQuery(text), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.branch is not None
    assert resolution.branch.name == name


@pytest.mark.parametrize(
    ("text", "decision", "reason"),
    [
        ("工行中山路支行", Decision.CONFIRM, "city-missing"),
        ("工行苏州中山西路支行", Decision.CONFIRM, "branch-only-similar"),
        ("工行苏州上海中山路支行", Decision.CONFIRM, "two-cities"),
        ("工行苏州", Decision.CONFIRM, "branch-missing"),
        ("工行苏州翠微支行", Decision.UNKNOWN, "no-branch-alike"),
        ("", Decision.UNKNOWN, "empty-text"),
        ("   \t\n", Decision.UNKNOWN, "empty-text"),
        ("😀😀😀", Decision.UNKNOWN, "empty-text"),
        ("\x00\x1b[2J", Decision.UNKNOWN, "no-bank-named"),
        ("工", Decision.UNKNOWN, "text-too-short"),
        ("Сбербанк Αθήνα", Decision.UNKNOWN, "empty-text"),
        ("工行スバル苏州 بنك", Decision.CONFIRM, "branch-missing"),
        ("行" * 10_000, Decision.UNKNOWN, "text-too-long"),
        ("6222020200112233", Decision.UNKNOWN, "digits-only"),
        ("'; DROP TABLE payments; --", Decision.UNKNOWN, "no-bank-named"),
        ("工商银行和建设银行", Decision.UNKNOWN, "two-banks"),
        ("日本银行东京本店", Decision.UNKNOWN, "bank-not-in-table"),
        ("苏州中山路支行", Decision.UNKNOWN, "no-bank-named"),
        ("102100000", Decision.UNKNOWN, "digits-only"),
        ("102100000000", Decision.UNKNOWN, "clearing-code-check-digit"),
    ],
)
def test_what_is_not_certain_is_not_automatic(text: str, decision: Decision, reason: str) -> None:
    resolution = recognise(RoutingQuery(text), DIRECTORY)
    assert resolution.decision is decision
    assert reason in resolution.reasons
    assert resolution.branch is None


def test_a_clearing_code_overrides_the_text_and_says_where_they_differ() -> None:
    resolution = recognise(RoutingQuery("工行上海中山路支行", code("10230509001")), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.branch is not None
    assert resolution.branch.code == code("10230509001")
    assert resolution.contradictions == ("city",)


def test_a_clearing_code_of_another_bank_is_a_question() -> None:
    resolution = recognise(RoutingQuery("建设银行", code("10230509001")), DIRECTORY)
    assert resolution.decision is Decision.CONFIRM
    assert resolution.bank is None
    assert resolution.contradictions == ("bank",)


def test_a_code_typed_as_the_text_is_read_as_a_code() -> None:
    resolution = recognise(RoutingQuery(code("31333109001")), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.bank is not None
    assert resolution.bank.id == "hangzhou"


def test_an_unlisted_code_names_the_bank_where_its_digits_do() -> None:
    assert recognise(RoutingQuery("", code("10511000001")), DIRECTORY).is_same_bank("ccb") is True
    shared = recognise(RoutingQuery("", code("31311009999")), DIRECTORY)
    assert shared.decision is Decision.UNKNOWN
    assert shared.is_same_bank("ccb") is None


def test_a_wrong_code_beside_a_good_text_must_be_looked_at() -> None:
    resolution = recognise(RoutingQuery("工行苏州中山路支行", "102305090010"), DIRECTORY)
    assert resolution.decision is Decision.CONFIRM
    assert resolution.reasons[0] == "clearing-code-check-digit"
    assert resolution.branch is None
    assert resolution.candidates[0].branch == OWN[0]


def test_context_gives_the_city_that_the_text_lacks() -> None:
    resolution = recognise(RoutingQuery("工行中山路支行", city="上海市"), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.area is not None
    assert resolution.area.name == "上海"


def test_every_name_of_the_sandbox_finds_its_own_branch() -> None:
    for row in range(0, len(SANDBOX), 17):
        branch = SANDBOX.branch(row)
        resolution = recognise(RoutingQuery(branch.name), SANDBOX)
        assert resolution.decision is Decision.AUTO, branch
        assert resolution.branch == branch


def test_an_absent_branch_is_never_automatic() -> None:
    for branch in OWN[:6]:
        others = [other for other in (*OWN, *REST) if other.code != branch.code]
        without = make_directory(DirectoryContent("without", "official", others))
        resolution = recognise(RoutingQuery(branch.name), without)
        assert resolution.decision is not Decision.AUTO, branch


def test_a_former_name_leads_to_the_branch_and_says_until_when() -> None:
    resolution = recognise(RoutingQuery("工行苏州玄妙观支行"), DIRECTORY)
    first = resolution.candidates[0]
    assert first.branch.code == OWN[0].code
    assert first.former is not None
    assert first.former.until == date(2025, 5, 13)
    assert "former-name" in resolution.reasons


def test_two_branches_of_one_name_are_a_question() -> None:
    resolution = recognise(RoutingQuery("中国银行苏州观前支行"), DIRECTORY)
    assert resolution.decision is Decision.CONFIRM
    assert "branch-not-unique" in resolution.reasons
    assert {match.branch.code for match in resolution.candidates} >= {OWN[6].code, OWN[7].code}


def test_a_card_of_another_bank_is_a_contradiction() -> None:
    other = recognise(RoutingQuery("工行苏州中山路支行", account="6228480000000000000"), DIRECTORY)
    assert other.decision is Decision.CONFIRM
    assert other.contradictions == ("account",)
    same = recognise(RoutingQuery("工行苏州中山路支行", account="6222020000000000000"), DIRECTORY)
    assert same.decision is Decision.AUTO


def test_a_card_names_the_bank_that_the_text_lacks_and_asks() -> None:
    resolution = recognise(RoutingQuery("苏州中山路支行", account="6222020000000000000"), DIRECTORY)
    assert resolution.bank is not None
    assert resolution.bank.id == "icbc"
    assert resolution.decision is Decision.CONFIRM
    assert "bank-from-account" in resolution.reasons


def test_the_payees_name_may_have_the_city() -> None:
    resolution = recognise(RoutingQuery("工行中山路支行", payee="上海青禾贸易有限公司"), DIRECTORY)
    assert resolution.branch is not None
    assert resolution.branch.name == OWN[2].name


def test_a_larger_amount_needs_more_confidence() -> None:
    small, large = (recognise(RoutingQuery("工行", amount_minor=m), DIRECTORY) for m in (1, 10**12))
    assert small.threshold <= large.threshold


@given(st.text(max_size=300), st.none() | st.text(max_size=20), st.none() | st.text(max_size=20))
@example("İ" * 200, None, None)
@example("\ud800", "\ud800", "\ud800")
@example("ﷺ" * 200, None, "ﷺ")
def test_any_input_is_answered(text: str, clearing_code: str | None, city: str | None) -> None:
    resolution = recognise(RoutingQuery(text, clearing_code, city), DIRECTORY)
    assert resolution.reasons
    assert len(resolution.candidates) <= MAX_CANDIDATES
    assert (resolution.branch is not None) == (resolution.decision is Decision.AUTO)
