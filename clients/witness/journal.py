"""The public side of a journal, over plain http: everything is signed itself."""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT = 20.0  # seconds
_MAXIMUM = 256 * 1024


class JournalUnreachable(Exception):
    """No answer, or not one of a journal."""


class PublicJournal:
    """GET /journal/checkpoint and /journal/consistency, POST /journal/cosignature below a door's /pki."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise JournalUnreachable("the URL begins with http:// or https://")
        self._url = url

    def newest(self) -> bytes | None:
        """The newest signed note; None while there is none."""
        try:
            return self._send("/journal/checkpoint")
        except HTTPError as exc:
            if exc.code == HTTPStatus.NOT_FOUND:
                return None
            raise JournalUnreachable(f"status {exc.code}") from exc

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The hashes that lead from one size to the other (RFC 9162 §2.1.4)."""
        try:
            answer = json.loads(self._send(f"/journal/consistency?from={old}&to={new}"))
            return [bytes.fromhex(node) for node in answer["proof"]]
        except (HTTPError, ValueError, KeyError, TypeError) as exc:
            raise JournalUnreachable(f"no proof from {old} to {new}") from exc

    def hand_in(self, note: bytes) -> None:
        """A cosigned note."""
        try:
            self._send("/journal/cosignature", note)
        except HTTPError as exc:
            raise JournalUnreachable(f"status {exc.code}") from exc

    def _send(self, path: str, body: bytes | None = None) -> bytes:
        request = Request(self._url + path, data=body, headers={"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the scheme was checked
                content: bytes = answer.read(_MAXIMUM)
                return content
        except HTTPError:
            raise
        except (URLError, OSError) as exc:
            raise JournalUnreachable(str(exc)) from exc
