"""Answers sent in one piece, past gunicorn's own writer: that one looks at every field again and sends the head and the
body apart, which together costs as much as signing does.

For plain answers on connections that stay open. Whoever asks otherwise is answered in gunicorn's way.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from app import even

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_dated: tuple[int, str] = (0, "")


def answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: str,
    fields: Iterable[tuple[str, str]],
    body: bytes,
) -> Iterable[bytes]:
    """Answer with a body whose Content-Length is among `fields`; what a WSGI application returns. Raises ValueError for
    a field with a line break."""
    connection: Any = environ.get("gunicorn.socket")
    if connection is None or not _stays_open(environ) or not even.is_serving():
        start_response(status, list(fields))
        return [body]
    lines = [f"HTTP/1.1 {status}", f"Date: {_date()}", *[f"{name}: {value}" for name, value in fields]]
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines):
        raise ValueError("a field with a line break")
    connection.sendall(f"{head}\r\n\r\n".encode("latin-1") + body)
    return even.ALREADY_ANSWERED


def _stays_open(environ: WSGIEnvironment) -> bool:
    """RFC 9112 §9.3: a connection of HTTP/1.1 does unless a side says otherwise."""
    return environ["SERVER_PROTOCOL"] == "HTTP/1.1" and "HTTP_CONNECTION" not in environ


def _date() -> str:
    """The Date field (RFC 9110 §6.6.1), made once a second."""
    global _dated  # noqa: PLW0603 - the last one made
    now = int(time.time())
    if _dated[0] != now:
        _dated = now, formatdate(now, usegmt=True)
    return _dated[1]
