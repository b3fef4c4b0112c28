"""From what people type to a decision."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.routing.clearing_code import check_digit
from app.routing.directory import Branch, Directory
from app.routing.recognition import MAX_CANDIDATES, Decision, RoutingQuery, recognise
from app.routing.sandbox import generate_sandbox

SANDBOX = Directory("sandbox-1", "sandbox", generate_sandbox())


def code(first11: str) -> str:
    return first11 + check_digit(first11)


DIRECTORY = Directory(
    "test-1",
    "official",
    [
        Branch(code("10230500001"), "中国工商银行股份有限公司苏州中山路支行", "icbc", "3050"),
        Branch(code("10230500002"), "中国工商银行股份有限公司苏州中山北路支行", "icbc", "3050"),
        Branch(code("10229000001"), "中国工商银行股份有限公司上海市中山路支行", "icbc", "2900"),
        Branch(code("10558100001"), "中国建设银行股份有限公司广州北京路支行", "ccb", "5810"),
        Branch(code("31333100001"), "杭州银行股份有限公司西湖支行", "hangzhou", "3310"),
    ],
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("中国工商银行股份有限公司苏州中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("工行苏州中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("工商银行江苏省苏州市分行中山路支行", "中国工商银行股份有限公司苏州中山路支行"),
        ("苏州 工商銀行 中山路", "中国工商银行股份有限公司苏州中山路支行"),
        ("ICBC Suzhou 中山北路支行", "中国工商银行股份有限公司苏州中山北路支行"),
        ("建行广州北京路支行", "中国建设银行股份有限公司广州北京路支行"),
        ("上海市中山路支行（工行）", "中国工商银行股份有限公司上海市中山路支行"),
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
        ("工行苏州", Decision.UNKNOWN, "branch-missing"),
        ("工行苏州玄妙观支行", Decision.UNKNOWN, "no-branch-alike"),
        ("", Decision.UNKNOWN, "empty-text"),
        ("   \t\n", Decision.UNKNOWN, "empty-text"),
        ("😀😀😀", Decision.UNKNOWN, "empty-text"),
        ("\x00\x1b[2J", Decision.UNKNOWN, "no-bank-named"),
        ("工", Decision.UNKNOWN, "text-too-short"),
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
    resolution = recognise(RoutingQuery("工行上海中山路支行", code("10230500001")), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.branch is not None
    assert resolution.branch.code == code("10230500001")
    assert resolution.contradictions == ("city",)


def test_a_clearing_code_of_another_bank_is_a_question() -> None:
    resolution = recognise(RoutingQuery("建设银行", code("10230500001")), DIRECTORY)
    assert resolution.decision is Decision.CONFIRM
    assert resolution.bank is None
    assert resolution.contradictions == ("bank",)


def test_a_code_typed_as_the_text_is_read_as_a_code() -> None:
    resolution = recognise(RoutingQuery(code("31333100001")), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.bank is not None
    assert resolution.bank.id == "hangzhou"


def test_an_unlisted_code_names_the_bank_where_its_digits_do() -> None:
    assert recognise(RoutingQuery("", code("10511000001")), DIRECTORY).is_same_bank("ccb") is True
    shared = recognise(RoutingQuery("", code("31311000001")), DIRECTORY)
    assert shared.decision is Decision.UNKNOWN
    assert shared.is_same_bank("ccb") is None


def test_a_wrong_code_beside_a_good_text_must_be_looked_at() -> None:
    resolution = recognise(RoutingQuery("工行苏州中山路支行", "102305000010"), DIRECTORY)
    assert resolution.decision is Decision.CONFIRM
    assert resolution.reasons[0] == "clearing-code-check-digit"
    assert len(resolution.candidates) == 1


def test_context_gives_the_city_that_the_text_lacks() -> None:
    resolution = recognise(RoutingQuery("工行中山路支行", city="上海市"), DIRECTORY)
    assert resolution.decision is Decision.AUTO
    assert resolution.area is not None
    assert resolution.area.name == "上海"


def test_every_name_of_the_sandbox_finds_its_own_branch() -> None:
    for branch in SANDBOX.branches[::7]:
        resolution = recognise(RoutingQuery(branch.name), SANDBOX)
        assert resolution.decision is Decision.AUTO, branch
        assert resolution.branch == branch


def test_an_absent_branch_is_never_automatic() -> None:
    for absent in SANDBOX.branches[::97]:
        rest = [b for b in SANDBOX.branches if b.bank_id == absent.bank_id and b.code != absent.code]
        resolution = recognise(RoutingQuery(absent.name), Directory("without", "official", rest))
        assert resolution.decision is not Decision.AUTO, absent


@given(st.text(max_size=300), st.none() | st.text(max_size=20), st.none() | st.text(max_size=20))
@example("İ" * 200, None, None)
@example("\ud800", "\ud800", "\ud800")
@example("ﷺ" * 200, None, "ﷺ")
def test_any_input_is_answered(text: str, clearing_code: str | None, city: str | None) -> None:
    resolution = recognise(RoutingQuery(text, clearing_code, city), DIRECTORY)
    assert resolution.reasons
    assert len(resolution.candidates) <= MAX_CANDIDATES
    assert (resolution.branch is not None) == (resolution.decision is Decision.AUTO)
