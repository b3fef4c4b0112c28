"""Acknowledged means paid, once: workers, jobs, outbox, clearing and database are killed at random, and every fen is
where it belongs, and every platform has heard.

Real processes receive a real SIGKILL: gunicorn's workers, `flask jobs run`, `flask payments outbox`, the clearing
simulator, and PostgreSQL (one of its processes, or all of it as when the power fails) with fsync on. The client is the
client library; after a lost answer it sends the same document again. YUNLIAN_PROOF=full pays 100,000 and kills 150
times.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app.payments.channel_models import OutboxItem
from app.payments.channels import Channel
from app.payments.clearing import simulator_folder
from app.payments.ledger import read_accounts
from app.payments.lifecycle import State
from app.payments.models import PaymentInstruction
from app.payments.reconcile import reconcile
from app.payments.simulator.door import STATE_FILE
from app.payments.simulator.store import Fate, Store
from app.wiring import Services
from tests.app.gateway.serving import Door, platforms_door
from tests.flows.mortals import Database, Program, children, running
from tests.flows.payers import OPENING, Acknowledged, Clients, Document, Listener, Payer, make_payer, payroll, single
from tests.flows.payers import slices as parts_of

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
SINGLES, BATCHES, BATCH = (20_000, 800, 100) if FULL else (180, 3, 40)
KILLS = 150 if FULL else 6
LONGEST_PEACE = 6.0 if FULL else 3.0  # seconds
CLIENTS = 16 if FULL else 8
PATIENCE = 3600 if FULL else 120  # seconds after which what has no end is called lost


class Mortals:
    """Everything that can be killed, by the name of what it is."""

    def __init__(self, door: Door, database: Database | None, programs: Mapping[str, Program]) -> None:
        self._door, self._database, self._programs = door, database, programs
        self.chance = random.Random()
        self.killed: Counter[str] = Counter()

    def names(self) -> Iterator[str]:
        """Whom to kill next, without end: each as often as any other, in an order of chance."""
        names = ["worker", *self._programs, *(["backend", "database"] if self._database else [])]
        while True:
            yield from self.chance.sample(names, len(names))

    def kill(self, name: str) -> None:
        self.killed[name] += 1
        if name == "worker":
            if workers := children(self._door.pid):
                os.kill(self.chance.choice(workers), signal.SIGKILL)
        elif name in self._programs:
            self._programs[name].kill()
        elif self._database is not None and name == "backend":
            self._database.kill_one(self.chance)
        elif self._database is not None:
            self._database.kill_all()
            self._database.start()


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_proof_nothing_acknowledged_is_lost_or_doubled(kind: str, tmp_path: Path) -> None:
    if kind == "postgresql" and not list(Path("/usr/lib/postgresql").glob("*/bin")):
        pytest.skip("PostgreSQL is not installed: this ran on SQLite only")
    with ExitStack() as stack:
        database = Database() if kind == "postgresql" else None
        if database is not None:
            stack.callback(database.remove)
        listener = Listener()
        stack.callback(listener.close)
        url = database.url if database else f"sqlite:///{tmp_path}/var/yunlian.db"
        clearing = "http://localhost:" + str(free_port())
        door = stack.enter_context(platforms_door(tmp_path / "var", url, 2, CLEARING_URL=clearing))
        listener.open(door)
        payer = make_payer(door, listener.url)
        trusting = door.environment | {"SSL_CERT_FILE": str(door.root)}
        simulator = Program(trusting, "flask", "payments", "clearing-simulator", "--mood", "normal")
        jobs = Program(trusting, "flask", "jobs", "run")
        outbox = Program(trusting, "flask", "payments", "outbox")
        stack.enter_context(running(jobs, outbox, simulator))
        mortals = Mortals(door, database, {"outbox": outbox, "jobs": jobs, "clearing": simulator})

        began = time.monotonic()
        sent, acknowledged = pay_while_killing(payer, mortals)
        paid = time.monotonic()
        fates = await_the_end(door.services)
        ended = time.monotonic()

        again = chance_few(sent)
        assert send_all(payer, again).all.items() <= acknowledged.all.items()  # the same answer for ever
        compare(door.services, acknowledged, fates, listener)
        compare_to_the_fen(door.services, payer, sent, fates, acknowledged)
        sys.stdout.write(
            f"{kind}: {len(acknowledged.all)} instructions acknowledged after {acknowledged.tries} requests in "
            f"{paid - began:.0f} s; killed {dict(mortals.killed)}; {len(fates)} to other banks and {listener.calls} "
            f"callbacks, the last {ended - paid:.0f} s later\n"
        )


def pay_while_killing(payer: Payer, mortals: Mortals) -> tuple[list[Document], Acknowledged]:
    """All documents, in as many parts as there are kills; each part is on its way when something dies."""
    documents = [single(payer, place) for place in range(SINGLES)]
    documents += [payroll(payer, place, BATCH) for place in range(BATCHES)]
    mortals.chance.shuffle(documents)
    with Clients(payer, CLIENTS) as clients:
        for part, name in zip(parts_of(documents, KILLS), mortals.names(), strict=False):
            clients.send(part)
            clients.await_answers(all_but=len(part))
            time.sleep(mortals.chance.uniform(0.0, LONGEST_PEACE))
            mortals.kill(name)
        acknowledged = clients.finish()
    payer.door.services.engine.dispose()  # of ours, which died as well
    await_database(payer.door.services)
    return documents, acknowledged


def await_database(services: Services) -> None:
    """It may still recover from the last kill."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with services.reading() as session:
                session.execute(select(1))
            return
        except OperationalError:
            assert time.monotonic() < deadline, "the database did not come back"
            time.sleep(0.2)


