"""The bank's staff at work, through the pages: organizations, accounts, persons, certificates, decisions, journal."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from app.certificates import service as certificates
from app.certificates.models import CertificateRecord
from app.identity.models import Account, Role, Tenant, TenantKind
from app.oauth import service as oauth
from tests.app.identity.people import PASSWORD, People, uscc

NUMBER = "110101195611190027"


def csr() -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )


@pytest.fixture
def api_certificate(people: People) -> CertificateRecord:
    """An application's API certificate."""
    services, platform = people.services, people.tenants[TenantKind.PLATFORM]
    with services.transaction() as session:
        application = oauth.register_application(
            services, session, tenant_id=platform.id, name="应用", redirect_uris=[], scopes=["routing"], actor="test"
        )
        _, code = certificates.create_enrolment(
            services, session, profile="api", tenant_id=platform.id, application_id=application.id, actor="test"
        )
        return certificates.enrol_api(services, session, code=code, csr=csr())


def test_an_organization_and_its_account(people: People) -> None:
    browser = people.log_in("operator")
    form = "/operations/tenants/new"
    wrong = browser.post(form, page=form, kind="enterprise", name="新企业有限公司", uscc="91110000MA0000000X")
    assert wrong.status_code == 422
    assert "统一社会信用代码不正确" in wrong.text
    assert 'value="新企业有限公司"' in wrong.text
    taken = browser.post(form, page=form, kind="enterprise", name="新企业有限公司", uscc=uscc(1))
    assert "已经登记" in taken.text
    good = browser.post(form, page=form, kind="enterprise", name="新企业有限公司", uscc=uscc(50))
    assert good.status_code == 303
    assert "新企业有限公司" in browser.get("/operations/tenants").text

    with people.services.reading() as session:
        tenant = session.scalars(select(Tenant).where(Tenant.uscc == uscc(50))).one()
    form = "/operations/accounts/new"
    fields = {"tenant_id": tenant.id, "name": "新人", "login": "newcomer", "role": "enterprise-user"}
    assert "12 至 128" in browser.post(form, page=form, **fields, password="short").text
    misfit = browser.post(form, page=form, **{**fields, "role": "auditor"}, password=PASSWORD)
    assert "该角色不适用" in misfit.text
    made = browser.post(form, page=form, **fields, password=PASSWORD)
    assert made.status_code == 200
    assert 'src="data:image/svg+xml' in made.text
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', made.text)
    assert secret
    people.secrets["newcomer"] = secret[1]
    newcomer = people.first_log_in("newcomer")
    assert "新企业有限公司" in newcomer.get("/account").text

    with people.services.reading() as session:
        account = session.scalars(select(Account).where(Account.login == "newcomer")).one()
    assert browser.post(f"/operations/accounts/{account.id}/disable", page="/account").status_code == 303
    assert newcomer.get("/account").status_code == 302


def test_an_account_of_the_bank_needs_two_operators(people: People) -> None:
    first, second = people.log_in("operator"), people.log_in("operator2")
    form = "/operations/accounts/new"
    made = first.post(
        form,
        page=form,
        tenant_id=people.tenants[TenantKind.BANK].id,
        name="新证书管理员",
        login="officer",
        role="certificate-officer",
        password=PASSWORD,
    )
    assert "已提交复核" in made.text
    people.secrets["officer"] = re.search(r'data-copy="([A-Z2-7]{32})"', made.text)[1]  # type: ignore[index]
    with pytest.raises(AssertionError):
        people.log_in("officer")
    inbox = second.get("/operations/decisions").text
    decision = re.search(r"/operations/decisions/(\w+)/confirm", inbox)
    assert decision
    assert "/confirm" not in first.get("/operations/decisions").text
    own = first.post(f"/operations/decisions/{decision[1]}/confirm", page="/account")
    assert own.status_code == 403
    assert "另一位同事" in own.text
    assert second.post(f"/operations/decisions/{decision[1]}/confirm", page="/account").status_code == 303
    assert second.post(f"/operations/decisions/{decision[1]}/confirm", page="/account").status_code == 409
    people.services.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    assert people.first_log_in("officer").get("/operations/certificates").status_code == 200


def test_a_person_with_portrait(people: People) -> None:
    skimage = pytest.importorskip("skimage.data")
    from PIL import Image

    browser = people.log_in("operator")
    form = "/operations/persons/new"
    fields = {"tenant_id": people.tenants[TenantKind.ENTERPRISE].id, "name": "柯琳"}
    wrong = browser.post(form, page=form, **fields, identity_number="110101195611190020")
    assert wrong.status_code == 422
    good = browser.post(form, page=form, **fields, identity_number=NUMBER)
    assert good.status_code == 303
    url = good.headers["Location"]
    assert "柯*" in browser.get(url).text
    buffer = io.BytesIO()
    Image.fromarray(skimage.astronaut()).save(buffer, "JPEG")
    bad = browser.post(url, page=url, assurance="high", image=(io.BytesIO(b"GIF89a"), "a.gif"))
    assert bad.status_code == 422
    buffer.seek(0)
    assert browser.post(url, page=url, assurance="high", image=(buffer, "a.jpg")).status_code == 303
    listed = browser.get("/operations/persons").text
    assert "已留存" in listed
    assert "柯琳" not in listed
    assert NUMBER not in listed


