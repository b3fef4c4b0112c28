"""A payment that is sent many times at once is carried out once, over four worker processes.

Of 64 byte-identical copies one executes and 63 are `replayed`; of 64 retries of one instruction, each signed anew, one
executes and all are told the same. Every copy is on its way but for its last octet before any is complete.
YUNLIAN_PROOF=full does it for 10,000 instructions each, or as many as YUNLIAN_REPLAYS says.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select
from yunlian import Enterprise, Platform

from app.payments.models import PaymentInstruction
from app.payments.reconcile import reconcile
from tests.app.gateway.serving import Door, platforms_door
from tests.flows.mortals import Database
from tests.flows.payers import PATH, Document, Payer, make_payer, single

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
INSTRUCTIONS = int(os.environ.get("YUNLIAN_REPLAYS", "10000" if FULL else "4"))  # of each kind
COPIES, WORKERS, CROWDS = 64, 4, 2
_BUSY = {429, 503}  # nothing was done: the same octets may be sent again

Answer = tuple[int, Document]


class Crowd:
    """So many connections that are kept open and speak at once."""

    def __init__(self, door: Door) -> None:
        address, context = urlsplit(door.url), door.context()
        self._connections: list[ssl.SSLSocket] = []
        for _ in range(COPIES):
            plain = socket.create_connection((address.hostname or "", address.port or 443), timeout=120)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(context.wrap_socket(plain, server_hostname=address.hostname))

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()

    def ask(self, requests: Sequence[bytes]) -> list[Answer]:
        """One request over each connection; the answers in their order, of the last try where it was busy."""
        connections = self._connections[: len(requests)]
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request[:-1])
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request[-1:])
        answers = [_read(connection) for connection in connections]
        if busy := [place for place, (status, _) in enumerate(answers) if status in _BUSY]:
            time.sleep(0.1)
            for place, answer in zip(busy, self.ask([requests[place] for place in busy]), strict=True):
                answers[place] = answer
        return answers


def _read(connection: ssl.SSLSocket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
    while len(body) < int(fields["content-length"]):
        body += _more(connection)
    return int(head.split(b" ", 2)[1]), json.loads(body)


def _more(connection: ssl.SSLSocket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("the door closed the connection")
    return data


def requests_for(payer: Payer, client: Platform, product: Enterprise, document: Document, *, anew: bool) -> list[bytes]:
    """64 times the same octets, or the same document signed anew each time."""
    made = [_request(payer, client, product, document) for _ in range(COPIES if anew else 1)]
    return made if anew else made * COPIES


def _request(payer: Payer, client: Platform, product: Enterprise, document: Document) -> bytes:
    request, body = client.prepare(PATH, document, token=payer.token(), enterprise=product)
    assert body is not None
    fields = {"Host": urlsplit(payer.door.url).netloc, "Content-Length": str(len(body)), **request.headers}
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture(params=["postgresql", "sqlite"] if not FULL else ["postgresql"])
def payer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Payer]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/var/yunlian.db"
        if request.param == "postgresql":
            if not list(Path("/usr/lib/postgresql").glob("*/bin")):
                pytest.skip("PostgreSQL is not installed: this ran on SQLite only")
            database = Database()
            stack.callback(database.remove)
            url = database.url
        yield make_payer(stack.enter_context(platforms_door(tmp_path / "var", url, WORKERS)))


def test_proof_of_many_copies_and_of_many_retries_one_is_carried_out(payer: Payer) -> None:
    product, began = payer.product(), time.monotonic()
    tally: Counter[tuple[str, int, str]] = Counter()
    shares = [range(first, INSTRUCTIONS, CROWDS) for first in range(CROWDS)]
    with ThreadPoolExecutor(CROWDS) as pool:
        for counted in pool.map(lambda share: storm(payer, product, share), shares):
            tally += counted
    took = time.monotonic() - began
    assert tally == {
        ("copy", 200, ""): INSTRUCTIONS,
        ("copy", 409, "replayed"): INSTRUCTIONS * (COPIES - 1),
        ("retry", 200, ""): INSTRUCTIONS * COPIES,
    }
    with payer.door.services.reading() as session:
        assert session.scalar(select(func.count()).select_from(PaymentInstruction)) == 2 * INSTRUCTIONS
        assert reconcile(payer.door.services, session).faults == ()
    sys.stdout.write(f"{2 * INSTRUCTIONS} instructions, {sum(tally.values())} requests in {took:.0f} s\n")


def storm(payer: Payer, product: Enterprise, places: range) -> Counter[tuple[str, int, str]]:
    """Every instruction 64 times; what was answered. All retries of one hear the same."""
    tally: Counter[tuple[str, int, str]] = Counter()
    with payer.client() as client, Crowd(payer.door) as crowd:
        for place in places:
            for kind in ("copy", "retry"):
                requests = requests_for(payer, client, product, single(payer, place), anew=kind == "retry")
                answers = crowd.ask(requests)
                tally.update((kind, status, str(body.get("code", ""))) for status, body in answers)
                told = {_told(product, body, place) for status, body in answers if status == 200}
                assert len(told) == 1, told
    return tally


def _told(product: Enterprise, body: dict[str, Any], place: int) -> str:
    """What an answer says; of the first instructions also what it says to the enterprise alone."""
    sealed = product.open(body["sealed"]) if place < CROWDS else None
    return json.dumps([{name: value for name, value in body.items() if name != "sealed"}, sealed], sort_keys=True)
