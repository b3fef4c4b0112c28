"""How fast payments are carried out, durable, with everything switched on: token, both signatures, decryption, nonce,
idempotency, limits, risk control, ledger, outbox, journal, signed and sealed answer.

The load comes from a process of its own; beside it a bare Flask hello-world is served by the same gunicorn in the same
run, and bars are also ratios to it, because a machine is never alone. What was answered is compared with the books.
`--quick` takes less than 50 s, `--json` prints for scripts; the exit status is 1 where a bar is missed. `--stored` says
how many instructions the last measurement fills the database with.
"""
# ruff: noqa: E402

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not bench/, where this very file is called payments
sys.path.insert(1, str(ROOT / "clients" / "python"))

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bench._payments_fill import fill
from bench._payments_world import (
    HELLO,
    PATH,
    World,
    batch,
    cpu_of,
    found_world,
    gunicorn,
    load,
    load_payments,
    postgresql,
    prepare,
    verify_books,
)
from bench._payments_world import single as one_payment
from bench._results import Result, report

FEW = 10_000  # stored instructions; the other number is an option
_WARMING = 40  # batches before those that count, as single instructions have their second


@dataclass(frozen=True)
class Size:
    """How long and how much: seconds of load, and requests prepared for them."""

    seconds: float
    requests: int
    batches: int
    payroll: int
    overload: float
    growth: int


QUICK = Size(seconds=2.0, requests=5_400, batches=20, payroll=1_000, overload=1.5, growth=1_200)
FULL = Size(seconds=8.0, requests=22_000, batches=200, payroll=10_000, overload=5.0, growth=6_000)


