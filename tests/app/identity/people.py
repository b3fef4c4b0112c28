"""People for the tests of pages: an account for each role, two for those that decide; log-ins through the real form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.identity import service
from app.identity.models import Account, Role, Tenant, TenantKind
from app.wiring import Services
from pki.identifiers import uscc_check_digit

PASSWORD = "correct horse battery staple"
OWN_PASSWORD = "another horse, and no battery at all"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def uscc(number: int) -> str:
    """A unified social credit code with a true check digit."""
    first17 = f"91110000MA{number:07d}"
    return first17 + uscc_check_digit(first17)


@dataclass
class People:
    """The accounts by login, the tenants by kind, and how to come in."""

    app: Flask
    services: Services
    tenants: dict[str, Tenant] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def add_tenant(self, kind: TenantKind, number: int) -> Tenant:
        with self.services.transaction() as session:
            return service.create_tenant(
                self.services, session, kind=kind, name=f"{kind} {number}", uscc=uscc(number), actor="test"
            )

    def add_account(self, login: str, role: Role, tenant: Tenant) -> Account:
        with self.services.transaction() as session:
            made = service.create_account(
                self.services,
                session,
                tenant_id=tenant.id,
                login=login,
                name=f"姓名 {login}",
                role=role,
                password=PASSWORD,
                actor="test",
            )
        self.accounts[login], self.secrets[login] = made.account, made.totp_secret
        return made.account

    def code(self, login: str) -> str:
        """The code of now by the service's clock."""
        return pyotp.TOTP(self.secrets[login]).at(self.services.clock())

    def log_in(self, login: str) -> Browser:
        """A browser that came in through the log-in page; the clock moves on, so that the next code is a new one."""
        browser = Browser(self.app.test_client())
        answer = browser.post("/login", login=login, password=PASSWORD, code=self.code(login))
        assert answer.status_code == 303, answer.text
        self.services.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
        return browser

    def first_log_in(self, login: str) -> Browser:
        """As `log_in`, for an account that an operator just opened: password and second factor become one's own."""
        browser, page = self.log_in(login), "/account/first"
        shown = browser.get(page).text
        offer, secret = re.search(r'name="offer" value="(\w+)"', shown), re.search(r'data-copy="([A-Z2-7]{32})"', shown)
        assert offer, shown
        assert secret, shown
        self.secrets[login] = secret[1]
        own = {"new": OWN_PASSWORD, "repeated": OWN_PASSWORD, "offer": offer[1], "code": self.code(login)}
        assert browser.post(page, page=page, **own).status_code == 303
        return browser


@dataclass
class Browser:
    """A test client that fetches the page before it posts a form, as people do."""

    client: FlaskClient

    def get(self, url: str) -> TestResponse:
        return self.client.get(url, headers=BROWSER, base_url="https://localhost")

    def post(self, url: str, *, page: str = "/login", **fields: Any) -> TestResponse:
        """Send a form with the CSRF token of `page` (any page that has a form)."""
        shown = self.get(page)
        token = _TOKEN.search(shown.text) or _TOKEN.search(self.get("/account").text)
        assert token, shown.text
        data = {"csrf_token": token[1], **fields}
        return self.client.post(
            url, data=data, headers={**BROWSER, "Referer": "https://localhost/"}, base_url="https://localhost"
        )


def make_people(app: Flask, services: Services) -> People:
    """A bank, an enterprise and a platform with their accounts; the login is the role, with a 2 for the second."""
    people = People(app, services)
    for number, kind in enumerate(TenantKind, start=1):
        people.tenants[kind] = people.add_tenant(kind, number)
        for role in service.ROLES_OF[kind]:
            people.add_account(role, role, people.tenants[kind])
    for role in (Role.OPERATOR, Role.CERTIFICATE_OFFICER, Role.COMPLIANCE_OFFICER):
        people.add_account(f"{role}2", role, people.tenants[TenantKind.BANK])
    return people
