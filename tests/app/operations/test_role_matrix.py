"""Every page against every role: 200 for those it is for, 403 for the others, the log-in page for strangers."""

from __future__ import annotations

import re

import pytest

from app.identity.models import Role
from tests.app.identity.people import Browser, People

OPERATOR, COMPLIANCE, CERTIFICATES, AUDITOR = (
    {Role.OPERATOR},
    {Role.COMPLIANCE_OFFICER},
    {Role.CERTIFICATE_OFFICER},
    {Role.AUDITOR},
)
ENTERPRISE, PLATFORM = {Role.ENTERPRISE_USER}, {Role.PLATFORM_USER}
EVERYONE = set(Role)
DECIDERS = OPERATOR | COMPLIANCE | CERTIFICATES

PAGES: dict[str, set[Role]] = {
    "/account": EVERYONE,
    "/account/password": EVERYONE,
    "/operations/tenants": OPERATOR,
    "/operations/tenants/new": OPERATOR,
    "/operations/platforms": OPERATOR,
    "/operations/accounts": OPERATOR,
    "/operations/accounts/new": OPERATOR,
    "/operations/persons": OPERATOR,
    "/operations/persons/new": OPERATOR,
    "/operations/persons/<person_id>/portrait": OPERATOR,
    "/operations/contracts": OPERATOR,
    "/operations/contracts/new": OPERATOR,
    "/operations/contracts/<contract_id>": OPERATOR,
    "/operations/contracts/uploads": OPERATOR,
    "/operations/contracts/uploads/<upload_id>": OPERATOR,
    "/operations/contracts/uploads/<upload_id>/pages/<int:number>.png": OPERATOR,
    "/operations/payments/outbox": OPERATOR,
    "/proofing/register": OPERATOR,
    "/proofing": COMPLIANCE,
    "/proofing/persons/<person_id>": COMPLIANCE,
    "/proofing/assistance/<request_id>": COMPLIANCE,
    "/enterprise/representatives": ENTERPRISE,
    "/operations/routing": OPERATOR,
    "/operations/decisions": DECIDERS,
    "/operations/certificates": CERTIFICATES,
    "/operations/certificates/<x5t_s256>": CERTIFICATES,
    "/operations/enrolments": CERTIFICATES,
    "/operations/journal": AUDITOR,
    "/enterprise/contracts": ENTERPRISE,
    "/enterprise/contracts/<contract_id>/copy.zip": ENTERPRISE,
    "/enterprise/authorizations": ENTERPRISE,
    "/enterprise/certificates": ENTERPRISE,
    "/enterprise/certificates/enrol": ENTERPRISE,
    "/enterprise/payments": ENTERPRISE,
    "/enterprise/payments/<payment_id>": ENTERPRISE,
    "/enterprise/payments/<payment_id>/receipt.pdf": ENTERPRISE,
    "/enterprise/approvals": ENTERPRISE,
    "/enterprise/approvals/<payment_id>": ENTERPRISE,
    "/developer/applications": PLATFORM,
    "/developer/applications/new": PLATFORM,
    "/developer/applications/<client_id>": PLATFORM,
    "/developer/applications/<client_id>/callback": PLATFORM,
    "/developer/certificates": PLATFORM,
    "/developer/certificates/enrol": PLATFORM,
}
PUBLIC = {"/", "/login", "/docs", "/receipts"}
FIRST = "/account/first"  # for accounts that are not their owner's yet: tests/app/identity/test_first_log_in.py

