"""Whole names, today's and former ones, and notes behind them."""

from datetime import date

from app.routing.areas import Area, Gazetteer
from app.routing.banks import BANKS, BankLexicon
from app.routing.clearing_code import check_digit
from app.routing.directory import Branch, DirectoryContent, FormerName, make_directory
from app.routing.model import load_model
from app.routing.normalise import normalise
from app.routing.reading import Reader, read_core
from app.routing.recognition import Decision, Recogniser, RoutingQuery


def code(first11: str) -> str:
    return first11 + check_digit(first11)


BRANCHES = [
    Branch(code("10523200001"), "中国建设银行股份有限公司沈阳沈海支行", "ccb", "2210"),
    Branch(code("10523200002"), "中国建设银行股份有限公司沈阳浑河支行", "ccb", "2210"),
    Branch(code("10233600001"), "中国工商银行股份有限公司杭州分行", "icbc", "3310"),
    Branch(code("10513800001"), "中国建设银行股份有限公司崇礼支行", "ccb", "1389"),
    Branch(code("10513800002"), "中国建设银行股份有限公司崇礼县支行", "ccb", "1389"),
    Branch(code("10259300001"), "中国工商银行股份有限公司新兴支行", "icbc", "5936"),
    Branch(code("10233600003"), "中国工商银行股份有限公司杭州新兴支行", "icbc", "3310"),
]
AREAS = [Area("1389", "崇礼县", "河北省"), Area("5936", "新兴县", "广东省"), Area("8040", "延安市", "陕西省")]
FORMER = [
    FormerName(BRANCHES[0].code, "中国建设银行沈阳沈海分理处", date(2025, 5, 13)),
    FormerName(BRANCHES[0].code, "中国建设银行沈阳沈海支行", date(2024, 5, 13)),
    FormerName(BRANCHES[1].code, "中国建设银行沈阳沈海支行", date(2026, 3, 16)),
]
RECOGNISER = Recogniser(make_directory(DirectoryContent("names", "official", BRANCHES, AREAS, FORMER)), load_model())


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


def test_a_name_that_two_branches_of_a_city_have_but_for_one_word_is_a_question() -> None:
    for text in ("中国建设银行崇礼支行", "中国建设银行崇礼县支行"):
        found = RECOGNISER.recognise(RoutingQuery(text))
        assert found.decision is Decision.CONFIRM
        assert "branch-not-unique" in found.reasons
    written_out = RECOGNISER.recognise(RoutingQuery("中国建设银行股份有限公司崇礼县支行"))
    assert (written_out.decision, written_out.branch) == (Decision.AUTO, BRANCHES[4])


def test_a_whole_name_of_elsewhere_is_no_answer_for_a_payee_of_another_city() -> None:
    assert RECOGNISER.recognise(RoutingQuery("中国工商银行新兴支行")).branch == BRANCHES[5]
    found = RECOGNISER.recognise(RoutingQuery("中国工商银行新兴支行", city="杭州"))
    assert found.candidates[0].branch == BRANCHES[6]


def test_notes_behind_a_name_do_not_count() -> None:
    for note in ("（对公）", " 电话0571-88886666", "，行号请查"):
        found = RECOGNISER.recognise(RoutingQuery(f"工行杭州分行{note}"))
        assert found.candidates[0].branch == BRANCHES[2], note


def test_a_main_office_needs_no_word_for_its_kind_before_a_note() -> None:
    assert read_core("||行号请查").text == ""
    assert read_core("||谢桥南支行").text == "谢桥南"


def test_places_are_read_from_letters_that_alone_say_something_else() -> None:
    gazetteer = Gazetteer([*AREAS, Area("7910", "西安市", "陕西省"), Area("6590", "四会市", "广东省")])
    reader = Reader(BankLexicon(BANKS), gazetteer)
    for text, city, core in (
        ("PSBC Yanan 宝塔支行", "延安市", "宝塔"),
        ("CMBC Xian 高新支行", "西安市", "高新"),
        ("ICBC Sihui 石码支行", "四会市", "石码"),
    ):
        reading = reader.read(normalise(text)).readings[0]
        assert [place.area.name for place in reading.places if place.area] == [city]
        assert reading.core.text == core