def send_all(payer: Payer, documents: list[Document]) -> Acknowledged:
    with Clients(payer, 2) as clients:
        clients.send(documents)
        return clients.finish()


def chance_few(documents: list[Document]) -> list[Document]:
    return random.Random().sample(documents, 10)


def await_the_end(services: Services) -> dict[str, Fate]:
    """Until both sides agree on every instruction and nothing is left to be sent; gives what the other side knows."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with closing(Store(simulator_folder(services) / STATE_FILE)) as store:
            fates = {fate.reference: fate for fate in store.fates()}
        with services.reading() as session:
            rows = session.execute(select(PaymentInstruction.id, PaymentInstruction.state, PaymentInstruction.channel))
            elsewhere = {reference: State(state) for reference, state, channel in rows if channel != Channel.BOOK}
            waiting = session.scalar(select(func.count()).select_from(OutboxItem)) or 0
        if not waiting and elsewhere == {reference: agreed_end(fate) for reference, fate in fates.items()}:
            return fates
        assert time.monotonic() < deadline, f"{waiting} rows wait, {Counter(elsewhere.values())}"
        time.sleep(1)


def agreed_end(fate: Fate) -> State:
    if fate.reason is not None:
        return State.REJECTED
    return State.RETURNED if fate.returned_at is not None else State.SETTLED


def compare(services: Services, acknowledged: Acknowledged, fates: Mapping[str, Fate], listener: Listener) -> None:
    """What was acknowledged is there, once, and at its end; and each end was told as one event."""
    told = acknowledged.all
    with services.reading() as session:
        rows = session.execute(select(PaymentInstruction.instruction_id, PaymentInstruction.id)).all()
        assert dict(told.items()) == {name: (reference, told[name][1]) for name, reference in rows}
        assert len(rows) == len(told) == SINGLES + BATCHES * BATCH
        assert {state for _, state in told.values()} == {State.SETTLED, State.BOOKED}
        assert {reference for reference, state in told.values() if state == State.BOOKED} == set(fates)
        assert reconcile(services, session).faults == ()
        assert services.journal.verify(session).whole
    ends = {(reference, agreed_end(fate).value) for reference, fate in fates.items()}
    assert ends <= listener.heard.keys()
    assert {len(listener.heard[end]) for end in ends} == {1}


def compare_to_the_fen(
    services: Services,
    payer: Payer,
    sent: list[Document],
    fates: Mapping[str, Fate],
    acknowledged: Acknowledged,
) -> None:
    """Every customer's balance, by what the enterprise itself knows that it ordered and the other side that it kept."""
    expected, told = Counter(dict.fromkeys((*payer.payers, *payer.payees), OPENING)), acknowledged.all
    for document in sent:
        for item in document.get("items", [document]):
            amount, payee = item["amount_minor"], item["payee"]["account"]
            fate = fates.get(told[item["instruction_id"]][0])
            if fate is not None and agreed_end(fate) is not State.SETTLED:
                continue
            expected[document["payer_account"]] -= amount
            if fate is None:
                expected[payee] += amount
    with services.reading() as session:
        accounts = read_accounts(session, expected.keys())
    assert {number: account.balance_minor for number, account in accounts.items()} == expected


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as free:
        return int(free.getsockname()[1])
