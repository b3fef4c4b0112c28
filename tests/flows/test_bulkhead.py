"""What takes long stands in nobody's way: while the workshop that makes PDFs stands still, payments go on."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.identity.models import TenantKind
from app.identity.service import create_tenant
from tests.app.gateway.parties import uscc
from tests.app.gateway.serving import ROOT, Door, platforms_door
from tests.flows.payers import PATH, Document, Payer, make_payer, single

RECEIPTS = 12  # at once, upon one worker process
PAYMENTS = 10


@pytest.fixture
def payer(tmp_path: Path) -> Iterator[Payer]:
    with platforms_door(tmp_path / "var", f"sqlite:///{tmp_path}/var/yunlian.db", 1) as door:
        with door.services.transaction() as session:
            create_tenant(door.services, session, kind=TenantKind.BANK, name="云联银行", uscc=uscc(9), actor="test")
        yield make_payer(door)


@contextmanager
def workshop(door: Door) -> Iterator[int]:
    """The process group of a real workshop that takes connections."""
    environment = os.environ | door.environment | {"YUNLIAN_DOORS": "workshop"}
    with open(door.services.settings.var / "workshop.log", "wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        await_connections(door, 1, lambda: process.poll() is not None)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
        process.wait(20)


def await_connections(door: Door, count: int, ended: Callable[[], bool]) -> None:
    """Until so many sockets have the workshop's address: the listening one, and everybody who waits for an answer."""
    path = str(door.services.settings.workshop_socket)
    while sum(line.endswith(path) for line in Path("/proc/net/unix").read_text().splitlines()) < count:
        assert not ended()
        time.sleep(0.05)


def call(payer: Payer, path: str, document: Document) -> Document:
    with payer.client() as client:
        return client.call(path, document, token=payer.token(), enterprise=payer.product()).body


def test_payments_go_on_while_everybody_waits_for_receipts(payer: Payer) -> None:
    paid = [call(payer, PATH, single(payer, 2 * place)) for place in range(RECEIPTS)]
    with workshop(payer.door) as group, ThreadPoolExecutor(RECEIPTS) as pool:
        os.killpg(group, signal.SIGSTOP)
        asked = [{"instruction_id": each["instruction_id"]} for each in paid]
        receipts = [pool.submit(call, payer, f"{PATH}/receipt", document) for document in asked]
        await_connections(payer.door, 1 + RECEIPTS, lambda: any(receipt.done() for receipt in receipts))
        for place in range(PAYMENTS):
            assert call(payer, PATH, single(payer, 2 * place))["state"] == "settled"
        assert not any(receipt.done() for receipt in receipts)
        os.killpg(group, signal.SIGCONT)
        made = [receipt.result() for receipt in receipts]
    sealed = [payer.product().open(each["sealed"]) for each in made]
    assert all(base64.b64decode(each["receipt_pdf"]).startswith(b"%PDF") for each in sealed)
