"""An enterprise that pays in volume, as its platform's program would: signed, sealed, verified, and asked again where
no answer came; and the place where its platform hears of the end.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import httpx
from sqlalchemy.exc import DBAPIError
from yunlian import AnswerNotTrusted, Enterprise, Platform, Refused

from app.db import new_id
from app.gateway import httpsig
from app.oauth import service as oauth
from app.oauth.details import Limits
from app.oauth.models import Authorization
from app.oauth.tokens import issue_access_token
from app.payments.callbacks import set_address
from app.payments.service import open_account
from app.routing.sandbox import generate_sandbox
from app.routing.service import load_sandbox_directory
from tests.app.gateway.parties import ApplicationParty, EnterpriseParty, make_enterprise, make_platform
from tests.app.gateway.serving import Door
from tests.app.payments.world import account_number

PATH = "/api/v1/payments"
ACCOUNTS = 64  # so many payers that risk control finds none of them hasty
OPENING = 10**13
HOLDER = "苏州供应商有限公司"
_TOKEN_AGE = 120.0  # seconds, of the five minutes that it is good
_PAUSE = 0.2  # seconds before a request is made again

Document = dict[str, Any]


@dataclass
class Payer:
    """A platform, the enterprise that it pays for, and the accounts of both sides."""

    door: Door
    platform: ApplicationParty
    enterprise: EnterpriseParty
    authorization: Authorization
    payers: list[str]
    payees: list[str]
    clearing_code: str
    _token: tuple[float, str] = (0.0, "")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self) -> str:
        """One that is good for some minutes. Raises what the database raises that is being killed."""
        with self._lock:
            made_at, token = self._token
            if time.monotonic() - made_at > _TOKEN_AGE or not token:
                token = issue_access_token(
                    self.door.services,
                    application=self.platform.application,
                    scope=frozenset({"payments"}),
                    certificate_x5t_s256=self.platform.x5t_s256,
                    authorization=self.authorization,
                )
                self._token = time.monotonic(), token
            return token

    def client(self) -> Platform:
        party = self.platform
        return Platform(self.door.url, party.application.client_id, party.key, party.certificate, self.door.root)

    def product(self) -> Enterprise:
        return self.enterprise.client()


def make_payer(door: Door, callback_url: str | None = None) -> Payer:
    services = door.services
    platform, enterprise, other = make_platform(services, 1), make_enterprise(services, 3), make_enterprise(services, 4)
    payers = [account_number(f"6222{place:014d}") for place in range(ACCOUNTS)]
    payees = [account_number(f"6223{place:014d}") for place in range(ACCOUNTS)]
    with services.transaction() as session:
        authorization = oauth.grant_authorization(
            services,
            session,
            application_id=platform.application.id,
            tenant_id=enterprise.tenant.id,
            product="payments",
            limits=Limits(single_minor=10**10, daily_minor=10**14),
            term_days=30,
            granted_by="test",
        )
        load_sandbox_directory(services, session)
        for tenant, numbers in ((enterprise.tenant, payers), (other.tenant, payees)):
            for number in numbers:
                open_account(services, session, tenant_id=tenant.id, number=number, name=HOLDER, balance_minor=OPENING)
        if callback_url is not None:
            set_address(services, session, platform.application.id, callback_url, "test")
    code = next(branch.code for branch in generate_sandbox() if not branch.code.startswith("102"))
    return Payer(door, platform, enterprise, authorization, payers, payees, code)


def single(payer: Payer, place: int) -> Document:
    """Every other one to another bank; of those some in bulk, and some to accounts that do not exist there."""
    payee: Document = {"name": HOLDER, "account": payer.payees[place % ACCOUNTS]}
    amount = 100 + place % 900
    if place % 2:
        ending = "0001" if place % 50 == 1 else "1234"
        payee = {"name": "李四", "account": f"120202020990{ending}", "clearing_code": payer.clearing_code}
        amount += 50_000_00 if place % 20 == 3 else 0  # more than IBPS takes
    return {
        "instruction_id": f"P-{new_id()}",
        "amount_minor": amount,
        "currency": "CNY",
        "payer_account": payer.payers[place % ACCOUNTS],
        "payee": payee,
        "purpose": "货款",
    }


def payroll(payer: Payer, place: int, size: int) -> Document:
    """Wages; every twentieth to another bank."""
    name = new_id()
    items = []
    for number in range(size):
        one = single(payer, 2 * number + (number % 20 == 7))
        items.append({"instruction_id": f"{name}-{number}", "amount_minor": 100 + number, "payee": one["payee"]})
    return {
        "batch_id": name,
        "kind": "payroll",
        "currency": "CNY",
        "payer_account": payer.payers[place % ACCOUNTS],
        "purpose": "工资",
        "items": items,
    }


@dataclass
class Acknowledged:
    """What the bank said it has, by the enterprise's own names."""

    singles: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: reference, state
    items: dict[str, tuple[str, str]] = field(default_factory=dict)
    tries: int = 0

    def take(self, document: Document, body: Document) -> None:
        if "batch_id" not in document:
            self.singles[body["instruction_id"]] = body["bank_reference"], body["state"]
            return
        assert body["taken"] == len(body["results"]) == len(document["items"]), body["state"]
        for result in body["results"]:
            self.items[result["instruction_id"]] = result["bank_reference"], result["state"]

    @property
    def all(self) -> dict[str, tuple[str, str]]:
        return self.singles | self.items