def test_hold_and_release_by_one_officer(people: People, api_certificate: CertificateRecord) -> None:
    browser = people.log_in("certificate-officer")
    url = f"/operations/certificates/{api_certificate.x5t_s256}"
    assert browser.post(f"{url}/hold", page=url, reason="").status_code == 422
    assert browser.post(f"{url}/hold", page=url, reason="可疑的请求").status_code == 303
    assert "已暂停" in browser.get(url).text or "暂缓" in browser.get(url).text
    assert browser.post(f"{url}/hold", page=url, reason="可疑的请求").status_code == 409
    assert browser.post(f"{url}/release", page=url, reason="已经澄清").status_code == 303
    assert state(people, api_certificate) == "good"


def test_revocation_takes_two_officers(people: People, api_certificate: CertificateRecord) -> None:
    first, second = people.log_in("certificate-officer"), people.log_in("certificate-officer2")
    url = f"/operations/certificates/{api_certificate.x5t_s256}"
    epoch = people.services.epoch.current()
    assert first.post(f"{url}/revoke", page=url, code="key_compromise", reason="私钥泄露").status_code == 303
    assert state(people, api_certificate) == "good"
    inbox = second.get("/operations/decisions").text
    decision = re.search(r"/operations/decisions/(\w+)/confirm", inbox)
    assert decision
    assert first.post(f"/operations/decisions/{decision[1]}/confirm", page="/account").status_code == 403
    assert second.post(f"/operations/decisions/{decision[1]}/confirm", page="/account").status_code == 303
    assert state(people, api_certificate) == "revoked"
    assert people.services.epoch.current() > epoch
    again = first.post(f"{url}/revoke", page="/account", code="key_compromise", reason="私钥泄露")
    assert again.status_code == 422
    assert "不允许" in again.text


def state(people: People, record: CertificateRecord) -> str:
    with people.services.reading() as session:
        return certificates.get_certificate(session, record.x5t_s256).state


def test_certificates_are_found_by_text_and_profile(people: People, api_certificate: CertificateRecord) -> None:
    browser = people.log_in("certificate-officer")
    link = f"/operations/certificates/{api_certificate.x5t_s256}"
    for query in ("", "?text=应用", f"?text={api_certificate.serial}", "?profile=api", "?before=rubbish"):
        assert link in browser.get(f"/operations/certificates{query}").text, query
    for query in ("?text=nothing-like-it", "?profile=product-sign"):
        assert link not in browser.get(f"/operations/certificates{query}").text, query


def test_enrolment_codes_are_shown_once(people: People) -> None:
    browser = people.log_in("certificate-officer")
    page = "/operations/enrolments"
    fields = {"tenant_id": people.tenants[TenantKind.ENTERPRISE].id, "product": "payments", "custody": "agent"}
    shown = browser.post("/operations/enrolments/product", page=page, **fields)
    code = re.search(r'data-copy="([\w-]{24})"', shown.text)
    assert code
    assert shown.headers["Cache-Control"] == "no-store"
    assert code[1] not in browser.get(page).text
    assert browser.post("/operations/enrolments/product", page=page, **{**fields, "product": "A B"}).status_code == 422
    assert browser.post("/operations/enrolments/api", page=page).status_code == 422


def test_a_contract_is_sent(people: People) -> None:
    operator = people.log_in("operator")
    form = "/operations/persons/new"
    operator.post(
        form, page=form, tenant_id=people.tenants[TenantKind.ENTERPRISE].id, name="柯琳", identity_number=NUMBER
    )
    form = "/operations/contracts/new"
    person = re.search(r'<option value="(\w{26})"', operator.get(form).text)
    assert person
    fields = {
        "person_id": person[1],
        "template": "product-service-agreement",
        "address": "浙江省杭州市西湖区文三路 90 号",
        "product": "payments",
        "product_name": "银企云付款",
        "single_limit": "50000",
        "daily_limit": "500,000.00",
        "custody": "agent",
        "start_date": "2026-12-01",
        "end_date": "2027-11-30",
        "dispute_method": "court",
        "dispute_body": "乙方所在地人民法院",
    }
    for fault, sentence in (
        ({"single_limit": "1e9"}, "单位为元"),
        ({"single_limit": "600000"}, "单笔限额不能超过每日限额"),
        ({"end_date": "2026-02-30"}, "请填写日期"),
        ({"end_date": "2026-11-30"}, "终止日期须晚于起始日期"),
    ):
        answer = operator.post(form, page=form, **{**fields, **fault})
        assert answer.status_code == 422
        assert sentence in answer.text
        assert 'value="银企云付款"' in answer.text
    unknown = operator.post(form, page=form, **fields)
    assert unknown.status_code == 422
    assert "企业信息未能核实" in unknown.text
    register = "/proofing/register"
    enterprise = people.tenants[TenantKind.ENTERPRISE]
    operator.post(
        register,
        page=register,
        name=enterprise.name,
        uscc=enterprise.uscc,
        legal_representative="柯琳",
        identity_number=NUMBER,
    )
    sent = operator.post(form, page=form, **fields)
    assert sent.status_code == 200, sent.text
    assert re.search(rf'data-copy="{people.services.settings.people_url}/sign/[\w-]+"', sent.text)
    assert "产品服务协议" in operator.get("/operations/contracts").text


def test_the_journal_is_verified_on_demand(people: People) -> None:
    people.services.journal.seal()
    browser = people.log_in(Role.AUDITOR)
    shown = browser.get("/operations/journal").text
    assert "account-created" in shown
    assert "/journal" in shown
    assert "日志完整" in browser.post("/operations/journal/verify", page="/operations/journal").text
