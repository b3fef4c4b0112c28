"""Whoever opened an account has seen its password and second factor: both are changed before anything else."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from app.identity import service
from app.identity.models import Account, Role, TenantKind
from app.journal import JournalEntry
from tests.app.identity.people import PASSWORD, Browser, People

OWN = "a password that nobody has seen"
LOGIN = "newcomer"


@pytest.fixture
def browser(people: People) -> Browser:
    """A browser in which a new account has just logged in with what the operator handed over."""
    services = people.services
    with services.transaction() as session:
        made = service.create_account(
            services,
            session,
            tenant_id=people.tenants[TenantKind.BANK].id,
            login=LOGIN,
            name="新同事",
            role=Role.OPERATOR,
            password=PASSWORD,
            actor="test",
            provisional=True,
        )
    people.accounts[LOGIN], people.secrets[LOGIN] = made.account, made.totp_secret
    opened = people.log_in(LOGIN)
    services.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
    return opened


def offered(page: str) -> tuple[str, str]:
    """(sealed offer, Base32 secret) as the page shows them."""
    sealed = re.search(r'name="offer" value="([0-9a-f]+)"', page)
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', page)
    assert sealed
    assert secret
    return sealed[1], secret[1]


def fields(people: People, browser: Browser) -> dict[str, str]:
    offer, secret = offered(browser.get("/account/first").text)
    return {"offer": offer, "code": pyotp.TOTP(secret).at(people.services.clock()), "new": OWN, "repeated": OWN}


def test_nothing_else_is_open_before(browser: Browser) -> None:
    assert browser.get("/login").headers["Location"] == "/account/first"
    for path in ("/account", "/operations/tenants", "/account/password"):
        assert "/login" in browser.get(path).headers["Location"]
    assert browser.post("/operations/tenants/new", page="/account/first", name="x").status_code == 401


def test_password_and_second_factor_become_ones_own(people: People, browser: Browser) -> None:
    sent = fields(people, browser)
    assert browser.post("/account/first", page="/account/first", **sent).status_code == 303
    assert browser.get("/operations/tenants").status_code == 200

    people.services.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
    again = Browser(people.app.test_client())
    handed_over = {"login": LOGIN, "password": PASSWORD, "code": people.code(LOGIN)}
    assert again.post("/login", **handed_over).status_code == 401
    with people.services.reading() as session:
        account = session.scalars(select(Account).where(Account.login == LOGIN)).one()
        kinds = session.scalars(select(JournalEntry.kind).where(JournalEntry.subject == account.id)).all()
    assert not account.provisional
    assert {"password-changed", "second-factor-changed"} <= set(kinds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"new": PASSWORD, "repeated": PASSWORD},
        {"new": "short", "repeated": "short"},
        {"repeated": "something else entirely"},
        {"code": "000000"},
        {"code": ""},
    ],
)
def test_what_does_not_do_changes_nothing(people: People, browser: Browser, wrong: dict[str, str]) -> None:
    answer = browser.post("/account/first", page="/account/first", **{**fields(people, browser), **wrong})
    assert answer.status_code == 422
    assert browser.get("/login").headers["Location"] == "/account/first"


def test_the_old_second_factor_is_not_the_new_one(people: People, browser: Browser) -> None:
    sent = {**fields(people, browser), "code": people.code(LOGIN)}
    assert browser.post("/account/first", page="/account/first", **sent).status_code == 422


def test_an_offer_is_for_one_account(people: People, browser: Browser) -> None:
    auditor = people.accounts[Role.AUDITOR]
    other = service.offer_second_factor(people.services, auditor)
    sent = {**fields(people, browser), "offer": other.sealed, "code": pyotp.TOTP(other.secret).now()}
    assert browser.post("/account/first", page="/account/first", **sent).status_code == 503


def test_an_account_of_ones_own_has_no_business_there(people: People) -> None:
    browser = people.log_in(Role.AUDITOR)
    assert browser.get("/account/first").status_code == 302
    assert browser.post("/account/first", page="/account", new=OWN).status_code == 401
