"""The agent: a small process at the enterprise that holds the product's keys and signs after the enterprise's rules.

A platform's client asks it over loopback or a Unix socket (`yunlian.remote`); the key never leaves the enterprise, and
whatever the platform becomes, it moves no more than the rules say. What was signed is kept in a file of SQLite, so
several agents over one file keep one total.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import socket
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError

from yunlian.enterprise import Enterprise
from yunlian.keys import load_private_key
from yunlian.rules import RuleBroken, Rules, Spending, load_rules, read_toml

_MAX_REQUEST = 1024 * 1024  # octets


class SignedBefore:
    """What was signed on which day, in a file of SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS signed (name TEXT PRIMARY KEY, day TEXT NOT NULL, digest TEXT NOT NULL,"
                " amount_minor INTEGER NOT NULL, at TEXT NOT NULL)"
            )

    def add(self, spending: Spending, daily_minor: int, at: datetime) -> None:
        """Count it towards its day, once per name. Raises RuleBroken beyond the day's limit, or for another document of
        the same name: the bank would refuse that as well.
        """
        with self._transaction() as database:
            known = database.execute("SELECT digest FROM signed WHERE name = ?", (spending.name,)).fetchone()
            if known is not None:
                if known[0] != spending.digest:
                    raise RuleBroken("another document of this name was signed before")
                return
            [spent] = database.execute(
                "SELECT COALESCE(SUM(amount_minor), 0) FROM signed WHERE day = ?", (spending.day,)
            ).fetchone()
            if spent + spending.amount_minor > daily_minor:
                raise RuleBroken("the limit of the day is used up")
            database.execute(
                "INSERT INTO signed VALUES (?, ?, ?, ?, ?)",
                (spending.name, spending.day, spending.digest, spending.amount_minor, at.isoformat()),
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=20, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


class Agent:
    """The product's keys behind the rules."""

    def __init__(
        self,
        rules: Rules,
        enterprise: Enterprise,
        signed_before: SignedBefore,
        *,
        opens: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.rules = rules
        self.enterprise = enterprise
        self._signed_before = signed_before
        self._opens = opens
        self._clock = clock
        self._one_at_a_time = threading.Lock()  # a session of a PKCS #11 token demands it

    def sign(self, method: str, url: str, document: dict[str, Any]) -> str:
        """The content as a JWS, for this endpoint and the next five minutes. Raises RuleBroken."""
        now = self._clock()
        spending = self.rules.check(method, url, document, now)
        if spending is not None:  # counted before it is signed: what is not sent in the end was still out of the house
            self._signed_before.add(spending, self.rules.daily_minor, now)
        with self._one_at_a_time:
            return self.enterprise.content(
                document, issuer=self.rules.issuer, client_id=self.rules.client_id, method=method, url=url, now=now
            )

    def open(self, sealed: str) -> dict[str, Any]:
        """What the bank sealed for the enterprise, for the platform to read. Raises RuleBroken, ValueError."""
        if not self._opens:
            raise RuleBroken("the rules keep sealed answers to the enterprise")
        return self.enterprise.open(sealed)


def load_agent(path: Path) -> tuple[Agent, dict[str, Any]]:
    """An agent and the settings of its file, whose paths are relative to it. Raises ValueError, OSError.

    Beside the rules: `product_key`, `product_certificate`, `encryption_key` (may be missing), `key_password_file`
    (PKCS #12, encrypted PEM), `signed_before`, `token_file`, `listen`, and `platform_reads_answers`.
    """
    values = read_toml(path)
    folder = path.parent

    def place(name: str) -> Path | str | None:
        value = values.get(name)
        if value is None or str(value).startswith("pkcs11:"):
            return value
        return folder / str(value)

    password_file = place("key_password_file")
    password = Path(password_file).read_bytes().strip() if password_file is not None else None
    key, certificate = place("product_key"), place("product_certificate")
    if key is None or certificate is None:
        raise ValueError("the agent needs product_key and product_certificate")
    encryption = place("encryption_key")
    enterprise = Enterprise(
        load_private_key(key, password),
        Path(certificate),
        load_private_key(encryption, password) if encryption is not None else None,
    )
    memory = SignedBefore(Path(place("signed_before") or folder / "signed-before.db"))
    return Agent(
        load_rules(values), enterprise, memory, opens=bool(values.get("platform_reads_answers", False))
    ), values


class AgentServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on `127.0.0.1:<port>`, or on the path of a Unix socket that its owner alone may open."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, agent: Agent, listen: str, token: str) -> None:
        self.agent = agent
        self.token = token
        host, separator, port = listen.rpartition(":")
        if separator and port.isdigit():
            if host not in {"127.0.0.1", "localhost", "[::1]"}:
                raise ValueError("an agent listens on loopback only; put TLS and a firewall of your own before it")
            self.address_family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
            super().__init__((host.strip("[]"), int(port)), _Handler)
        else:
            Path(listen).unlink(missing_ok=True)
            self.address_family = socket.AF_UNIX
            before = os.umask(0o177)
            try:
                super().__init__(listen, _Handler)  # type: ignore[arg-type]
            finally:
                os.umask(before)


class _Handler(BaseHTTPRequestHandler):
    server: AgentServer
    timeout = 10

    def do_GET(self) -> None:
        """Who signs here."""
        self._answer(lambda agent, _: {"x5t#S256": agent.enterprise.x5t_s256, "urn": agent.enterprise.urn}, "/")

    def do_POST(self) -> None:
        """`/sign` a document, `/open` a sealed answer."""
        if self.path == "/open":
            self._answer(lambda agent, asked: {"document": agent.open(asked["sealed"])}, "/open")
        else:
            self._answer(
                lambda agent, asked: {"content": agent.sign(asked["method"], asked["url"], asked["document"])}, "/sign"
            )

    def _answer(self, act: Callable[[Agent, dict[str, Any]], dict[str, Any]], path: str) -> None:
        if not hmac.compare_digest(
            self.headers.get("Authorization", "").encode(), f"Bearer {self.server.token}".encode()
        ):
            self._send(401, {"error": "the agent's token is missing or wrong"})
            return
        try:
            if self.path != path:
                raise ValueError("the agent answers GET /, POST /sign and POST /open")
            self._send(200, act(self.server.agent, self._read()))
        except RuleBroken as refused:
            self._send(403, {"error": str(refused)})
        except (ValueError, KeyError, TypeError, AttributeError, JoseError) as exc:
            self._send(400, {"error": f"not understood: {type(exc).__name__}"})

    def _read(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 <= length <= _MAX_REQUEST:
            raise ValueError("too long")
        asked = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(asked, dict):
            raise ValueError("not an object")
        return asked

    def _send(self, status: int, body: dict[str, Any]) -> None:
        octets = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: documents are the enterprise's business."""
