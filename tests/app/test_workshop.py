"""The workshop over a real Unix socket: work goes in, results and typed errors come back, strangers stay out."""

from __future__ import annotations

import pickle
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from app import create_app
from app.problems import Problem, Unavailable
from app.settings import Door
from app.signing import tasks
from app.wiring import Services, build_services
from app.workshop import MAC_HEADER, LocalWorkshop, SocketWorkshop, Workshop, _UnixConnection, mac, mac_key
from contracts.errors import UnknownTemplate
from kyc.capture import Frame
from kyc.errors import KycError, PolicyNotAllowed
from kyc.facecheck import FaceCheckRequest, check_face
from kyc.liveness import get_liveness_policy, new_binding, new_challenge
from kyc.ports import Assurance, Portrait


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the workshop asks no database


@pytest.fixture
def door(services: Services) -> Iterator[Path]:
    """The workshop's door at a socket, with a short path as sockets demand."""
    only = build_services(replace(services.settings, doors=frozenset({Door.WORKSHOP})), services.clock)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "workshop.sock"
        server = make_server(f"unix://{path}", 0, create_app(services=only), threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()
        server.server_close()
    only.engine.dispose()


@pytest.fixture
def workshop(door: Path, services: Services) -> SocketWorkshop:
    return SocketWorkshop(door, services.settings.secret_key)


def post(door: Path, body: bytes, given: str | None) -> int:
    connection = _UnixConnection(door)
    headers = {} if given is None else {MAC_HEADER: given}
    connection.request("POST", "/workshop/run", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_work_comes_back_done(workshop: SocketWorkshop) -> None:
    signature = bytes(range(64))
    assert workshop.run(tasks.timestamp_imprint, signature) == tasks.timestamp_imprint(signature)


def test_typed_errors_come_back_as_they_are(workshop: SocketWorkshop, services: Services) -> None:
    policy = get_liveness_policy("demo", production=False)
    binding = new_binding(bytes(32), bytes(32))
    now = services.clock()
    request = FaceCheckRequest(
        portrait=Portrait(b"", Assurance.HIGH),
        frames=(Frame(0, 0, b""),),
        chain=bytes(32),
        challenge=new_challenge(binding.nonce(), policy, now),
        binding=binding,
        received_at=now,
        match_policy="demo",
        production=True,
    )
    attempts: list[tuple[Callable[[Workshop], object], type[Exception]]] = [
        (lambda shop: shop.run(tasks.make_document, "no such template", {}), UnknownTemplate),
        (lambda shop: shop.run(check_face, request), PolicyNotAllowed),
        (lambda shop: shop.run(check_face, replace(request, production=False)), KycError),
    ]
    for attempt, kind in attempts:
        with pytest.raises(kind) as there:
            attempt(workshop)
        with pytest.raises(kind) as here:
            attempt(LocalWorkshop())
        assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


def test_without_the_right_mac_nothing_is_unpickled(door: Path, services: Services, tmp_path: Path) -> None:
    trace = tmp_path / "executed"

    class Exploit:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (trace,)

    body = pickle.dumps(Exploit())
    key = mac_key(services.settings.secret_key)
    for given in (None, "", "0" * 64, mac(mac_key("another secret"), body), mac(key, body + b"."), "ÿ" * 64):
        assert post(door, body, given) == 403
    assert not trace.exists()


@pytest.mark.parametrize(
    "task",
    [("os", "getcwd"), ("app.signing.stored", "digest"), ("app.signing.tasks", "no_such_task"),
     ("app.signing.tasks", "hashlib"), ("app.signing.tasks", "x509")],
)  # fmt: skip
def test_only_tasks_of_the_listed_modules_are_run(door: Path, services: Services, task: tuple[str, str]) -> None:
    body = pickle.dumps((*task, (), {}))
    assert post(door, body, mac(mac_key(services.settings.secret_key), body)) == 500


def test_another_secret_gets_no_work_done(door: Path) -> None:
    with pytest.raises(Unavailable):
        SocketWorkshop(door, "another secret of another service").run(tasks.timestamp_imprint, bytes(64))


def test_an_answer_that_the_workshop_did_not_make_is_not_believed(tmp_path: Path, services: Services) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "workshop.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen()

        def impostor() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            body = pickle.dumps((True, b"forged"))
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{MAC_HEADER}: {'0' * 64}\r\n\r\n"
            connection.sendall(head.encode() + body)
            connection.close()

        thread = threading.Thread(target=impostor)
        thread.start()
        with pytest.raises(Unavailable):
            SocketWorkshop(path, services.settings.secret_key).run(tasks.timestamp_imprint, bytes(64))
        thread.join()
        listener.close()


def test_where_nobody_listens_the_caller_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        SocketWorkshop(tmp_path / "nothing.sock", "a secret of the tests").run(tasks.timestamp_imprint, bytes(64))
    assert raised.value.code == "unavailable"
