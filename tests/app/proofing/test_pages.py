"""The pages of identity proofing, as operators, officers, enterprises and signers use them."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import select

from app.identity import persons
from app.identity.models import Role, TenantKind
from app.proofing import forgetting, limits, registers
from app.proofing.records import OfficerAct, PortraitReview, RegisterEntry, ReviewState
from app.wiring import Services
from kyc.ports import EnterpriseElements
from tests.app.identity.people import Browser, People
from tests.app.proofing.conftest import NUMBER
from tests.app.proofing.documents import document

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
REASON = "已与本人核对"


@pytest.fixture
def officer(people: People) -> Browser:
    return people.log_in(Role.COMPLIANCE_OFFICER)


def upload(browser: Browser, url: str, page: str, content: bytes, **fields: str) -> int:
    return browser.post(url, page=page, image=(io.BytesIO(content), "document.jpg"), **fields).status_code


def review_of(services: Services) -> PortraitReview:
    with services.reading() as session:
        return session.scalars(select(PortraitReview).order_by(PortraitReview.id.desc())).first()  # type: ignore[return-value]


def test_an_operators_document_goes_to_an_officer(
    people: People, services: Services, person_id: str, officer: Browser
) -> None:
    operator = people.log_in(Role.OPERATOR)
    page = f"/operations/persons/{person_id}/portrait"
    assert upload(operator, page, page, document(face=False), assurance="low") == 422
    assert upload(operator, page, page, document(), assurance="low") == 303
    assert "待审核" in operator.get("/operations/persons").text

    review = review_of(services)
    assert "待审核的证件人像" in officer.get("/proofing").text
    opened = officer.post(f"/proofing/portraits/{review.id}/open", page="/proofing")
    assert opened.text.count("data:image/jpeg;base64,") == 2
    assert NUMBER in opened.text  # to be compared with the document
    bad = officer.post(f"/proofing/portraits/{review.id}", page="/proofing", verdict="accept")
    assert bad.status_code == 422
    accepted = officer.post(f"/proofing/portraits/{review.id}", page="/proofing", verdict="accept", reason=REASON)
    assert accepted.status_code == 303
    assert "低可信度" in operator.get("/operations/persons").text
    assert "证件照片截取" in officer.get(f"/proofing/persons/{person_id}").text
    assert officer.post(f"/proofing/portraits/{review.id}/open", page="/proofing").status_code == 409


def test_the_enterprise_uploads_for_its_own_signers_only(
    people: People, services: Services, person_id: str, officer: Browser
) -> None:
    enterprise, page = people.log_in(Role.ENTERPRISE_USER), "/enterprise/representatives"
    assert "柯*" in enterprise.get(page).text
    assert upload(enterprise, f"{page}/{person_id}/document", page, b"GIF89a") == 422
    assert upload(enterprise, f"{page}/{person_id}/document", page, document()) == 303
    assert "待银行审核" in enterprise.get(page).text

    other = people.add_tenant(TenantKind.ENTERPRISE, 88)
    with services.transaction() as session:
        stranger = persons.add_person(services, session, other.id, "霍普", "110101197001010032", "test").id
    assert upload(enterprise, f"{page}/{stranger}/document", page, document()) == 404
    refused = officer.post(
        f"/proofing/portraits/{review_of(services).id}", page="/proofing", verdict="refuse", reason=REASON
    )
    assert refused.status_code == 303
    assert review_of(services).state == ReviewState.REFUSED


def test_an_officer_sees_and_lifts_a_lock(services: Services, person_id: str, officer: Browser) -> None:
    for _ in range(limits.MOST_FAILURES):
        with services.transaction() as session:
            limits.admit_attempt(services, session, person_id)
    shown = officer.get("/proofing").text
    assert "15 分钟内失败 5 次" in shown
    assert NUMBER not in shown

    page = f"/proofing/persons/{person_id}"
    assert officer.post(f"{page}/unlock", page=page).status_code == 422
    assert officer.post(f"{page}/unlock", page=page, reason=REASON).status_code == 303
    with services.reading() as session:
        assert limits.find_lock(services, session, person_id) is None
    assert REASON in officer.get(page).text


def test_the_register_is_filled_by_page_and_file(people: People, services: Services, person_id: str) -> None:
    operator, page = people.log_in(Role.OPERATOR), "/proofing/register"
    tenant = people.tenants[TenantKind.ENTERPRISE]
    fields = {"name": tenant.name, "uscc": tenant.uscc, "legal_representative": "柯琳", "identity_number": NUMBER}
    assert operator.post(page, page=page, **{**fields, "identity_number": "123"}).status_code == 422
    assert operator.post(page, page=page, **fields).status_code == 303
    assert tenant.name in operator.get(page).text

    head = ",".join(registers.COLUMNS)
    line = ",".join(fields[column] for column in registers.COLUMNS)
    for text, status in ((f"{head}\n{line}\n", 303), (f"{head}\n{line},x\n", 422), ("\ufffd", 422)):
        file = (io.BytesIO(text.encode()), "register.csv")
        assert operator.post(f"{page}/file", page=page, file=file).status_code == status
    assert operator.post(f"{page}/file", page=page, file=(io.BytesIO(b"\xff\xfe"), "x.csv")).status_code == 422
    with services.reading() as session:
        assert len(session.scalars(select(RegisterEntry)).all()) == 1


def test_an_officer_accepts_an_enterprise(services: Services, person_id: str, officer: Browser) -> None:
    page = f"/proofing/persons/{person_id}"
    assert f'action="{page}/enterprise"' in officer.get(page).text
    assert officer.post(f"{page}/enterprise", page=page, reason=REASON).status_code == 303
    assert f'action="{page}/enterprise"' not in officer.get(page).text
    with services.reading() as session:
        assert session.scalars(select(OfficerAct.kind)).all() == ["enterprise-accepted"]


def test_hold_withdrawal_and_lifting(people: People, services: Services, person_id: str, officer: Browser) -> None:
    page = f"/proofing/persons/{person_id}"
    assert officer.post(f"{page}/hold", page=page, reason=REASON).status_code == 303
    assert officer.post(f"{page}/withdraw", page=page, reason="本人书面申请").status_code == 303
    assert "法律保全解除后销毁密钥" in officer.get(page).text
    assert officer.post(f"{page}/hold", page=page, reason="案件已结束").status_code == 303

    second = people.log_in("compliance-officer2")
    inbox = second.get("/operations/decisions").text
    assert "解除个人法律保全" in inbox
    confirm = re.search(r'action="(/operations/decisions/\w+/confirm)"', inbox)
    assert confirm
    assert second.post(confirm[1], page="/operations/decisions").status_code == 303
    assert forgetting.execute_waiting(services) == 1
    assert "已删除" in officer.get(page).text
    assert "柯*" not in officer.get("/proofing").text


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.CERTIFICATE_OFFICER, Role.AUDITOR, Role.ENTERPRISE_USER])
def test_officers_pages_are_for_officers(people: People, person_id: str, role: Role) -> None:
    browser = people.log_in(role)
    for path in ("/proofing", f"/proofing/persons/{person_id}", f"/proofing/assistance/{person_id}"):
        assert browser.get(path).status_code == 403


def test_an_unknown_registers_answer_is_told_at_once(people: People) -> None:
    operator, form = people.log_in(Role.OPERATOR), "/operations/persons/new"
    tenant = people.tenants[TenantKind.ENTERPRISE]
    fields = {"tenant_id": tenant.id, "name": "柯琳", "identity_number": NUMBER}
    operator.post(form, page=form, **fields)
    assert "登记库无结果" in operator.get("/operations/persons").text

    with people.services.transaction() as session:
        elements = EnterpriseElements(tenant.name, tenant.uscc, "霍普", "110101197001010032")
        registers.enter_enterprise(people.services, session, elements, actor="test")
    operator.post(form, page=form, **{**fields, "name": "霍普", "identity_number": "110101197001010032"})
    assert "登记信息一致" in operator.get("/operations/persons").text