class Clients:
    """Threads that send documents until each was answered: after a lost answer the same document again, signed anew."""

    def __init__(self, payer: Payer, count: int) -> None:
        self.acknowledged = Acknowledged()
        self._payer = payer
        self._queue: SimpleQueue[Document] = SimpleQueue()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open = 0
        self._failure: BaseException | None = None
        payer.token()  # and the bank's keys, while nobody kills it
        self._threads = [threading.Thread(target=self._serve, args=(payer.client(),)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._failure = self._failure or KeyboardInterrupt()
        self._ended.set()

    def send(self, documents: Sequence[Document]) -> None:
        with self._lock:
            self._open += len(documents)
        for document in documents:
            self._queue.put(document)

    def await_answers(self, all_but: int) -> None:
        """Until no more than so many documents wait for theirs."""
        while self._failure is None and self._open > all_but:
            time.sleep(0.05)

    def finish(self) -> Acknowledged:
        """Wait for all answers. Raises what no client should ever hear."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        return self.acknowledged

    def _serve(self, client: Platform) -> None:
        with client:
            while self._failure is None:
                try:
                    document = self._queue.get(timeout=0.1)
                except Empty:
                    if self._ended.is_set():
                        return
                    continue
                try:
                    self._insist(client, document)
                except BaseException as exc:
                    self._failure = exc

    def _insist(self, client: Platform, document: Document) -> None:
        path = f"{PATH}/batches" if "batch_id" in document else PATH
        while self._failure is None:
            self.acknowledged.tries += 1
            body = self._call(client, path, document)
            if body is not None:
                with self._lock:
                    self.acknowledged.take(document, body)
                    self._open -= 1
                return
            time.sleep(_PAUSE)

    def _call(self, client: Platform, path: str, document: Document) -> Document | None:
        """The answer; None where there is none to be trusted, or the bank says that it cannot right now."""
        try:
            return client.call(path, document, token=self._payer.token(), enterprise=self._payer.product()).body
        except Refused as refused:
            if refused.status < 500:
                raise
        except (httpx.HTTPError, AnswerNotTrusted, OSError, ValueError, DBAPIError):
            pass  # ValueError: an answer that was cut off; DBAPIError: no token, for the same reason
        return None


class Listener:
    """Where the platform hears of its payments: who said what under which event, signed by the bank."""

    def __init__(self) -> None:
        self.heard: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # reference, state: event ids
        self.calls = 0
        self._lock = threading.Lock()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.take(dict(self.headers.items()), body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = _Quiet(("localhost", 0), Handler)
        self.url = f"https://localhost:{self._server.server_address[1]}/callbacks"
        self._verify: Callable[[dict[str, str], bytes], None] = lambda *_: None

    def open(self, door: Door) -> None:
        """Take calls, with the certificate that the door has as well."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(door.root).with_name("door.pem"), Path(door.root).with_name("door.key"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        key: Any = door.services.hierarchy.gateway_sign.certificate.public_key()

        def verify(headers: dict[str, str], body: bytes) -> None:
            values = {
                '"@method"': "POST",
                '"@target-uri"': self.url,
                '"content-type"': headers["Content-Type"],
                '"content-digest"': httpsig.content_digest(body),
            }
            stated = httpsig.parse_signature_input(headers["Signature-Input"], "callback")
            httpsig.verify(key, httpsig.parse_signature(headers["Signature"], "callback"), stated, values)

        self._verify = verify
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        self._verify(headers, body)
        event = json.loads(body)
        with self._lock:
            self.calls += 1
            self.heard[event["bank_reference"], event["state"]].add(event["event_id"])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Those who call are killed in the middle of it."""


def slices(some: Sequence[Document], count: int) -> Iterator[Sequence[Document]]:
    """In so many parts of about the same size."""
    for place in range(count):
        yield some[place * len(some) // count : (place + 1) * len(some) // count]
