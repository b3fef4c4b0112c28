"""The public pages, and the areas of enterprises and platforms, each seeing its own alone."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.certificates import service as certificates
from app.identity.models import Role, Tenant, TenantKind
from app.oauth import service as oauth
from app.oauth.models import Application
from app.portal.labels import yuan
from tests.app.identity.people import Browser, People


def csr() -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    key = ec.generate_private_key(ec.SECP256R1())
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def product_code(people: People, tenant: Tenant | None = None) -> str:
    services = people.services
    with services.transaction() as session:
        return certificates.create_enrolment(
            services,
            session,
            profile="product",
            tenant_id=(tenant or people.tenants[TenantKind.ENTERPRISE]).id,
            product="payments",
            custody="agent",
            actor="test",
        )[1]


def application(people: People, tenant: Tenant | None = None) -> Application:
    with people.services.transaction() as session:
        return oauth.register_application(
            people.services,
            session,
            tenant_id=(tenant or people.tenants[TenantKind.PLATFORM]).id,
            name="云帆财务",
            redirect_uris=["https://platform.example/back"],
            scopes=["payments"],
            actor="test",
        )


def api_code(people: People, client: Application) -> str:
    with people.services.transaction() as session:
        return certificates.create_enrolment(
            people.services, session, profile="api", tenant_id=client.tenant_id, application_id=client.id, actor="test"
        )[1]


def test_strangers_see_what_this_is(people: People) -> None:
    page = Browser(people.app.test_client()).get("/")
    assert page.status_code == 200
    assert 'href="/verify"' in page.text
    assert 'href="/login"' in page.text


def test_the_documentation_names_this_service(people: People) -> None:
    page = Browser(people.app.test_client()).get("/docs")
    assert f"{people.services.settings.issuer_url}/oauth/token" in page.text


@pytest.mark.parametrize("role", [*Role])
def test_each_role_starts_with_its_own_tasks(people: People, role: Role) -> None:
    page = people.log_in(role).get("/")
    assert page.status_code == 200
    assert f"姓名 {role}" in page.text


def test_an_application_is_registered(people: People) -> None:
    browser = people.log_in("platform-user")
    form = "/developer/applications/new"
    nothing = browser.post(form, page=form, name="云帆财务")
    assert nothing.status_code == 422
    for redirect_uris in ("http://platform.example/", "https://platform.example/#x", "not a uri"):
        refused = browser.post(form, page=form, name="云帆财务", scopes="payments", redirect_uris=redirect_uris)
        assert refused.status_code == 422
        assert 'value="云帆财务"' in refused.text
    two = "https://platform.example/back\r\nhttps://platform.example/other"
    good = browser.post(form, page=form, name="云帆财务", scopes=["payments", "routing"], redirect_uris=two)
    assert good.status_code == 303
    listed = browser.get("/developer/applications").text
    assert "https://platform.example/other" in listed
    assert "app-" in listed


def test_an_api_certificate_for_a_pasted_request(people: People) -> None:
    code = api_code(people, application(people))
    browser = people.log_in("platform-user")
    form = "/developer/certificates/enrol"
    assert "注册码无效" in browser.post(form, page=form, code="not-a-good-code", csr=csr()).text
    assert browser.post(form, page=form, code=code, csr="rubbish").status_code == 422
    issued = browser.post(form, page=form, code=code, csr=csr())
    assert issued.status_code == 200, issued.text
    assert "BEGIN CERTIFICATE" in issued.text
    assert "云帆财务" in browser.get("/developer/certificates").text
    assert "注册码无效" in browser.post(form, page=form, code=code, csr=csr()).text


def test_a_product_pair_for_uploaded_requests(people: People) -> None:
    browser = people.log_in("enterprise-user")
    form, code = "/enterprise/certificates/enrol", product_code(people)
    one = csr()
    same = browser.post(form, page=form, code=code, sign_csr=one, encrypt_csr=one)
    assert same.status_code == 422
    files = {
        "sign_csr_file": (io.BytesIO(csr().encode()), "sign.csr"),
        "encrypt_csr_file": (io.BytesIO(csr().encode()), "encrypt.csr"),
    }
    issued = browser.post(form, page=form, code=code, **files)
    assert issued.status_code == 200, issued.text
    assert issued.text.count("data-copy=") >= 4
    listed = browser.get("/enterprise/certificates").text
    assert "产品签名证书" in listed
    assert "产品加密证书" in listed


def test_a_refused_request_does_not_spend_the_code(people: People) -> None:
    browser = people.log_in("enterprise-user")
    form, code = "/enterprise/certificates/enrol", product_code(people)
    assert browser.post(form, page=form, code=code, sign_csr="\xff", encrypt_csr=csr()).status_code == 422
    assert browser.post(form, page=form, code=code, sign_csr=csr(), encrypt_csr=csr()).status_code == 200


@pytest.mark.parametrize("kind", [TenantKind.PLATFORM, TenantKind.ENTERPRISE])
def test_a_code_is_for_its_own_tenant_and_the_account_is_journaled(people: People, kind: TenantKind) -> None:
    services, other = people.services, people.add_tenant(kind, 77)
    if kind == TenantKind.PLATFORM:
        login, area, requests = "platform-user", "/developer", {"csr": csr()}
        codes = [api_code(people, application(people, tenant)) for tenant in (other, None)]
    else:
        login, area, requests = "enterprise-user", "/enterprise", {"sign_csr": csr(), "encrypt_csr": csr()}
        codes = [product_code(people, tenant) for tenant in (other, None)]
    browser, form = people.log_in(login), f"{area}/certificates/enrol"

    assert "注册码无效" in browser.post(form, page=form, code=codes[0], **requests).text
    assert browser.post(form, page=form, code=codes[1], **requests).status_code == 200

    with services.reading() as session:
        issued = services.journal.entries(session, text="certificate-issued")
    assert {entry.actor for entry in issued[: len(requests)]} == {people.accounts[login].id}


def test_an_enterprise_ends_its_own_authorizations_only(people: People) -> None:
    services, client, code = people.services, application(people), product_code(people)
    enterprise = people.tenants[TenantKind.ENTERPRISE]
    with services.transaction() as session:
        certificates.enrol_product(services, session, code=code, sign_csr=csr().encode(), encrypt_csr=csr().encode())
        granted = oauth.grant_authorization(
            services,
            session,
            application_id=client.id,
            tenant_id=enterprise.id,
            product="payments",
            limits=oauth.Limits(single_minor=100_00, daily_minor=1_000_00),
            term_days=30,
            granted_by=people.accounts["enterprise-user"].id,
        )
    url = f"/enterprise/authorizations/{granted.id}/revoke"
    people.add_account("stranger", Role.ENTERPRISE_USER, people.add_tenant(TenantKind.ENTERPRISE, 60))
    stranger = people.log_in("stranger")
    assert "云帆财务" not in stranger.get("/enterprise/authorizations").text
    assert stranger.post(url, page="/account").status_code == 404

    browser = people.log_in("enterprise-user")
    listed = browser.get("/enterprise/authorizations").text
    assert "云帆财务" in listed
    assert "100.00 / 1,000.00" in listed
    assert browser.post(url, page="/account").status_code == 303
    assert "已撤销" in browser.get("/enterprise/authorizations").text
    assert browser.post(url, page="/account").status_code == 404


def test_ended_sessions_lead_back_to_where_one_was(people: People) -> None:
    browser = people.log_in("enterprise-user")
    people.services.clock.advance(timedelta(minutes=31))  # type: ignore[attr-defined]
    answer = browser.get("/enterprise/payments")
    assert re.search(r"/login\?next=/enterprise/payments", answer.headers["Location"])


@pytest.mark.parametrize(("fen", "shown"), [(0, "0.00"), (5, "0.05"), (123_456_789, "1,234,567.89"), (-150, "-1.50")])
def test_fen_are_shown_as_yuan(fen: int, shown: str) -> None:
    assert yuan(fen) == shown
