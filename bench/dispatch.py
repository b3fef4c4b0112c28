"""How fast what was booked reaches the clearing and comes back settled: the outbox and the clearing simulator as
processes, signed HTTP and ISO 20022 between them, PostgreSQL with fsync on. IBPS carries one transfer a message, BEPS
many.

`--quick` sends fewer, `--json` prints for scripts.
"""
# ruff: noqa: E402

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)
sys.path.insert(1, str(ROOT / "clients" / "python"))

import argparse
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlalchemy import func, select

from app.db import new_id
from app.oauth.authorizations import get_standing_cached
from app.payments.channel_models import OutboxItem
from app.payments.messages import PaymentDocument
from app.payments.taking import Order, Taken, take
from bench._payments_world import World, found_world, postgresql
from bench._results import Result, report

GROUP = 250


def book(world: World, count: int, amount_minor: int) -> None:
    """So many instructions to another bank, booked and ready to leave."""
    services, parties = world.services, world.parties
    authorization = get_standing_cached(services, parties.authorization.id)
    payee = {"name": "李四", "account": "1202020209900012345", "clearing_code": world.clearing_code}
    for first in range(0, count, GROUP):
        orders = [
            Order(
                tenant_id=parties.enterprise.tenant.id,
                terms=PaymentDocument.model_validate(
                    {
                        "instruction_id": new_id(),
                        "amount_minor": amount_minor,
                        "currency": "CNY",
                        "payer_account": world.payers[place % len(world.payers)],
                        "payee": payee,
                        "purpose": "货款",
                    }
                ),
                document=b"{}",
                document_sha256="0" * 64,
                content_jti="bench",
                application_id=parties.platform.application.id,
                authorization=authorization,
                product_x5t_s256=authorization.product_x5t_s256,
            )
            for place in range(first, min(first + GROUP, count))
        ]
        with services.transaction() as session:
            outcomes = take(services, session, orders, services.clock())
        assert all(isinstance(each, Taken) and each.state == "booked" for each in outcomes), outcomes[0]


@contextmanager
def program(environment: Mapping[str, str], *command: str) -> Iterator[None]:
    """One process of the service."""
    variables = os.environ | environment | {"YUNLIAN_DOORS": "people"}
    with open(Path(environment["YUNLIAN_VAR"]) / "programs.log", "ab") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "flask", *command], cwd=ROOT, env=variables, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def measure(*, quick: bool) -> Iterator[Result]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, _ = stack.enter_context(postgresql())
        world = found_world(folder, url)
        with socket.create_server(("localhost", 0)) as free:
            clearing = f"http://localhost:{free.getsockname()[1]}"
        environment = world.environment | {"YUNLIAN_CLEARING_URL": clearing}
        stack.enter_context(program(environment, "payments", "clearing-simulator", "--mood", "calm"))
        stack.enter_context(program(environment, "payments", "outbox"))
        send(world, 500, 100)  # so that everything is awake
        size = 2_000 if quick else 8_000
        yield Result("IBPS: booked to settled", send(world, size, 100), "/s")
        yield Result("BEPS: booked to settled", send(world, 2 * size, 60_000_00), "/s")


def send(world: World, count: int, amount_minor: int) -> float:
    """How many of so many instructions are settled in a second."""
    book(world, count, amount_minor)
    began, waiting = time.perf_counter(), left(world)
    while left(world):
        time.sleep(0.05)
    return waiting / (time.perf_counter() - began)


def left(world: World) -> int:
    """How many are still on their way."""
    with world.services.reading() as session:
        return session.scalar(select(func.count()).select_from(OutboxItem)) or 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer instructions")
    options = parser.parse_args()
    return report(measure(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
