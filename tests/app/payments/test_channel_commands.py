"""The operators' commands of channels, and the outbox as a process with the simulator behind a real connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app.payments import channel_commands, dispatch
from app.payments.channels import PARAMETERS, parameters_on
from app.payments.clearing import simulator_folder
from app.payments.clearing_errors import DeliveryRefused
from app.payments.jobs import dispatch_outbox, serve_outbox
from app.payments.simulator.door import STATE_FILE, SimulatorServer, open_key
from app.payments.simulator.moods import CALM
from app.payments.simulator.store import Store
from app.payments.simulator.system import Simulator
from app.settings import Settings
from app.wiring import Services
from tests.app.payments.standing import record_authorization
from tests.app.payments.test_jobs import Connection, send, state
from tests.app.payments.world import Bank


@pytest.fixture
def served(services: Services) -> Iterator[SimulatorServer]:
    """The simulator at a port of its own, on the folder where the service looks for its key."""
    folder = simulator_folder(services)
    key = open_key(folder)
    held = services.hierarchy.gateway_sign
    simulator = Simulator(Store(folder / STATE_FILE), CALM, services.clock)
    bank_key = {held.x5t_s256: held.certificate.public_key()}
    server = SimulatorServer(("127.0.0.1", 0), simulator, CALM, key, bank_key.get, services.clock)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    simulator.close()


def test_the_outbox_serves_over_http_until_it_is_stopped(routed_bank: Bank, served: SimulatorServer) -> None:
    services = routed_bank.services
    connected = replace(services, settings=replace(services.settings, clearing_url=served.url))
    for number in range(4):
        send(routed_bank, amount_minor=100 + number, instruction_id=f"P-{number}")
    stopped = threading.Event()
    process = threading.Thread(target=serve_outbox, args=(connected, stopped))
    process.start()
    waiting = threading.Event()
    for _ in range(200):
        if all(state(routed_bank, f"P-{number}")[0] == "settled" for number in range(4)):
            break
        waiting.wait(0.1)
    stopped.set()
    process.join(20)
    assert not process.is_alive()
    assert {state(routed_bank, f"P-{number}")[0] for number in range(4)} == {"settled"}
    assert len(served.simulator.fates()) == 4


def test_letters_are_listed_and_replayed(app: Flask, routed_bank: Bank) -> None:
    runner = app.test_cli_runner()
    send(routed_bank, amount_minor=100)
    assert "dispatch   waiting    1" in runner.invoke(args=["payments", "open-letters"]).output
    clearing = Connection(routed_bank)
    clearing.before = DeliveryRefused("not today")
    dispatch.send_due(routed_bank.services, clearing)
    clearing.close()
    listed = runner.invoke(args=["payments", "open-letters"]).output
    assert "not today" in listed
    item_id = listed.split("dead ")[-1].split(" ")[0]
    assert runner.invoke(args=["payments", "replay-letter", item_id]).exit_code == 0
    dispatch_outbox(routed_bank.services)
    assert state(routed_bank)[0] == "settled"
    assert runner.invoke(args=["payments", "open-letters"]).output == ""
    assert runner.invoke(args=["payments", "fetch-files"]).output.endswith("files\n")


def test_lists_and_addresses_are_kept_by_command(app: Flask, bank: Bank) -> None:
    record_authorization(bank)
    runner = app.test_cli_runner()
    block = ["payments", "risk-list", "block", "坏人有限公司", "--reason", "被监管通报"]
    assert runner.invoke(args=block).exit_code == 0
    assert "坏人有限公司  被监管通报" in runner.invoke(args=["payments", "risk-list", "show"]).output
    assert runner.invoke(args=["payments", "risk-list", "unblock", "坏人有限公司"]).exit_code == 0
    assert runner.invoke(args=["payments", "risk-list", "show"]).output == ""
    address = ["payments", "callback-address", bank.authorization.application_id]
    assert runner.invoke(args=[*address, "https://platform.example/"]).exit_code == 0
    assert runner.invoke(args=address).exit_code == 0
    assert len(channel_commands.COMMANDS) == len({command.name for command in channel_commands.COMMANDS})


def test_the_limit_of_ibps_is_the_banks_own_on_both_sides(services: Services) -> None:
    today = services.clock().date()
    own = parameters_on(today, 10_000_000)
    assert own.ibps_limit_minor == 10_000_000
    assert own.version != PARAMETERS[-1].version
    assert parameters_on(today) == PARAMETERS[-1]
    given = {"YUNLIAN_PROFILE": "test", "YUNLIAN_SECRET_KEY": "x" * 16, "YUNLIAN_KEYSTORE_PASSPHRASE": "x" * 16}
    data_key = {"YUNLIAN_DATA_KEY": "A" * 43 + "="}
    read = Settings.from_env({**given, **data_key, "YUNLIAN_IBPS_LIMIT_MINOR": "10000000"})
    assert read.ibps_limit_minor == 10_000_000
    assert Settings.from_env({**given, **data_key}).ibps_limit_minor is None
