"""The simulator in its worst mood, over real connections: after the storm both sides agree on every instruction.

Delays, duplicates, silence, refusals, returns, connections that break before and after a message was read, and
a simulator that is restarted in the middle.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from app.payments import channel_files, dispatch, inbox
from app.payments.channel_models import InboundMessage, OutboxItem
from app.payments.channels import BEIJING
from app.payments.clearing_http import HttpClearing
from app.payments.instructions import list_steps
from app.payments.ledger import SETTLEMENT_ACCOUNT, balance_of, inspect_ledger, transit_account
from app.payments.lifecycle import FINAL, State
from app.payments.models import PaymentInstruction
from app.payments.simulator.door import SimulatorServer, open_key
from app.payments.simulator.moods import WORST
from app.payments.simulator.store import Fate, Store
from app.payments.simulator.system import Simulator
from tests.app.payments.test_jobs import send
from tests.app.payments.world import OPENING, PAYER, Bank
from tests.conftest import FakeClock

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
INSTRUCTIONS = 3000 if FULL else 120
BANK_KEY = ec.generate_private_key(ec.SECP256R1())
SEED = "storm"


class Weather:
    """A simulator with a door of its own that can be closed and opened again on the same state."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._folder, self._clock = folder, clock
        self._port = 0
        self.server = self._open()

    def _open(self) -> SimulatorServer:
        simulator = Simulator(Store(self._folder / "state.db"), WORST, self._clock, SEED)
        key = open_key(self._folder)
        known = {"bank": BANK_KEY.public_key()}
        address = ("127.0.0.1", self._port)
        server = SimulatorServer(address, simulator, WORST, key, known.get, self._clock, SEED)
        self._port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.server.simulator.close()

    def restart(self) -> None:
        self.close()
        self.server = self._open()

    def connect(self) -> HttpClearing:
        their_key = open_key(self._folder).public_key()
        return HttpClearing(self.server.url, BANK_KEY, "bank", their_key, self._clock)

    def fates(self) -> dict[str, Fate]:
        return {fate.reference: fate for fate in self.server.simulator.fates()}


def agreed_end(fate: Fate) -> tuple[State, str | None]:
    """Where an instruction must stand, by the word of the other side."""
    if fate.reason is not None:
        return State.REJECTED, fate.reason
    return (State.RETURNED, fate.return_reason) if fate.returned_at is not None else (State.SETTLED, None)


def weather_the_storm(bank: Bank, weather: Weather, clock: FakeClock) -> None:
    services = bank.services
    for turn in range(2000):
        with closing(weather.connect()) as clearing:
            dispatch.send_due(services, clearing)
            dispatch.ask_for_silent(services, clearing)
            inbox.collect(services, clearing)
        if turn == 5:
            weather.restart()
        clock.advance(timedelta(seconds=5))
        with services.reading() as session:
            open_rows = session.scalar(select(func.count()).select_from(OutboxItem)) or 0
        if not open_rows and turn > 10:
            break
    clock.advance(timedelta(minutes=2))  # what was sent back on the way
    with closing(weather.connect()) as clearing:
        inbox.collect(services, clearing)


def test_proof_that_both_sides_agree_after_the_storm(routed_bank: Bank, tmp_path: Path, clock: FakeClock) -> None:
    weather = Weather(tmp_path / "clearing", clock)
    for number in range(INSTRUCTIONS):
        in_bulk = number % (INSTRUCTIONS // 20) == 0  # above the limit of IBPS
        ending = {3: "0001", 7: "0002"}.get(number % 60, "1234")
        send(
            routed_bank,
            instruction_id=f"S-{number}",
            amount_minor=(50_000_01 if in_bulk else 100) + number,
            account=f"621700001000{ending}",
        )
    weather_the_storm(routed_bank, weather, clock)

    fates = weather.fates()
    with routed_bank.services.reading() as session:
        payments = list(session.scalars(select(PaymentInstruction)))
        assert inspect_ledger(session).is_sound
        assert [message.fault for message in inbox.list_faults(session)] == []
        heard = session.scalar(select(func.count()).select_from(InboundMessage)) or 0
        transit = {name: balance_of(session, transit_account(name)) for name in ("ibps", "beps")}
        settled = balance_of(session, SETTLEMENT_ACCOUNT)
        left = balance_of(session, PAYER)
    # 1. Everything has a final state, and the other side names the same one for the same reason.
    assert {State(payment.state) for payment in payments} <= FINAL
    assert {payment.id for payment in payments} == set(fates)
    for payment in payments:
        state, reason = agreed_end(fates[payment.id])
        assert (State(payment.state), list(payment.reasons)) == (state, [reason] if reason else [])
        assert payment.amount_minor == fates[payment.id].amount_minor
    # 2. To the fen: nothing is under way, and what left the payer is what the other side kept.
    kept = sum(fate.amount_minor for fate in fates.values() if agreed_end(fate)[0] is State.SETTLED)
    assert transit == {"ibps": 0, "beps": 0}
    assert (settled, left) == (kept, OPENING - kept)
    # 3. It was a storm.
    ends = Counter(agreed_end(fate)[0] for fate in fates.values())
    assert min(ends.values()) >= INSTRUCTIONS // 60
    assert set(ends) == {State.SETTLED, State.REJECTED, State.RETURNED}
    assert heard > len(fates) // 2
    with routed_bank.services.reading() as session:
        steps = {step.state for payment in payments for step in list_steps(session, payment)}
    assert State.UNKNOWN in steps
    # 4. The end-of-day files say the same.
    agree_by_file(routed_bank, weather, clock, fates)
    weather.close()


def agree_by_file(bank: Bank, weather: Weather, clock: FakeClock, fates: dict[str, Fate]) -> None:
    day = clock().astimezone(BEIJING).date()
    clock.advance(timedelta(days=1))
    with closing(weather.connect()) as clearing:
        channel_files.fetch(bank.services, clearing)
    with bank.services.reading() as session:
        lines = channel_files.entries(session, day)
    assert lines is not None
    net = sum(-line.amount_minor if line.returned else line.amount_minor for line in lines)
    assert net == sum(fate.amount_minor for fate in fates.values() if agreed_end(fate)[0] is State.SETTLED)
