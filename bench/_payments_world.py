"""The place of bench/payments.py: a database, a founded service, gunicorn, requests signed before the clock starts."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.db import new_id
from app.development import prepare_environment
from app.gateway.content import TYP
from app.gateway.httpsig import content_digest, sign
from app.gateway.jose import encrypt, sign_jwt
from app.oauth import service as oauth
from app.oauth.details import Limits
from app.payments.account_number import luhn_digit
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.reconcile import reconcile
from app.payments.service import open_account
from app.routing.sandbox import generate_sandbox
from app.routing.service import load_sandbox_directory
from app.settings import Settings
from app.setup import initialize
from app.wiring import Services, build_services
from tests.app.gateway.parties import Parties, make_parties
from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[1]
PATH, ISSUER = "/api/v1/payments", "https://localhost:9443"
WORKERS = 2
ACCOUNTS = 256
PREPARERS = 2


@contextmanager
def postgresql() -> Iterator[tuple[str, int]]:
    """A PostgreSQL of its own with the durable defaults, fsync and synchronous_commit on: its URL and process id."""
    server = Postgres("shared_buffers=256MB", "max_wal_size=4GB")
    try:
        yield server.url, server.pid
    finally:
        server.remove()


@dataclass
class World:
    """A founded service, its parties, and accounts to pay from and to."""

    services: Services
    environment: dict[str, str]
    parties: Parties
    token: str
    payers: list[str]
    payees: list[str]
    clearing_code: str
    carried_out: int = 0  # instructions that were answered as carried out

    def renew_token(self) -> None:
        """Filling a database takes longer than a token is good for."""
        self.token = self.parties.token(authorization=self.parties.authorization)


def found_world(folder: Path, database_url: str) -> World:
    environment = prepare_environment(
        folder,
        DATABASE_URL=database_url,
        ISSUER_URL=ISSUER,
        DOORS="platforms",
        REQUESTS_PER_MINUTE="10000000",
        LOG_LEVEL="WARNING",
        PLATFORMS_WORKERS=str(WORKERS),
    )
    services = build_services(Settings.from_env(environment))
    initialize(services)
    parties = make_parties(services)
    with services.transaction() as session:
        authorization = oauth.grant_authorization(
            services,
            session,
            application_id=parties.platform.application.id,
            tenant_id=parties.enterprise.tenant.id,
            product="payments",
            limits=Limits(single_minor=10**10, daily_minor=10**14),
            term_days=30,
            granted_by="bench",
        )
        load_sandbox_directory(services, session)
        numbers = [f"6222{place:014d}" for place in range(2 * ACCOUNTS)]
        numbers = [number + luhn_digit(number) for number in numbers]
        for place, number in enumerate(numbers):
            party = parties.enterprise if place < ACCOUNTS else parties.other_enterprise
            open_account(
                services,
                session,
                tenant_id=party.tenant.id,
                number=number,
                name="苏州供应商有限公司",
                balance_minor=10**13,
            )
    parties.authorization = authorization
    token = parties.token(authorization=authorization)
    code = next(branch.code for branch in generate_sandbox() if not branch.code.startswith("102"))
    return World(services, environment, parties, token, numbers[:ACCOUNTS], numbers[ACCOUNTS:], code)


@contextmanager
def gunicorn(environment: dict[str, str], application: str) -> Iterator[tuple[int, int]]:
    """The platforms' door as it is configured, behind a proxy that ends TLS; gives the port and the process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = os.environ | environment | {"YUNLIAN_PLATFORMS_BIND": f"127.0.0.1:{port}", "YUNLIAN_TLS": "off"}
    program = Path(sys.executable).parent / "gunicorn"
    log = Path(environment["YUNLIAN_VAR"]) / "door.log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [program, "-c", "gunicorn.conf.py", "--pythonpath", str(ROOT), application],
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(port, process, log)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(20)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                print(log.read_text()[-3000:], file=sys.stderr)
                raise
        time.sleep(0.1)


# --- requests, signed before the clock starts ---


def single(world: World, place: int) -> dict[str, Any]:
    """One payment, every other one to another bank."""
    payee: dict[str, Any] = {"name": "苏州供应商有限公司", "account": world.payees[place % ACCOUNTS]}
    if place % 2:
        payee = {"name": "宁波海蓝贸易有限公司", "account": "1202020209900012345", "clearing_code": world.clearing_code}
    return {
        "instruction_id": f"P-{new_id()}",
        "amount_minor": 100 + place % 900,
        "currency": "CNY",
        "payer_account": world.payers[place % ACCOUNTS],
        "payee": payee,
        "purpose": "货款",
    }


