"""CPU-heavy work (faces, PDFs) leaves the doors: it runs in the workshop, a gunicorn of its own on a Unix socket.

The two sides are processes of one service with one secret. Messages are pickles, as between the processes of any pool,
and carry a MAC under a key derived from that secret, which is checked before a byte is unpickled.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import pickle
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from app.problems import Problem, Unavailable
from contracts.errors import ContractError
from kyc.errors import KycError
from pki.errors import PkiError

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT = 60.0  # seconds that a caller waits for one piece of work
MAC_HEADER = "X-Workshop-Mac"
TASK_MODULES = frozenset({"kyc.facecheck", "app.payments.receipt_tasks", "app.signing.tasks", "app.proofing.tasks"})
_KNOWN_ERRORS = (Problem, KycError, ContractError, PkiError)


class Workshop(Protocol):
    """Runs a module-level function of one of TASK_MODULES with picklable arguments."""

    def run(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result; its typed errors are raised again. Raises Unavailable when the workshop is full."""


class LocalWorkshop:
    """Does the work in the caller's process: for commands, the jobs process and tests."""

    def run(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return task(*args, **kwargs)


class SocketWorkshop:
    """Hands the work to the workshop door and waits, which under gevent lets others go on."""

    def __init__(self, path: Path, secret: str) -> None:
        self._path = path
        self._key = mac_key(secret)

    def run(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Send, wait, return or raise."""
        body = pickle.dumps((task.__module__, task.__qualname__, args, kwargs))
        connection = _UnixConnection(self._path)
        try:
            connection.request("POST", "/workshop/run", body, {MAC_HEADER: mac(self._key, body)})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            raise Unavailable("the workshop did not answer") from exc
        finally:
            connection.close()
        if answer.status != 200 or not is_authentic(self._key, content, answer.headers.get(MAC_HEADER, "")):
            raise Unavailable("the workshop failed")
        good, value = pickle.loads(content)  # noqa: S301 - authenticated above
        if not good:
            raise value
        return value  # type: ignore[no-any-return]


def perform(body: bytes) -> bytes:
    """The workshop's side: run what an authenticated message asks for and pickle the outcome."""
    module, name, args, kwargs = pickle.loads(body)  # noqa: S301 - the door checked the MAC
    if module not in TASK_MODULES:
        raise PermissionError(module)
    task: Callable[..., Any] = getattr(import_module(module), name)
    try:
        return pickle.dumps((True, task(*args, **kwargs)))
    except _KNOWN_ERRORS as exc:
        return pickle.dumps((False, exc))


def mac_key(secret: str) -> bytes:
    """The key of this channel, derived from the service's secret."""
    return hashlib.sha256(b"yunlian workshop" + secret.encode()).digest()


def mac(key: bytes, body: bytes) -> str:
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def is_authentic(key: bytes, body: bytes, given: str) -> bool:
    """Whether the MAC is that of the body; in constant time."""
    return hmac.compare_digest(mac(key, body).encode(), given.encode())


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("workshop", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
