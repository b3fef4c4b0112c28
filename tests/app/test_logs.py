"""Logs are JSON lines that name routes and outcomes, never people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app.demonstration import ENTERPRISE, REPRESENTATIVE
from app.logs import JsonFormatter
from app.signing.service import deliver_pending
from app.wiring import Services
from clients.demo.browser import Refused
from clients.demo.puppet import Puppet, astronaut, jpeg
from tests.flows.ceremony import LAST6, give_portrait, register_parties, send_contract


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # nothing of the database is logged


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that any logger writes, at the most talkative level, as the service formats it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(lambda record: record.name != "httpx")  # the phones' own library, not the service
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_every_request_leaves_one_line_with_its_route_and_not_its_path(
    client: FlaskClient, written: io.StringIO
) -> None:
    client.get("/sign/a-token-that-opens-a-contract?name=secret", headers={"X-Request-Id": "request-0001"})
    [line] = [line for line in lines(written) if line["logger"] == "yunlian.access"]
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/sign/<token>", 404)
    assert line["request_id"] == "request-0001"
    assert "a-token-that-opens" not in written.getvalue()
    assert "secret" not in written.getvalue()


def test_an_exception_is_logged_by_type_and_place_without_its_text(written: io.StringIO) -> None:
    try:
        raise ValueError("110101195611190027")
    except ValueError:
        logging.getLogger("app.test").exception("failed", extra={"job": "deliver"})
    [line] = lines(written)
    assert (line["event"], line["error"], line["job"]) == ("failed", "ValueError", "deliver")
    assert "test_logs.py" in str(line["where"])
    assert "110101195611190027" not in written.getvalue()


def test_a_line_stays_one_line_whatever_is_logged(written: io.StringIO) -> None:
    logging.getLogger("app.test").warning("two\nlines\r\n%s", "里\u2028", extra={"odd": object(), "bytes": b"\xff"})
    assert written.getvalue().count("\n") == 1
    assert "里" in str(lines(written)[0]["event"])


def test_the_signing_flow_leaves_no_personal_data_in_the_logs(
    app: object, services: Services, written: io.StringIO
) -> None:
    _, person_id = register_parties(services)
    give_portrait(services, person_id, jpeg(astronaut()))
    ceremony = send_contract(app, services, person_id)  # type: ignore[arg-type]
    with ceremony.browser() as browser, ceremony.phone() as phone:
        with pytest.raises(Refused):
            phone.identify("000000")
        ceremony.agree(phone)
        phone.show_face(Puppet(astronaut()))
        phone.sign()
        cookies = [cookie.value for cookie in phone._browser._client.cookies.jar]
        browser.get("/verify")
    deliver_pending(services)
    log = written.getvalue()
    routes = {line.get("route") for line in lines(written)}
    assert {"/sign/<token>/identify", "/sign/<token>/face", "/sign/<token>/signature"} <= routes
    name, number = REPRESENTATIVE
    token = ceremony.path.removeprefix("/sign/")
    secrets = [name, number, LAST6, ENTERPRISE[0], ENTERPRISE[1], token, *(value for value in cookies if value)]
    assert len(secrets) >= 8
    for secret in secrets:
        assert secret not in log, [line for line in log.splitlines() if secret in line][:1]
