"""The simulator's HTTP face: signed requests in, signed answers out, and the moods that break connections."""

from __future__ import annotations

import base64
import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.gateway.httpsig import HttpSignatureError
from app.payments.channels import Channel
from app.payments.clearing_signatures import FindKey, key_id, sign_answer, verify_request
from app.payments.iso20022 import wire
from app.payments.simulator.moods import Mood
from app.payments.simulator.system import Simulator
from pki.ports import Clock

KEY_FILE, PUBLIC_KEY_FILE, STATE_FILE = "simulator.key", "simulator.pem", "state.db"
_XML, _JSON, _TEXT = "application/xml", "application/json", "text/plain"


def open_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The simulator's own key, made at its first start; the bank pins the public half beside it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / KEY_FILE
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / PUBLIC_KEY_FILE).write_bytes(public)
        return key
    loaded = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an EC key")
    return loaded


class SimulatorServer(ThreadingHTTPServer):
    """Serves one simulator. `url` is how the bank addresses it, and what its signatures cover."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        simulator: Simulator,
        mood: Mood,
        key: ec.EllipticCurvePrivateKey,
        find_bank_key: FindKey,
        clock: Clock,
        seed: str = "",
    ) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator
        self.mood = mood
        self.key = key
        self.find_bank_key = find_bank_key
        self.clock = clock
        self.url = f"http://{address[0]}:{self.server_address[1]}"
        self._chance = Random(f"{seed}/connections")  # noqa: S311 - behaviour, not secrets
        self._lock = threading.Lock()

    def breaks(self, share: float) -> bool:
        """Whether this connection is one of those that break."""
        with self._lock:
            return self._chance.random() < share


class _Refusal(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds of silence on a kept connection
    disable_nagle_algorithm = True  # head and body of an answer would otherwise wait 40 ms for each other
    server: SimulatorServer

    def do_POST(self) -> None:
        """One signed request, one signed answer; nothing at all where the mood breaks the connection."""
        body = self._read_body()
        if body is None:
            return
        if self.path == "/messages" and self.server.breaks(self.server.mood.dropped):
            self.close_connection = True
            return
        try:
            self._verify(body)
            content_type, content = self._answer(body)
            status = 200
        except _Refusal as refusal:
            status, content_type, content = refusal.status, _TEXT, str(refusal).encode()
        if self.path == "/messages" and self.server.breaks(self.server.mood.cut):
            self.close_connection = True
            return
        self._send(status, content_type, content)

    def _answer(self, body: bytes) -> tuple[str, bytes]:
        simulator = self.server.simulator
        try:
            question: dict[str, Any] = json.loads(body)
            if self.path == "/messages":
                refusals = simulator.receive([base64.b64decode(xml, validate=True) for xml in question["messages"]])
                return _JSON, json.dumps({"refusals": refusals}).encode()
            if self.path == "/mailbox":
                found = simulator.collect([str(name) for name in question["acknowledged"]], int(question["most"]))
                messages = [{"id": name, "xml": base64.b64encode(xml).decode()} for name, xml in found]
                return _JSON, json.dumps({"messages": messages}).encode()
            if self.path == "/statements":
                channel = Channel(question["channel"]).value
                return _XML, simulator.statement(channel, date.fromisoformat(question["day"])) or b""
        except (ValueError, KeyError, TypeError) as exc:
            raise _Refusal(400, "not a question") from exc
        raise _Refusal(404, "nothing here")

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > wire.MOST_OCTETS:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _verify(self, body: bytes) -> None:
        try:
            verify_request(
                dict(self.headers.items()),
                self.server.find_bank_key,
                target=self.server.url + self.path,
                body=body,
                now=int(self.server.clock().timestamp()),
            )
        except HttpSignatureError as exc:
            raise _Refusal(401, str(exc)) from exc

    def _send(self, status: int, content_type: str, content: bytes) -> None:
        fields = {"Content-Type": content_type}
        try:
            fields = sign_answer(
                self.server.key,
                key_id(self.server.key.public_key()),
                status=status,
                content_type=content_type,
                body=content,
                request_signature=self.headers.get("Signature", ""),
                created=int(self.server.clock().timestamp()),
            )
        except HttpSignatureError:
            status = 401  # nothing to bind the answer to
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: what was said stands in the state."""
