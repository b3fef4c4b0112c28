"""Log-in: two factors, one answer for every refusal, the lock, codes that work once, sessions that end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.identity import service, sessions
from app.identity.access import COOKIE
from app.identity.models import Role
from app.identity.problems import InvalidCredentials
from tests.app.identity.people import PASSWORD, Browser, People

WRONG = "a wrong password indeed"


def attempt(people: People, login: str = "operator", password: str = PASSWORD, code: str | None = None) -> str:
    logged_in = service.log_in(
        people.services, login=login, password=password, code=people.code("operator") if code is None else code
    )
    return logged_in.token


def test_password_and_code_open_a_session(people: People) -> None:
    token = attempt(people, login=" Operator ")
    account = sessions.find_account(people.services, token)
    assert account is not None
    assert (account.login, account.role, account.tenant.kind) == ("operator", Role.OPERATOR, "bank")


@pytest.mark.parametrize(
    ("login", "password", "code"),
    [("operator", WRONG, None), ("operator", PASSWORD, "000000"), ("nobody", PASSWORD, None), ("operator", "", "")],
)
def test_every_refusal_reads_the_same(people: People, login: str, password: str, code: str | None) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        attempt(people, login, password, code)
    assert str(refused.value) == "the login, the password or the code is wrong, or the account is locked"


def test_a_code_works_once(people: People) -> None:
    attempt(people)
    with pytest.raises(InvalidCredentials):
        attempt(people)


def test_an_older_code_is_refused_after_a_newer_one(people: People, clock) -> None:
    older = people.code("operator")
    clock.advance(timedelta(seconds=30))
    attempt(people)
    with pytest.raises(InvalidCredentials):
        attempt(people, code=older)


def test_one_step_of_drift_is_accepted_and_two_are_not(people: People, clock) -> None:
    code = people.code("operator")
    clock.advance(timedelta(seconds=60))
    with pytest.raises(InvalidCredentials):
        attempt(people, code=code)
    code = people.code("operator")
    clock.advance(timedelta(seconds=30))
    attempt(people, code=code)


def test_one_code_in_two_threads_opens_one_session(people: People) -> None:
    code = people.code("operator")

    def one(_: int) -> bool:
        try:
            attempt(people, code=code)
        except InvalidCredentials:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(one, range(2))) == [False, True]


def test_five_failures_lock_for_fifteen_minutes(people: People, clock) -> None:
    for _ in range(service.MOST_FAILURES):
        with pytest.raises(InvalidCredentials):
            attempt(people, password=WRONG)
    with pytest.raises(InvalidCredentials):
        attempt(people)
    clock.advance(timedelta(minutes=14, seconds=59))
    with pytest.raises(InvalidCredentials):
        attempt(people)
    clock.advance(timedelta(seconds=1))
    attempt(people)


def test_a_success_clears_the_count(people: People, clock) -> None:
    for _ in range(3):
        for _ in range(service.MOST_FAILURES - 1):
            with pytest.raises(InvalidCredentials):
                attempt(people, password=WRONG)
        attempt(people)
        clock.advance(timedelta(seconds=30))


def test_parallel_guesses_do_not_get_past_the_lock(people: People) -> None:
    def guess(_: int) -> bool:
        return service.record_attempt(people.services, "operator") is not None

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(guess, range(12))) == service.MOST_FAILURES


def test_attempts_are_journaled_without_what_was_typed(people: People) -> None:
    with pytest.raises(InvalidCredentials):
        attempt(people, login="my-password-by-mistake")
    attempt(people)
    with people.services.reading() as session:
        entries = people.services.journal.entries(session, 3)
    assert [entry.kind for entry in entries] == ["logged-in", "log-in-attempted", "log-in-attempted"]
    assert entries[2].subject == service.UNKNOWN
    assert all("mistake" not in entry.leaf for entry in entries)


def test_unknown_logins_are_journaled_in_bounded_number(people: People) -> None:
    for number in range(20):
        assert service.record_attempt(people.services, f"nobody-{number}") is None
    for _ in range(service.MOST_FAILURES):
        assert service.record_attempt(people.services, "operator") is not None

    with people.services.reading() as session:
        subjects = [
            entry.subject for entry in people.services.journal.entries(session, 50) if entry.kind == "log-in-attempted"
        ]
    assert 1 <= subjects.count(service.UNKNOWN) < 20
    assert len(subjects) - subjects.count(service.UNKNOWN) == service.MOST_FAILURES


def test_a_session_ends_when_idle(people: People, clock) -> None:
    token = attempt(people)
    clock.advance(sessions.IDLE - timedelta(seconds=1))
    assert sessions.find_account(people.services, token)
    clock.advance(sessions.IDLE - timedelta(seconds=1))
    assert sessions.find_account(people.services, token)  # the look before counted as use
    clock.advance(sessions.IDLE)
    assert sessions.find_account(people.services, token) is None


def test_a_session_ends_after_twelve_hours_however_busy(people: People, clock) -> None:
    token = attempt(people)
    for _ in range(36):
        assert sessions.find_account(people.services, token)
        clock.advance(timedelta(minutes=20))
    assert sessions.find_account(people.services, token) is None
    with people.services.transaction() as session:
        assert sessions.forget_ended(session, clock()) == 1


def test_a_disabled_account_is_out_at_once_and_for_ever(people: People, clock) -> None:
    token = attempt(people)
    other = people.accounts["operator2"]
    with people.services.transaction() as session:
        service.disable_account(people.services, session, people.accounts["operator"].id, actor=other.id)
    assert sessions.find_account(people.services, token) is None
    clock.advance(timedelta(seconds=30))
    with pytest.raises(InvalidCredentials):
        attempt(people)


def test_the_cookie_is_bound_to_this_host(people: People) -> None:
    browser = Browser(people.app.test_client())
    answer = browser.post("/login", login="operator", password=PASSWORD, code=people.code("operator"))
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith(f"{COOKIE}="))
    for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in cookie
    assert "Domain" not in cookie


def test_log_out_ends_the_session_on_the_server(people: People) -> None:
    browser = people.log_in("operator")
    token = browser.client.get_cookie(COOKIE, domain="localhost").value
    assert browser.post("/logout", page="/account").status_code == 303
    assert sessions.find_account(people.services, token) is None
    assert browser.get("/account").status_code == 302


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/a\nb", "evil"])
def test_log_in_forwards_to_this_service_only(people: People, target: str) -> None:
    browser = Browser(people.app.test_client())
    fields = {"login": "operator", "password": PASSWORD, "code": people.code("operator")}
    answer = browser.client.get("/login", query_string={"next": target}, base_url="https://localhost")
    assert "evil" not in answer.text or target == "evil"
    answer = browser.post(f"/login?next={target}".replace("\n", "%0A"), **fields)
    assert answer.headers["Location"] == "/"


def test_the_page_shows_faults_and_keeps_the_login_but_no_secret(people: People) -> None:
    browser = Browser(people.app.test_client())
    answer = browser.post("/login", login="operator", password=WRONG, code="12x456")
    assert answer.status_code == 422
    assert "动态码为 6 位数字" in answer.text
    assert 'value="operator"' in answer.text
    assert WRONG not in answer.text
    answer = browser.post("/login", login="operator", password=WRONG, code=people.code("operator"))
    assert answer.status_code == 401
    assert "锁定" in answer.text


def test_without_a_csrf_token_nothing_is_accepted(people: People) -> None:
    fields = {"login": "operator", "password": PASSWORD, "code": people.code("operator")}
    answer = people.app.test_client().post("/login", data=fields, base_url="https://localhost")
    assert answer.status_code == 400
    browser = people.log_in("operator")
    answer = browser.client.post("/logout", base_url="https://localhost")
    assert answer.status_code == 400
    assert browser.get("/account").status_code == 200


def test_changing_the_password_logs_other_browsers_out(people: People) -> None:
    here, elsewhere = people.log_in("operator"), people.log_in("operator")
    changed = "another long pass phrase"
    answer = here.post("/account/password", page="/account/password", current=WRONG, new=changed, repeated=changed)
    assert answer.status_code == 422
    answer = here.post("/account/password", page="/account/password", current=PASSWORD, new="short", repeated="short")
    assert "12 至 128" in answer.text
    answer = here.post("/account/password", page="/account/password", current=PASSWORD, new=changed, repeated="other")
    assert "不一致" in answer.text
    answer = here.post("/account/password", page="/account/password", current=PASSWORD, new=changed, repeated=changed)
    assert answer.status_code == 303
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    with pytest.raises(InvalidCredentials):
        attempt(people)
    people.services.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
    attempt(people, password=changed)
