"""The connection to a clearing that speaks HTTP: one kept open, every request signed, every answer verified."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from app.gateway.httpsig import HttpSignatureError
from app.payments.clearing_errors import DeliveryRefused, DeliveryUncertain, NotDelivered
from app.payments.clearing_signatures import key_id, sign_request, verify_answer
from pki.keys import PrivateKey, PublicKey
from pki.ports import Clock

TIMEOUT = 10.0  # seconds, for the connection and for each read
MOST_ANSWER = 64 * 1024 * 1024
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class HttpClearing:
    """See ClearingConnection. `url` is https, or http on the same machine."""

    def __init__(self, url: str, own_key: PrivateKey, own_keyid: str, their_key: PublicKey, clock: Clock) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        self._own_key = own_key
        self._own_keyid = own_keyid
        self._keys = {key_id(their_key): their_key}
        self._clock = clock

    def send(self, messages: Sequence[bytes]) -> Sequence[str | None]:
        """See ClearingConnection."""
        content = {"messages": [base64.b64encode(xml).decode() for xml in messages]}
        answer = self._post("/messages", json.dumps(content).encode())
        if answer.status >= 400:
            raise DeliveryRefused(answer.body.decode("utf-8", "replace")[:200])
        try:
            refusals = json.loads(answer.body)["refusals"]
        except (ValueError, KeyError, TypeError) as exc:
            raise DeliveryUncertain("the answer cannot be read") from exc
        if not isinstance(refusals, list) or len(refusals) != len(messages):
            raise DeliveryUncertain("the answer is about other messages")
        return [None if refusal is None else str(refusal)[:200] for refusal in refusals]

    def collect(self, acknowledged: Sequence[str], most: int) -> Sequence[tuple[str, bytes]]:
        """See ClearingConnection."""
        answer = self._ask("/mailbox", {"acknowledged": list(acknowledged), "most": most})
        try:
            messages = json.loads(answer.body)["messages"]
            return [(str(each["id"]), base64.b64decode(each["xml"], validate=True)) for each in messages]
        except (ValueError, KeyError, TypeError) as exc:
            raise NotDelivered("the mailbox's answer cannot be read") from exc

    def statement(self, channel: str, day: date) -> bytes | None:
        """See ClearingConnection."""
        answer = self._ask("/statements", {"channel": channel, "day": day.isoformat()})
        return answer.body or None

    def close(self) -> None:
        """See ClearingConnection."""
        self._connection.close()

    def _ask(self, path: str, question: object) -> _Answer:
        try:
            answer = self._post(path, json.dumps(question).encode())
        except DeliveryUncertain as exc:
            raise NotDelivered(str(exc)) from exc  # asking changes nothing, so it may be asked again
        if answer.status >= 400:
            raise NotDelivered(f"answered by {answer.status}")
        return answer

    def _post(self, path: str, body: bytes) -> _Answer:
        target = self._url + path
        now = int(self._clock().timestamp())
        fields = sign_request(self._own_key, self._own_keyid, target=target, content_type=JSON, body=body, created=now)
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError as exc:
            raise NotDelivered(f"no connection: {type(exc).__name__}") from exc
        # From here on something may have arrived, whatever is raised.
        try:
            self._connection.request("POST", urlsplit(target).path, body, fields)
            response = self._connection.getresponse()
            content = response.read(MOST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            raise DeliveryUncertain(f"no answer: {type(exc).__name__}") from exc
        if len(content) > MOST_ANSWER:
            self._connection.close()
            raise DeliveryUncertain("the answer is too large")
        try:
            verify_answer(
                dict(response.headers.items()),
                self._keys.get,
                status=response.status,
                body=content,
                request_signature=fields["Signature"],
                now=now,
            )
        except HttpSignatureError as exc:
            raise DeliveryUncertain(f"the answer is not signed by the clearing: {exc}") from exc
        return _Answer(response.status, content)
