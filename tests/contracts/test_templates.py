"""Every template prints its terms, with places for all its parties, safe to be signed."""

import re
from typing import Any

import pypdfium2
import pytest

from contracts.errors import InvalidTerms
from contracts.inspection import inspect
from contracts.render import get_template, list_templates, render


def party(name, uscc):
    return {"name": name, "uscc": uscc, "legal_representative": "王䶮", "address": "上海市浦东新区世纪大道 1 号"}


@pytest.fixture
def common(terms) -> dict[str, Any]:
    names = ("contract_number", "document_date", "enterprise", "bank", "dispute")
    return {name: terms[name] for name in names}


@pytest.fixture
def examples(common, terms):
    platform = party("杭州云帆软件有限公司", terms["enterprise"]["uscc"])
    period = {"start_date": "2026-12-01", "end_date": "2029-11-30"}
    return {
        "saas-access-agreement": {
            **common,
            **period,
            "platform": platform,
            "client_id": "yunfan-erp",
            "scopes": ["payments", "payroll", "balances", "statements", "receipts", "routing"],
            "liability_cap": 500_000_000,
        },
        "payroll-authorization": {
            **common,
            **period,
            "account": "6222020200112233445",
            "account_bank": "华夏东方银行杭州分行营业部",
            "single_limit": 10_000_000,
            "monthly_limit": 2_000_000_000,
            "payday": 10,
        },
        "non-disclosure-agreement": {**common, "purpose": "开放银行产品的联合研发", "penalty": 100_000_000},
    }


def text_of(pdf):
    document = pypdfium2.PdfDocument(pdf)
    return re.sub(r"\s", "", "".join(page.get_textpage().get_text_bounded() for page in document))


EXPECTED = {
    "saas-access-agreement": ["软件服务平台三方接入协议", "yunfan-erp", "电子回单获取", "伍佰万元整", "王䶮", "99.9%"],
    "payroll-authorization": ["代发工资授权书", "6222020200112233445", "壹拾万元整", "贰仟万元整", "每月10日"],
    "non-disclosure-agreement": ["保密协议", "开放银行产品的联合研发", "壹佰万元整", "甲、乙双方", "5年内有效"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_prints_its_terms_and_is_safe_to_sign(examples, name):
    rendered = render(name, examples[name])
    text = text_of(rendered.pdf)
    assert [expected for expected in EXPECTED[name] if expected not in text] == []
    assert b"pdfaid" in rendered.pdf
    assert inspect(rendered.pdf).sha256 == rendered.sha256
    assert render(name, examples[name]) == rendered


PLACES = {
    "saas-access-agreement": ["enterprise-legal-representative", "platform-legal-representative", "bank-seal"],
    "payroll-authorization": ["enterprise-legal-representative", "bank-seal"],
    "non-disclosure-agreement": ["enterprise-legal-representative", "bank-seal"],
}


@pytest.mark.parametrize("name", PLACES)
def test_has_a_place_for_every_party(examples, name):
    places = render(name, examples[name]).places
    assert [place.name for place in places] == PLACES[name]
    for place in places:
        assert 0 < place.x < place.x + place.width < 595.3
        assert 0 < place.y < place.y + place.height < 841.9


@pytest.mark.parametrize("others", [1, 2, 4])
def test_more_parties_get_more_places(examples, others):
    terms = examples["non-disclosure-agreement"]
    terms["others"] = [party(f"第{number}方有限公司", terms["bank"]["uscc"]) for number in range(others)]
    rendered = render("non-disclosure-agreement", terms)
    assert len(rendered.places) == len({place.name for place in rendered.places}) == 2 + others
    boxes = [(p.page, p.x, p.y) for p in rendered.places]
    assert len(set(boxes)) == len(boxes)
    assert {1: "甲、乙、丙三方", 2: "甲、乙、丙、丁四方", 4: "甲、乙、丙、丁、戊、己六方"}[others] in text_of(
        rendered.pdf
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("saas-access-agreement", {"scopes": ["payments", "payments"]}),
        ("saas-access-agreement", {"scopes": ["everything"]}),
        ("saas-access-agreement", {"availability_percent": "100.1"}),
        ("saas-access-agreement", {"end_date": "2026-01-01"}),
        ("payroll-authorization", {"single_limit": 3_000_000_000}),
        ("payroll-authorization", {"account": "12"}),
        ("non-disclosure-agreement", {"others": [{}]}),
        ("non-disclosure-agreement", {"purpose": "a\u202eb"}),
    ],
)
def test_terms_that_do_not_fit_are_refused(examples, name, change):
    with pytest.raises(InvalidTerms):
        render(name, {**examples[name], **change})


def test_every_template_says_what_it_needs():
    for template in list_templates():
        schema = get_template(template.name).json_schema()
        assert schema["additionalProperties"] is False
        assert {"contract_number", "document_date", "enterprise", "bank"} <= set(schema["required"])