ACTS: dict[str, set[Role]] = {
    "/logout": EVERYONE,
    "/account/password": EVERYONE,
    "/operations/tenants/new": OPERATOR,
    "/operations/platforms/<proposal_id>/confirm": OPERATOR,
    "/operations/platforms/<proposal_id>/reject": OPERATOR,
    "/operations/accounts/new": OPERATOR,
    "/operations/accounts/<account_id>/disable": OPERATOR,
    "/operations/persons/new": OPERATOR,
    "/operations/persons/<person_id>/portrait": OPERATOR,
    "/operations/contracts/new": OPERATOR,
    "/operations/contracts/<contract_id>/void": OPERATOR,
    "/operations/contracts/uploads": OPERATOR,
    "/operations/contracts/uploads/<upload_id>/flatten": OPERATOR,
    "/operations/contracts/uploads/<upload_id>/refuse": OPERATOR,
    "/operations/contracts/uploads/<upload_id>/send": OPERATOR,
    "/operations/payments/outbox/<item_id>/replay": OPERATOR,
    "/operations/contracts/<contract_id>/parties/<party_id>/resend": OPERATOR,
    "/proofing/register": OPERATOR,
    "/proofing/register/file": OPERATOR,
    "/proofing/persons/<person_id>/unlock": COMPLIANCE,
    "/proofing/persons/<person_id>/enterprise": COMPLIANCE,
    "/proofing/persons/<person_id>/hold": COMPLIANCE,
    "/proofing/persons/<person_id>/withdraw": COMPLIANCE,
    "/proofing/portraits/<review_id>": COMPLIANCE,
    "/proofing/portraits/<review_id>/open": COMPLIANCE,
    "/proofing/assistance/<request_id>/identify": COMPLIANCE,
    "/proofing/assistance/<request_id>/refuse": COMPLIANCE,
    "/proofing/assistance/<request_id>/code": COMPLIANCE,
    "/enterprise/representatives/<person_id>/document": ENTERPRISE,
    "/operations/routing/<alias_id>/accept": OPERATOR,
    "/operations/routing/<alias_id>/reject": OPERATOR,
    "/operations/decisions/<decision_id>/confirm": DECIDERS,
    "/operations/decisions/<decision_id>/reject": DECIDERS,
    "/operations/certificates/<x5t_s256>/hold": CERTIFICATES,
    "/operations/certificates/<x5t_s256>/release": CERTIFICATES,
    "/operations/certificates/<x5t_s256>/revoke": CERTIFICATES,
    "/operations/enrolments/api": CERTIFICATES,
    "/operations/enrolments/product": CERTIFICATES,
    "/operations/journal/verify": AUDITOR,
    "/enterprise/contracts/upload": ENTERPRISE,
    "/enterprise/contracts/<contract_id>/verify": ENTERPRISE,
    "/enterprise/authorizations/<authorization_id>/revoke": ENTERPRISE,
    "/enterprise/approvals/<payment_id>": ENTERPRISE,
    "/enterprise/certificates/enrol": ENTERPRISE,
    "/developer/applications/new": PLATFORM,
    "/developer/applications/registration-code": PLATFORM,
    "/developer/applications/<client_id>/callback": PLATFORM,
    "/developer/applications/<client_id>/disable": PLATFORM,
    "/developer/applications/<client_id>/icbc-aes-key": PLATFORM,
    "/developer/applications/<client_id>/icbc-sha1": PLATFORM,
    "/developer/certificates/enrol": PLATFORM,
}


def served(people: People, method: str) -> set[str]:
    return {
        rule.rule
        for rule in people.app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in {"identity", "portal", "operations", "proofing"}
        and not rule.rule.startswith("/sign/")  # the signer's, who has a link and no account
        and method in (rule.methods or ())
    }


def example(rule: str) -> str:
    return re.sub("<(int:)?[a-z0-9_]+>", "0" * 26, rule)


def test_the_tables_name_every_page(people: People) -> None:
    assert served(people, "GET") == set(PAGES) | PUBLIC | {FIRST}
    assert served(people, "POST") == set(ACTS) | {"/login", FIRST}


@pytest.mark.parametrize("role", [*Role])
def test_pages(people: People, role: Role) -> None:
    browser = people.log_in(role)
    for rule, allowed in PAGES.items():
        answer = browser.get(example(rule))
        expected = 403 if role not in allowed else 404 if "<" in rule else 200
        assert answer.status_code == expected, (rule, answer.text)
    for rule in PUBLIC - {"/login"}:
        assert browser.get(rule).status_code == 200
    assert browser.get("/login").headers["Location"] == "/"


@pytest.mark.parametrize("role", [*Role])
def test_acts(people: People, role: Role) -> None:
    browser = people.log_in(role)
    for rule, allowed in ACTS.items():
        if rule != "/logout":
            status = browser.post(example(rule), page="/account").status_code
            assert (status == 403) == (role not in allowed), (rule, status)
            assert status < 500, (rule, status)


def test_strangers_are_sent_to_log_in_and_back(people: People) -> None:
    stranger = Browser(people.app.test_client())
    for rule in PAGES:
        answer = stranger.get(example(rule) + "?a=1")
        assert answer.status_code == 302, rule
        assert answer.headers["Location"].startswith("/login?next=/")
    for rule in ACTS:
        answer = stranger.post(example(rule))
        assert answer.status_code == 401, rule
    for rule in PUBLIC:
        assert stranger.get(rule).status_code == 200


def test_programs_get_a_problem_document(people: People) -> None:
    answer = people.app.test_client().get("/account", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_every_form_needs_its_token(people: People) -> None:
    browser = people.log_in(Role.OPERATOR)
    for rule in ACTS:
        answer = browser.client.post(example(rule), base_url="https://localhost")
        assert answer.status_code == 400, rule


@pytest.mark.parametrize("role", [*Role])
def test_the_navigation_leads_only_where_one_may_go(people: People, role: Role) -> None:
    browser = people.log_in(role)
    header = browser.get("/").text.split("</header>")[0]
    links = set(re.findall(r'<a href="(/[^"]*)"', header))
    assert "/account" in links
    assert len(links) > 1
    for link in links:
        answer = browser.get(link)
        assert answer.status_code == 200, (link, answer.status_code)
        assert 'aria-current="page"' in answer.text
