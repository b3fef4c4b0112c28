"""Every template can be filled in on a page; the parties that it names get their links."""

from __future__ import annotations

import re

import pytest

from app.demonstration import REPRESENTATIVE
from app.identity import persons
from app.identity.models import TenantKind
from app.proofing.registers import enter_enterprise
from contracts.render import list_templates
from kyc.ports import EnterpriseElements
from tests.app.identity.people import People
from tests.flows.ceremony import PLATFORM_REPRESENTATIVE

PAGE = "/operations/contracts/new"
COMMON = {"address": "浙江省杭州市西湖区文三路 90 号", "dispute_method": "court", "dispute_body": "乙方所在地人民法院"}
PERIOD = {"start_date": "2026-12-01", "end_date": "2027-11-30"}
FILLED: dict[str, dict[str, object]] = {
    "product-service-agreement": {
        **PERIOD,
        "product": "payments",
        "product_name": "银企云付款",
        "single_limit": "50000",
        "daily_limit": "500,000.00",
        "custody": "platform",
    },
    "saas-access-agreement": {
        **PERIOD,
        "client_id": "platform-0001",
        "scopes": ["payments", "receipts"],
        "availability_percent": "99.95",
        "incident_hours": "24",
        "log_months": "36",
        "deletion_days": "30",
        "notice_days": "30",
        "liability_cap": "1000000",
    },
    "payroll-authorization": {
        **PERIOD,
        "account": "6222020200112233",
        "account_bank": "测试银行杭州分行",
        "single_limit": "50000",
        "monthly_limit": "5000000",
        "payday": "10",
        "lead_days": "1",
    },
    "non-disclosure-agreement": {
        "purpose": "支付产品接口联调",
        "return_days": "15",
        "term_years": "5",
        "penalty": "500000",
    },
}


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # nothing here asks the database for more than rows


@pytest.fixture
def signers(people: People) -> dict[TenantKind, str]:
    """The representatives of the enterprise and of the platform."""
    found = {}
    chosen = ((TenantKind.ENTERPRISE, REPRESENTATIVE), (TenantKind.PLATFORM, PLATFORM_REPRESENTATIVE))
    with people.services.transaction() as session:
        for kind, person in chosen:
            tenant = people.tenants[kind]
            added = persons.add_person(people.services, session, tenant.id, *person, "test")
            elements = EnterpriseElements(tenant.name, tenant.uscc, *person)
            enter_enterprise(people.services, session, elements, actor="test")
            found[kind] = added.id
    return found


@pytest.mark.parametrize("template", [template.name for template in list_templates()])
def test_every_template_is_filled_in_on_its_page(people: People, signers: dict[TenantKind, str], template: str) -> None:
    operator = people.log_in("operator")
    page = f"{PAGE}?template={template}"
    platform = signers[TenantKind.PLATFORM]
    second = {"other_2": platform} if template == "non-disclosure-agreement" else {"platform_person_id": platform}
    fields = {**COMMON, **FILLED[template], **second, "template": template, "person_id": signers[TenantKind.ENTERPRISE]}
    shown = operator.get(page).text
    assert set(fields) <= set(re.findall(r'name="(\w+)"', shown)), "the page asks for everything"
    sent = operator.post(PAGE, page=page, **{**fields, "order": "parallel"})
    assert sent.status_code == 200, sent.text
    assert len(re.findall(r'data-copy="[^"]+/sign/[\w-]+"', sent.text)) == 2
    title = next(t.title_zh for t in list_templates() if t.name == template)
    assert title in sent.text


@pytest.mark.parametrize(
    ("template", "fault", "sentence"),
    [
        ("product-service-agreement", {"platform_person_id": ""}, "平台保管私钥时须有平台签署人"),
        ("saas-access-agreement", {"platform_person_id": ""}, "请填写此项"),
        ("saas-access-agreement", {"scopes": "everything"}, "请从列表中选择"),
        ("payroll-authorization", {"single_limit": "6000000"}, "单笔限额不能超过每月限额"),
        ("non-disclosure-agreement", {"other_1": "same"}, "同一签署人不能代表两方"),
        ("non-disclosure-agreement", {"term_years": "21"}, "格式不正确"),
    ],
)
def test_what_does_not_fit_is_said_at_the_field(
    people: People, signers: dict[TenantKind, str], template: str, fault: dict[str, str], sentence: str
) -> None:
    operator = people.log_in("operator")
    page = f"{PAGE}?template={template}"
    enterprise, platform = signers[TenantKind.ENTERPRISE], signers[TenantKind.PLATFORM]
    second = {} if template == "non-disclosure-agreement" else {"platform_person_id": platform}
    fields = {**COMMON, **FILLED[template], **second, "template": template, "person_id": enterprise}
    changed = {name: enterprise if value == "same" else value for name, value in fault.items()}
    answer = operator.post(PAGE, page=page, **{**fields, **changed})
    assert answer.status_code == 422
    assert sentence in answer.text


def test_an_unknown_template_is_not_found(people: People) -> None:
    operator = people.log_in("operator")
    assert operator.get(f"{PAGE}?template=../base").status_code == 404
    assert operator.post(PAGE, page=PAGE, template="uploaded").status_code == 404
