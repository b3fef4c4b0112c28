"""The one address that has to be fast, answered before Flask: `POST /api/v1/payments`.

The same checks by the same functions as the view behind it (`protect.take_in`), the same fields, the same line in the
log. Whatever is out of the ordinary, and every refusal, is answered by Flask itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, g

from app import direct, security
from app.gateway.answers import CONTENT_TYPE, signature_fields, standing_fields, write_body
from app.gateway.documents import compact
from app.gateway.protect import read_environ
from app.gateway.requests import MAX_BODY, IncomingRequest
from app.gateway.verify import Attempt
from app.payments.problems import Overloaded
from app.payments.protect import take_in
from app.problems import MEDIA_TYPE, describe
from app.wiring import EXTENSION, Services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/api/v1/payments"


def install(app: Flask) -> None:
    """Stand before Flask, behind whatever is put before it later (`ProxyFix`)."""
    app.wsgi_app = Front(app, app.wsgi_app)  # type: ignore[method-assign]


class Front:
    """WSGI: payments in the usual form are answered here, all else by `behind`."""

    def __init__(self, app: Flask, behind: WSGIApplication) -> None:
        self._app = app
        self._behind = behind
        self._services: Services = app.extensions[EXTENSION]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or not _is_usual(environ):
            return self._behind(environ, start_response)
        began = time.perf_counter()
        attempt = Attempt(security.request_id(environ.get("HTTP_X_REQUEST_ID", "")))
        services = self._services
        try:
            incoming = read_environ(services, environ, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            verified, answer = take_in(services, attempt, incoming, PATH)
            body = write_body(services, answer, verified.product_x5t_s256).encode()
            fields = _fields(services, attempt, incoming, answer.status, CONTENT_TYPE, body)
        except Overloaded as error:
            return _send_away(services, environ, start_response, began, attempt, incoming, error)
        except Exception as error:
            return self._refuse(environ, start_response, began, attempt, error)
        return _answer(environ, start_response, began, attempt, "200 OK", fields, body)

    def _refuse(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        began: float,
        attempt: Attempt,
        error: Exception,
    ) -> Iterable[bytes]:
        """As the view would, whose body was read already."""
        with self._app.request_context(environ):
            g.request_id, g.began, g.gateway_attempt = attempt.request_id, began, attempt
            response = self._app.make_response(self._app.handle_user_exception(error))
            return self._app.process_response(response)(environ, start_response)


def _send_away(
    services: Services,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    began: float,
    attempt: Attempt,
    incoming: IncomingRequest,
    error: Overloaded,
) -> Iterable[bytes]:
    """As `Front._refuse`, at a fraction of the cost: there is no time for more when this happens."""
    body = compact(describe(error, attempt.request_id)).encode()
    fields = _fields(services, attempt, incoming, int(error.status), MEDIA_TYPE, body)
    fields["Retry-After"] = str(error.retry_after)
    return _answer(environ, start_response, began, attempt, "429 TOO MANY REQUESTS", fields, body)


def _is_usual(environ: WSGIEnvironment) -> bool:
    """A POST of a stated, not too large length, without a query."""
    length = environ.get("CONTENT_LENGTH", "")
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and not environ.get("QUERY_STRING")
        and not environ.get("SCRIPT_NAME")
        and "HTTP_TRANSFER_ENCODING" not in environ
        and length.isascii()
        and length.isdigit()
        and int(length) <= MAX_BODY
    )


def _fields(
    services: Services, attempt: Attempt, incoming: IncomingRequest, status: int, content_type: str, body: bytes
) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "X-Request-Id": attempt.request_id,
        **standing_fields(services, incoming, attempt),
        **signature_fields(services, incoming, status, content_type, body),
    }


def _answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    began: float,
    attempt: Attempt,
    status: str,
    fields: dict[str, str],
    body: bytes,
) -> Iterable[bytes]:
    security.log_request(attempt.request_id, "POST", PATH, int(status[:3]), began)
    standing = security.fields_for(secure=environ["wsgi.url_scheme"] == "https")
    return direct.answer(environ, start_response, status, (*fields.items(), *standing), body)
