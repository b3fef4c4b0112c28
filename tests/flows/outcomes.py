"""What comes of attempts: refusals, and several at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from clients.demo.browser import Refused

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
# SQLite lets no second writer in between; PostgreSQL does.
on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


def refusal(attempt: Callable[[], object]) -> tuple[int, str]:
    """Status and code of the refusal that must come."""
    with pytest.raises(Refused) as raised:
        attempt()
    return raised.value.status, raised.value.code


def outcome(attempt: Callable[[], object]) -> str:
    """ "done", or the code of the refusal."""
    try:
        attempt()
    except Refused as refused:
        return refused.code
    return "done"


def at_once(*attempts: Callable[[], object]) -> list[str]:
    """The outcomes of attempts that begin together, each in a thread of its own."""
    start = Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> str:
        start.wait()
        return outcome(attempt)

    with ThreadPoolExecutor(len(attempts)) as threads:
        return list(threads.map(run, attempts))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
