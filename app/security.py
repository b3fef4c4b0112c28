"""What holds for every request of every door: identifiers, headers, sizes, proxies, CSRF, the access log."""

from __future__ import annotations

import logging
import re
import secrets
import time

from flask import Flask, Response, abort, g, request
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from app.settings import Settings

access_log = logging.getLogger("yunlian.access")
csrf = CSRFProtect()

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
_FIELDS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


def install(app: Flask, settings: Settings) -> None:
    """Put the common protections on the application."""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.max_body,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        MAX_FORM_PARTS=200,
        SESSION_COOKIE_NAME="__Host-yunlian-form",  # carries the CSRF secret and messages only
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
    )
    csrf.init_app(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_finish)


def request_id(given: str) -> str:
    """The caller's own identifier of a request where it has the form of one, otherwise a new one."""
    return given if _REQUEST_ID.match(given) else secrets.token_hex(12)


def fields_for(*, secure: bool) -> tuple[tuple[str, str], ...]:
    """What every answer says besides; the transport's own only where it is `secure`."""
    return (*_FIELDS, _TRANSPORT) if secure else _FIELDS


def log_request(request_id: str | None, method: str, route: str, status: int, began: float | None) -> None:
    """One line of the access log. The rule, not the path: paths carry invitation tokens and identifiers of people's
    contracts."""
    access_log.info(
        "request",
        extra={
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "ms": round((time.perf_counter() - began) * 1000, 1) if began is not None else None,
        },
    )


def _begin() -> None:
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))
    g.began = time.perf_counter()
    if "\0" in request.path or any("\0" in text for pair in request.args.items(multi=True) for text in pair):
        abort(400, "a path or a query cannot contain NUL")  # PostgreSQL stores none; no address of ours has one


def _finish(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in fields_for(secure=request.is_secure):
        if name != "Cache-Control" or request.endpoint != "static":
            headers.setdefault(name, value)
    rule = request.url_rule.rule if request.url_rule else "-"
    log_request(g.get("request_id"), request.method, rule, response.status_code, g.get("began"))
    return response