def batch(world: World, place: int, size: int) -> dict[str, Any]:
    """Wages within the bank, from one of the accounts."""
    name = new_id()
    payee = {"name": "苏州供应商有限公司"}
    items = [
        {
            "instruction_id": f"{name}-{number}",
            "amount_minor": 100 + number,
            "payee": payee | {"account": world.payees[number % ACCOUNTS]},
        }
        for number in range(size)
    ]
    return {
        "batch_id": name, "kind": "payroll", "currency": "CNY", "payer_account": world.payers[place % ACCOUNTS],
        "purpose": "工资", "items": items,
    }  # fmt: skip


def prepare(world: World, path: str, documents: Callable[[int], dict[str, Any]], count: int) -> list[bytes]:
    """`count` requests of a platform for an enterprise, made by several processes."""
    global _prepare_one  # noqa: PLW0603 - inherited by the forked processes
    signer = make_signer(world, path)
    _prepare_one = lambda place: signer(documents(place))  # noqa: E731 - what the forked processes call
    with multiprocessing.get_context("fork").Pool(PREPARERS) as pool:
        return pool.map(_call_prepare_one, range(count), chunksize=64)


def _call_prepare_one(place: int) -> bytes:
    return _prepare_one(place)


_prepare_one: Callable[[int], bytes]


def make_signer(world: World, path: str) -> Callable[[dict[str, Any]], bytes]:
    """What makes of a document the octets of a signed and sealed request."""
    parties, bank = world.parties, world.services.hierarchy.gateway_encrypt
    platform, enterprise = parties.platform, parties.enterprise
    uri = f"urn:yunlian:enterprise:{enterprise.tenant.uscc}:product:payments"
    product = parties.authorization.product_x5t_s256
    bank_key = bank.key.public_key()
    api_x5t, client_id = platform.x5t_s256, platform.application.client_id

    def make(document: dict[str, Any]) -> bytes:
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": uri, "aud": ISSUER, "client_id": client_id, "htm": "POST", "htu": ISSUER + path,
            "iat": now, "exp": now + 600, "jti": secrets.token_urlsafe(18), "document": document,
        }  # fmt: skip
        jws = sign_jwt(enterprise.sign_key, claims, typ=TYP, header={"x5t#S256": product})
        body = encrypt(jws.encode(), bank_key, kid=bank.x5t_s256, cty="JWT").encode()
        fields = {
            "authorization": f"Bearer {world.token}",
            "content-type": "application/jose",
            "content-digest": content_digest(body),
        }
        values = {'"@method"': "POST", '"@target-uri"': ISSUER + path}
        values |= {f'"{name}"': value for name, value in fields.items()}
        created = now + 50  # good from now on, and for as long as can be
        parameters: dict[str, int | str] = {
            "created": created, "expires": created + 60, "nonce": secrets.token_urlsafe(18),
            "keyid": api_x5t, "alg": "ecdsa-p256-sha256", "tag": "yunlian-api",
        }  # fmt: skip
        fields |= sign(platform.key, "api", values, values, parameters)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return (
            f"POST {path} HTTP/1.1\r\nHost: localhost:9443\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
        )

    return make


HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost:9443\r\n\r\n"


def load(port: int, requests: list[bytes], **options: float) -> dict[str, Any]:
    """Send them from a process of its own; what it saw."""
    with tempfile.NamedTemporaryFile() as file:
        for request in requests:
            file.write(struct.pack("!I", len(request)) + request)
        file.flush()
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        program = [sys.executable, str(ROOT / "bench" / "_payments_load.py"), file.name, str(port), *arguments]
        return json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)


def load_payments(world: World, port: int, requests: list[bytes], items: int = 1, **options: float) -> dict[str, Any]:
    """As `load`, for requests of so many instructions each."""
    found = load(port, requests, **options)
    world.carried_out += items * found["answered"].get("200", 0)
    return found


def verify_books(world: World) -> None:
    """Raises where what was answered is not what was booked: as many instructions, all of them paid, to the fen."""
    with world.services.reading() as session:
        counted = select(PaymentInstruction.state, func.count()).group_by(PaymentInstruction.state)
        states = dict(session.execute(counted).all())
        faults = reconcile(world.services, session).faults
    if states.keys() - {State.SETTLED, State.BOOKED} or sum(states.values()) != world.carried_out or faults:
        raise RuntimeError(f"{world.carried_out} answered as carried out; {states}; {faults[:5]}")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its children, which are gunicorn's workers."""
    total = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (str(pid), *children):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total
