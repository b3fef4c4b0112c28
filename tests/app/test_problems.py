"""Errors as people and programs see them (RFC 9457): typed, in two languages, and nothing about what is unknown."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from app.problems import Conflict, Fault, InvalidInput, NotFound, TooManyRequests, Unavailable
from app.wiring import Services
from contracts.errors import FaceCheckStale, FontMissing, IllegalTransition
from kyc.errors import EngineUnavailable, FaceMismatch
from pki.errors import WeakKey

SECRET = "the text of the error, with 110101195611190027 in it"


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # errors look alike on every database


Ask = Callable[..., TestResponse]


@pytest.fixture
def ask(app: Flask) -> Ask:
    """The answer of a view that raises."""

    def asked(error: Exception | Callable[[], object], accept: str = "application/json") -> TestResponse:
        def view() -> str:
            if isinstance(error, Exception):
                raise error
            error()
            return "no error"

        app.view_functions["health.healthz"] = view
        return app.test_client().get("/healthz", headers={"Accept": accept})

    return asked


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInput("wrong"), 422, "invalid-input"),
        (NotFound(), 404, "not-found"),
        (Conflict("later"), 409, "conflict"),
        (Unavailable("busy"), 503, "unavailable"),
        (IllegalTransition("not now"), 409, "illegal-transition"),
        (FaceCheckStale("too late"), 409, "face-check-stale"),
        (FaceMismatch(0.9, 0.5), 422, "face-mismatch"),
        (WeakKey("too short"), 422, "weak-key"),
        (FontMissing("no font"), 503, "font-missing"),
        (EngineUnavailable("no engine"), 503, "face-engine-unavailable"),
        (RuntimeError(SECRET), 500, "internal-error"),
        (psycopg.errors.AdminShutdown(SECRET), 503, "unavailable"),  # as the driver says it, in the way of payments
        (OperationalError("SELECT", {}, Exception(SECRET)), 503, "unavailable"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET), 500, "internal-error"),
    ],
)
def test_an_error_is_a_problem_document(ask: Ask, error: Exception, status: int, code: str) -> None:
    answer = ask(error)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    document = answer.get_json()
    assert document["type"] == f"urn:yunlian:problem:{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert any("\u4e00" <= character <= "\u9fff" for character in document["zh"])
    assert document["instance"] == f"urn:yunlian:request:{answer.headers['X-Request-Id']}"
    assert SECRET not in answer.text


def test_unknown_errors_show_nothing_of_themselves(ask: Ask, services: Services) -> None:
    def break_database() -> None:
        with services.transaction() as session:
            session.execute(text("SELECT * FROM no_such_table"))

    for error in (RuntimeError(SECRET), KeyError(SECRET), break_database):
        for accept in ("application/json", "text/html"):
            answer = ask(error, accept)
            assert answer.status_code in {500, 503}
            for word in (SECRET, "Traceback", "RuntimeError", "no_such_table", "sqlite", "SELECT"):
                assert word not in answer.text


def test_faults_name_their_places(ask: Ask) -> None:
    answer = ask(InvalidInput("two faults", faults=(Fault("/a/0", "missing"), Fault("/b", "too long"))))
    assert answer.get_json()["faults"] == [
        {"pointer": "/a/0", "reason": "missing"},
        {"pointer": "/b", "reason": "too long"},
    ]
    assert answer.get_json()["detail"] == "two faults"


def test_whoever_must_wait_is_told_how_long(ask: Ask) -> None:
    assert ask(TooManyRequests("slowly", retry_after=900)).headers["Retry-After"] == "900"
    assert ask(Unavailable("starting again")).headers["Retry-After"] == "5"


def test_a_browser_gets_a_page_with_the_same_facts(ask: Ask) -> None:
    answer = ask(Conflict("already done"), "text/html,application/xhtml+xml")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "当前状态下无法进行此操作" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    hostile = ask(Conflict("<script>alert(1)</script>"), "text/html")
    assert "<script>alert" not in hostile.text


@pytest.mark.parametrize("accept", ["*/*", "", "application/json", "text/html;q=0.1,application/json"])
def test_whoever_does_not_ask_for_a_page_gets_none(ask: Ask, accept: str) -> None:
    assert ask(NotFound(), accept).mimetype == "application/problem+json"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 415, 429])
def test_errors_of_the_web_framework_are_problems_too(ask: Ask, status: int) -> None:
    answer = ask(lambda: abort(status))
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.get_json()["status"] == status


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    answer = client.delete("/healthz")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.mimetype == "application/problem+json"
