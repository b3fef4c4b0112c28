"""A body that dawdles is refused in the form of whom it was meant for, and the connection is not used again."""

from __future__ import annotations

import gevent
import pytest
from flask import Flask
from gunicorn.http.body import Body

from app.gateway import slow
from app.gateway.slow import TimedInput


class _Dawdler:
    """One octet now and then, as many as are asked for."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def read(self, size: int) -> bytes:
        gevent.sleep(self.pause)
        return b"{"


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "BODY_TIME", 0.05)


@pytest.mark.parametrize(
    ("path", "content_type", "said"),
    [
        ("/api/v1/payments", "application/jose", ("code", "request-timeout")),
        ("/api/v1/payments/status", "application/jose", ("code", "request-timeout")),
        ("/oauth/token", "application/x-www-form-urlencoded", ("error", "invalid_request")),
        ("/oauth/register", "application/json", ("error", "invalid_request")),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_it_is_refused(app: Flask, path: str, content_type: str, said: tuple[str, str]) -> None:
    slow.install(app)  # as wsgi.py does
    body = Body(_Dawdler(0.01))
    answer = app.test_client().post(
        path,
        content_type=content_type,
        headers={"Authorization": "Bearer a.b.c"},
        environ_overrides={
            "gunicorn.socket": None,
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "10000",
        },
    )
    assert answer.status_code == 408
    assert answer.json is not None
    assert answer.json[said[0]] == said[1]
    assert body.failed, "gunicorn closes the connection"


def test_what_comes_in_time_is_read_whole() -> None:
    class Prompt:
        def read(self, size: int = -1) -> bytes:
            return b"all of it"

    assert TimedInput(Prompt()).read() == b"all of it"
