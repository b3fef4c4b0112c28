"""What a person's browser does, without the browser: cookies, forms with their CSRF token, JSON calls of a page."""

from __future__ import annotations

import html
import json
import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from app.demonstration import LogIn

_CSRF = re.compile(r'name="csrf[-_]token"\s+(?:value|content)="([^"]+)"')
_CODE = re.compile(r"<pre[^>]*><code>(.*?)</code></pre>", re.DOTALL)


class Refused(Exception):
    """The service said no; `code` is the problem's, where there is one."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        is_problem = "problem+json" in response.headers.get("Content-Type", "")
        self.code: str = response.json()["code"] if is_problem else ""
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {self.code}")


class Browser:
    """One person's browser, which trusts one root alone and follows redirects within the service.

    `transport` replaces the network, for a service that runs in the same process.
    """

    def __init__(
        self, base_url: str, root: Path | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            verify=True if root is None else ssl.create_default_context(cafile=root),
            transport=transport,
            timeout=60,
            headers={"Accept": "text/html"},
            follow_redirects=True,
        )
        self._csrf = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def log_in(self, entry: LogIn) -> None:
        """Password and second factor. A code works once, so a second log-in waits for the next one."""
        response = self._try_log_in(entry)
        if response.url.path == "/login":
            wait_for_next_code()
            response = self._try_log_in(entry)
        if response.url.path == "/login":
            raise Refused(response)

    def _try_log_in(self, entry: LogIn) -> httpx.Response:
        self.get("/login")
        form = {"login": entry.login, "password": entry.password, "code": entry.code()}
        return self._client.post("/login", data=self._with_token(form), headers=self._referer())

    def get(self, path: str) -> str:
        """A page; remembers its CSRF token."""
        return self._keep(self._client.get(path))

    def submit(self, path: str, fields: Mapping[str, Any], *, page: str | None = None, **files: Any) -> str:
        """Fill in the form on `page` (the path itself unless told) and send it. Raises Refused."""
        self.get(page or path)
        return self._keep(
            self._client.post(path, data=self._with_token(fields), files=files or None, headers=self._referer())
        )

    def submit_raw(self, path: str, fields: Mapping[str, Any], *, page: str) -> httpx.Response:
        """As `submit`, for answers that are files or redirects elsewhere, which are not followed."""
        self.get(page)
        response = self._client.post(
            path, data=self._with_token(fields), headers=self._referer(), follow_redirects=False
        )
        if response.status_code >= 400:
            raise Refused(response)
        return response

    def call(self, path: str, message: Mapping[str, Any] | None = None, **multipart: Any) -> dict[str, Any]:
        """A JSON call of the page that was opened last. Raises Refused."""
        headers = {"Accept": "application/json", "X-CSRF-Token": self._csrf, **self._referer()}
        if multipart:
            response = self._client.post(path, headers=headers, **multipart)
        else:
            response = self._client.post(path, json=dict(message or {}), headers=headers)
        if response.status_code >= 400:
            raise Refused(response)
        answer: dict[str, Any] = response.json()
        return answer

    def fetch(self, path: str) -> dict[str, Any]:
        """A JSON document. Raises Refused."""
        answer: dict[str, Any] = json.loads(self.download(path))
        return answer

    def download(self, path: str) -> bytes:
        """A file. Raises Refused."""
        response = self._client.get(path)
        if response.status_code >= 400:
            raise Refused(response)
        return response.content

    def _keep(self, response: httpx.Response) -> str:
        if response.status_code >= 400:
            raise Refused(response)
        if found := _CSRF.search(response.text):
            self._csrf = html.unescape(found[1])
        return response.text

    def _with_token(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {**fields, "csrf_token": self._csrf}

    def _referer(self) -> dict[str, str]:
        return {"Referer": str(self._client.base_url)}


def shown_codes(page: str) -> list[str]:
    """What a page shows to be copied: codes, links, certificates."""
    return [html.unescape(found) for found in _CODE.findall(page)]


def option_value(page: str, select: str, text: str) -> str:
    """The value of the option of a select that shows `text`."""
    part = page[page.index(f'name="{select}"') :]
    for value, shown in re.findall(r'<option value="([^"]*)"[^>]*>(.*?)</option>', part, re.DOTALL):
        if text in html.unescape(shown):
            return html.unescape(value)
    raise LookupError(f"no option {text!r} in {select}")


def wait_for_next_code() -> None:
    """Until the present half minute of the second factor is over."""
    time.sleep(30 - time.time() % 30 + 0.5)