def measure_postgresql(size: Size, stored: int) -> Iterator[Result]:
    """Everything on one founded service."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, database = stack.enter_context(postgresql())
        world = found_world(folder, url)
        hello = measure_hello(world, size)
        yield Result("PostgreSQL: hello-world, same gunicorn", hello, "/s")
        port, pid = stack.enter_context(gunicorn(world.environment, "wsgi:app"))
        rate, p99, spent = measure_singles(world, (port, pid), size)
        yield Result("PostgreSQL: payments, 32 connections", rate, "/s", 1_500, goal=2_000)
        yield Result("PostgreSQL: share of hello-world", 100 * rate / hello, "%", 20, goal=25)
        yield Result("PostgreSQL: p99", p99, "ms", 50.0, at_least=False)
        yield Result("PostgreSQL: CPU of the workers per payment", spent * 1e6, "µs")
        yield from measure_overload(world, port, 3 * rate, size)
        yield from measure_batches(world, port, size)
        verify_books(world)
        yield from measure_growth(world, (port, pid), database, size, stored)


def measure_sqlite(size: Size) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        world = found_world(Path(name), f"sqlite:///{name}/yunlian.db")
        with gunicorn(world.environment, "wsgi:app") as door:
            rate, p99, spent = measure_singles(world, door, size)
        verify_books(world)
        yield Result("SQLite: payments, 32 connections", rate, "/s", 1_000.0)
        yield Result("SQLite: p99", p99, "ms")
        yield Result("SQLite: CPU of the workers per payment", spent * 1e6, "µs")


def measure_hello(world: World, size: Size) -> float:
    """Requests a second of a view that does nothing."""
    with gunicorn(world.environment, "bench._hello:app") as (port, _):
        answered = load(port, [HELLO] * int(20_000 * size.seconds), seconds=size.seconds)
    return _accepted(answered)["count"] / answered["seconds"]


def measure_singles(world: World, door: tuple[int, int], size: Size) -> tuple[float, float, float]:
    """Single payments over 32 connections after 1 s of warm-up: rate, p99 in ms, CPU seconds of the workers each."""
    port, pid = door
    requests = prepare(world, PATH, lambda place: one_payment(world, place), size.requests)
    load_payments(world, port, requests[:400], seconds=30, warm_up=0)  # every worker has loaded its directory then
    before = cpu_of(pid)
    answered = load_payments(world, port, requests[400:], seconds=size.seconds)
    accepted = _accepted(answered)
    return accepted["count"] / answered["seconds"], accepted["p99"], (cpu_of(pid) - before) / max(answered["sent"], 1)


def measure_overload(world: World, port: int, rate: float, size: Size) -> Iterator[Result]:
    """Three times as many requests a second as were carried out, over 256 connections. A request's time begins when it
    is due, also where no connection is free to send it."""
    requests = prepare(world, PATH, lambda place: one_payment(world, place), int(rate * (size.overload + 0.5)))
    answered = load_payments(world, port, requests, connections=256, rate=rate, seconds=size.overload, warm_up=0.5)
    accepted, busy = _accepted(answered), answered["statuses"].get("429", {"count": 0, "p99": 0.0})
    total = sum(status["count"] for status in answered["statuses"].values())
    yield Result("3x overload: accepted", accepted["count"] / answered["seconds"], "/s")
    yield Result("3x overload: p99 of the accepted", accepted["p99"], "ms", 100.0, at_least=False)
    yield Result("3x overload: p99 of 429", busy["p99"], "ms", 100.0, at_least=False)
    other = total - accepted["count"] - busy["count"]
    yield Result("3x overload: neither accepted nor 429", other, "", 0.0, at_least=False)


def measure_batches(world: World, port: int, size: Size) -> Iterator[Result]:
    """Batches of 100 over 8 connections after some to warm up, and one payroll."""
    path = f"{PATH}/batches"
    requests = prepare(world, path, lambda place: batch(world, place, 100), size.batches + _WARMING)
    load_payments(world, port, requests[:_WARMING], items=100, connections=8, seconds=60, warm_up=0)
    answered = load_payments(world, port, requests[_WARMING:], items=100, connections=8, seconds=60, warm_up=0)
    rate = 100 * _accepted(answered)["count"] / answered["seconds"]
    yield Result("batches of 100: instructions", rate, "/s", 8_000.0)
    [payroll] = prepare(world, path, lambda place: batch(world, place, size.payroll), 1)
    answered = load_payments(world, port, [payroll], items=size.payroll, connections=1, seconds=60, warm_up=0)
    seconds = _accepted(answered)["p99"] / 1000
    yield Result(f"payroll of {size.payroll} accepted", seconds, "s", 3.0 * size.payroll / 10_000, at_least=False)


def measure_growth(world: World, door: tuple[int, int], database: int, size: Size, stored: int) -> Iterator[Result]:
    """CPU of workers and database for a payment, with few and with many instructions stored."""
    port, pid = door
    costs = []
    for count in (FEW, stored):
        fill(world.services.engine, count)
        world.renew_token()
        requests = prepare(world, PATH, lambda place: one_payment(world, place), size.growth + 200)
        load(port, requests[:200], seconds=30, warm_up=0)
        before = cpu_of(pid) + cpu_of(database)
        answered = load(port, requests[200:], seconds=60, warm_up=0)
        spent = cpu_of(pid) + cpu_of(database) - before
        if _accepted(answered)["count"] != answered["sent"]:
            raise RuntimeError(f"not all were carried out: {answered['statuses']}")
        costs.append(spent / answered["sent"])
        yield Result(f"CPU per payment at {count} stored, database included", costs[-1] * 1e6, "µs")
    yield Result("growth of that", 100 * (costs[1] / costs[0] - 1), "%", 20.0, at_least=False)


def _accepted(answered: dict[str, Any]) -> dict[str, float]:
    statuses: dict[str, dict[str, float]] = answered["statuses"]
    return statuses.get("200", {"count": 0, "p50": float("inf"), "p99": float("inf")})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--stored", type=int, help="instructions stored in the end (1,000,000; with --quick 100,000)")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    stored = options.stored or (100_000 if options.quick else 1_000_000)
    return report(chain(measure_sqlite(size), measure_postgresql(size, stored)), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
