"""The connection between bank and simulator: signed both ways, and honest about what may have arrived."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.payments.clearing_errors import DeliveryRefused, DeliveryUncertain, NotDelivered
from app.payments.clearing_http import HttpClearing
from app.payments.clearing_signatures import key_id, load_public_key, sign_request
from app.payments.iso20022.messages import parse_message, to_xml
from app.payments.iso20022.values import StatusReport
from app.payments.simulator.door import PUBLIC_KEY_FILE, STATE_FILE, SimulatorServer, open_key
from app.payments.simulator.moods import CALM, Mood
from app.payments.simulator.store import Store
from app.payments.simulator.system import Simulator
from tests.app.payments.iso20022.examples import DAY, MESSAGES, TRANSFERS
from tests.conftest import FakeClock

BANK_KEY = ec.generate_private_key(ec.SECP256R1())
BANK = "the bank"
Serve = Callable[[Mood], SimulatorServer]


@pytest.fixture
def serve(tmp_path: Path, clock: FakeClock) -> Iterator[Serve]:
    running: list[SimulatorServer] = []

    def start(mood: Mood) -> SimulatorServer:
        simulator = Simulator(Store(tmp_path / STATE_FILE), mood, clock)
        server = SimulatorServer(
            ("127.0.0.1", 0), simulator, mood, open_key(tmp_path), {BANK: BANK_KEY.public_key()}.get, clock
        )
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
        server.simulator.close()


def connect(
    server: SimulatorServer, folder: Path, clock: FakeClock, key: ec.EllipticCurvePrivateKey = BANK_KEY
) -> HttpClearing:
    return HttpClearing(server.url, key, BANK, load_public_key(folder / PUBLIC_KEY_FILE), clock)


def test_a_transfer_goes_out_and_its_report_comes_in(serve: Serve, tmp_path: Path, clock: FakeClock) -> None:
    clearing = connect(serve(CALM), tmp_path, clock)
    clearing.send([to_xml(TRANSFERS)])
    [(name, xml)] = clearing.collect([], 10)
    assert isinstance(parse_message(xml), StatusReport)
    assert clearing.collect([name], 10) == []
    assert clearing.statement("ibps", DAY) is None
    clock.advance(timedelta(days=1))
    assert clearing.statement("ibps", DAY) is not None
    clearing.close()


def test_what_the_clearing_does_not_take_is_refused_for_good(serve: Serve, tmp_path: Path, clock: FakeClock) -> None:
    clearing = connect(serve(CALM), tmp_path, clock)
    nonsense, good, unsuitable = clearing.send([b"nonsense", to_xml(TRANSFERS), to_xml(MESSAGES[2])])
    assert (nonsense, good, unsuitable) == ("not-xml", None, "unsuitable: StatusReport")


def test_a_stranger_is_refused_and_nothing_of_it_kept(serve: Serve, tmp_path: Path, clock: FakeClock) -> None:
    server = serve(CALM)
    stranger = connect(server, tmp_path, clock, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(DeliveryRefused):
        stranger.send([to_xml(TRANSFERS)])
    assert server.simulator.fates() == []


def test_an_answer_of_somebody_else_is_not_believed(serve: Serve, tmp_path: Path, clock: FakeClock) -> None:
    server = serve(CALM)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    clearing = HttpClearing(server.url, BANK_KEY, BANK, other, clock)
    with pytest.raises(DeliveryUncertain, match="not signed"):
        clearing.send([to_xml(TRANSFERS)])
    with pytest.raises(NotDelivered):
        clearing.collect([], 10)


@pytest.mark.parametrize("flaw", ["body", "target", "old"])
def test_a_touched_request_is_refused(serve: Serve, clock: FakeClock, flaw: str) -> None:
    server = serve(CALM)
    body = to_xml(TRANSFERS)
    target = server.url + ("/mailbox" if flaw == "target" else "/messages")
    created = int(clock().timestamp()) - (61 if flaw == "old" else 0)
    fields = sign_request(BANK_KEY, BANK, target=target, content_type="application/xml", body=body, created=created)
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=5)  # type: ignore[misc]
    connection.request("POST", "/messages", body + (b" " if flaw == "body" else b""), fields)
    assert connection.getresponse().status == 401
    connection.close()
    assert server.simulator.fates() == []


def test_nobody_there_is_certain_and_a_broken_connection_is_not(serve: Serve, tmp_path: Path, clock: FakeClock) -> None:
    server = serve(Mood("cutting", cut=1.0))
    cut = connect(server, tmp_path, clock)
    with pytest.raises(DeliveryUncertain):
        cut.send([to_xml(TRANSFERS)])
    assert len(server.simulator.fates()) == 1  # it did arrive
    dropped = connect(serve(Mood("dropping", dropped=1.0)), tmp_path, clock)
    with pytest.raises(DeliveryUncertain):
        dropped.send([to_xml(TRANSFERS)])
    nobody = HttpClearing("http://127.0.0.1:9", BANK_KEY, BANK, BANK_KEY.public_key(), clock)
    with pytest.raises(NotDelivered):
        nobody.send([to_xml(TRANSFERS)])


def test_the_key_is_made_once_and_named_by_its_digest(tmp_path: Path) -> None:
    first = open_key(tmp_path)
    assert key_id(open_key(tmp_path).public_key()) == key_id(first.public_key())
    assert key_id(load_public_key(tmp_path / PUBLIC_KEY_FILE)) == key_id(first.public_key())
    assert (tmp_path / "simulator.key").stat().st_mode & 0o777 == 0o600
