"""Errors become RFC 9457 problem documents here and nowhere else.

`Problem` and its subclasses are what use cases of the service raise; the error families of the domain packages are
mapped by `code`. A person's browser gets a page instead, with the same facts. Unknown errors show no detail.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import psycopg
from flask import Flask, Response, g, json, render_template, request
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.texts import chinese_for
from contracts.errors import (
    ContractError,
    FaceCheckStale,
    FontMissing,
    IllegalTransition,
    NotYourTurn,
    StaleRevision,
    TimestampFailed,
)
from kyc.errors import EngineUnavailable, KycError
from pki.errors import PkiError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5  # seconds, for what is away for a while: a database that starts again, a directory being prepared

# PEP 249's names for a database that is away, as SQLAlchemy tells them and as the driver does where payments use it.
_DATABASE_AWAY = (OperationalError, InterfaceError, NoConnection, psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: where (JSON pointer, RFC 6901) and why."""

    pointer: str
    reason: str


class Problem(Exception):
    """Base of what use cases refuse with. `code` is stable; the message is English and safe to show."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad-request"

    def __init__(self, detail: str = "", *, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.faults = faults


class InvalidInput(Problem):
    """The input has the right form of transport but not of content."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"


class NotAuthenticated(Problem):
    """Nobody is logged in, or the credentials are wrong."""

    status, code = HTTPStatus.UNAUTHORIZED, "not-authenticated"


class NotAllowed(Problem):
    """Somebody is there, but may not do this."""

    status, code = HTTPStatus.FORBIDDEN, "not-allowed"


class NotFound(Problem):
    """There is no such thing, or not for this caller."""

    status, code = HTTPStatus.NOT_FOUND, "not-found"


class Conflict(Problem):
    """It cannot be done in the present state."""

    status, code = HTTPStatus.CONFLICT, "conflict"


class TooManyRequests(Problem):
    """Slow down; `retry_after` is seconds."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests"

    def __init__(self, detail: str = "", *, retry_after: int = 60) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(Problem):
    """A part of the service is busy or away; the same request may succeed later."""

    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"


def install(app: Flask) -> None:
    """Register the only error handlers of the application."""
    for family in (Problem, KycError, ContractError, PkiError, HTTPException, DataError, OperationalError, Exception):
        app.register_error_handler(family, to_response)


def to_response(error: Exception) -> Response:
    """The answer for any exception: problem+json, or a page for a browser that asked for one."""
    if isinstance(error, RequestRedirect):
        return Response(status=error.code, headers={"Location": error.new_url})
    document = describe(error)
    status = int(document["status"])
    if isinstance(error, _DATABASE_AWAY):
        # Every request may say so for minutes: one line each, the driver's words without statement and values.
        log.error("the database does not answer: %s", str(getattr(error, "orig", None) or error).partition("\n")[0])
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", exc_info=error)
    if _wants_page():
        page = render_template("error.html", problem=document)
        response = Response(page, status, mimetype="text/html")
    else:
        response = Response(json.dumps(document, ensure_ascii=False), status, mimetype=MEDIA_TYPE)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    if isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name in {"Allow", "Retry-After", "Location"}:
                response.headers[name] = value
    return response


def describe(error: Exception, request_id: str | None = None) -> dict[str, Any]:
    """The RFC 9457 members for an exception; nothing about unknown errors but that they happened.

    Within a request of Flask the request's identifier is known.
    """
    faults: tuple[Fault, ...] = ()
    if isinstance(error, Problem):
        status, code, detail, faults = error.status, error.code, error.detail, error.faults
    elif isinstance(error, KycError | ContractError | PkiError):
        status, code, detail = _status_of(error), error.code, str(error)
    elif isinstance(error, HTTPException):
        status = HTTPStatus(error.code or 500)
        code, detail = status.phrase.lower().replace(" ", "-"), error.description or ""
    elif isinstance(error, DataError):  # PEP 249: a value that no column can hold, such as text with NUL
        status, code, detail = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input", ""
    elif isinstance(error, _DATABASE_AWAY):
        status, code, detail = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", ""
    else:
        status, code, detail = HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", ""
    document: dict[str, Any] = {
        "type": f"urn:yunlian:problem:{code}",
        "title": code.replace("-", " "),
        "status": int(status),
        "code": code,
        "zh": chinese_for(code, int(status)),
        "instance": f"urn:yunlian:request:{g.get('request_id', '') if request_id is None else request_id}",
    }
    if detail:
        document["detail"] = detail
    if faults:
        document["faults"] = [{"pointer": fault.pointer, "reason": fault.reason} for fault in faults]
    return document


def _status_of(error: KycError | ContractError | PkiError) -> HTTPStatus:
    """The domain knows no HTTP. What was asked is refused, unless it came at the wrong time or the fault is ours."""
    if isinstance(error, IllegalTransition | NotYourTurn | FaceCheckStale | StaleRevision):
        return HTTPStatus.CONFLICT
    if isinstance(error, EngineUnavailable | FontMissing | TimestampFailed):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.UNPROCESSABLE_ENTITY


def _wants_page() -> bool:
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"] and not request.path.startswith(
        ("/api/", "/oauth/token")
    )
