"""News for platforms: written with the move, delivered until it is heard, sealed to the enterprise."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.certificates import service as certificates
from app.gateway.callbacks import CallbackFailed, CallbackRefused, CallbackRequest
from app.identity.models import Tenant, TenantKind
from app.oauth.models import Application
from app.payments import callbacks, outbox
from app.payments.callbacks import RETRY_FIRST, deliver_callbacks, set_address
from app.payments.channel_models import CallbackAddress, OutboxItem, OutboxKind, OutboxState
from app.payments.jobs import dispatch_outbox
from app.problems import InvalidInput, NotFound
from app.wiring import Services
from tests.app.gateway.parties import EnterpriseParty, make_enterprise, make_platform
from tests.app.identity.people import make_people, uscc
from tests.app.payments.standing import record_authorization
from tests.app.payments.test_jobs import send
from tests.app.payments.world import Bank
from tests.conftest import FakeClock

from yunlian import AnswerNotTrusted  # isort: skip - the parties put the client on the path

URL = "https://platform.example/callbacks"


@pytest.fixture
def told(routed_bank: Bank) -> tuple[Bank, EnterpriseParty]:
    """A bank whose platform registered an address, and the enterprise that can open what is sealed to it."""
    services = routed_bank.services
    record_authorization(routed_bank)
    with services.transaction() as session:
        session.get_one(Tenant, routed_bank.enterprise).uscc = uscc(7)  # certificates name it, so it must be a good one
    enterprise = make_enterprise(services, 7, tenant_id=routed_bank.enterprise)
    authorization = replace(routed_bank.authorization, product_x5t_s256=enterprise.client().x5t_s256)
    with services.transaction() as session:
        set_address(services, session, authorization.application_id, URL, "test")
    return replace(routed_bank, authorization=authorization), enterprise


class Receiver:
    """Where callbacks go: answers as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.got: list[CallbackRequest] = []
        self._failures = list(failures)
        self._lock = threading.Lock()

    def __call__(self, _services: Any, request: CallbackRequest) -> int:
        with self._lock:
            self.got.append(request)
            if self._failures:
                raise self._failures.pop(0)
        return 200


def rows(bank: Bank) -> list[OutboxItem]:
    with bank.services.reading() as session:
        return list(session.scalars(select(OutboxItem).where(OutboxItem.kind == OutboxKind.CALLBACK)))


def test_the_end_of_a_payment_is_told_once_and_sealed(told: tuple[Bank, EnterpriseParty]) -> None:
    bank, enterprise = told
    send(bank, amount_minor=100)
    assert rows(bank) == []  # the answer said so already
    dispatch_outbox(bank.services)
    receiver = Receiver()
    assert deliver_callbacks(bank.services, receiver) == 1
    assert deliver_callbacks(bank.services, receiver) == 0
    [request] = receiver.got
    document = json.loads(request.body)
    assert (request.url, document["state"], document["instruction_id"]) == (URL, "settled", "P-1")
    assert "6217000010001234567" not in request.body.decode()
    assert enterprise.client().open(document["sealed"])["payee"]["account"] == "6217000010001234567"
    assert rows(bank) == []


def test_it_comes_again_later_and_later_as_the_same_event(told: tuple[Bank, EnterpriseParty], clock: FakeClock) -> None:
    bank, _ = told
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    receiver = Receiver(CallbackFailed("answered by 500", 500), CallbackFailed("not delivered"))
    waits = []
    for _ in range(3):
        deliver_callbacks(bank.services, receiver)
        if found := rows(bank):
            waits.append(found[0].due_at - clock())
            assert deliver_callbacks(bank.services, receiver) == 0  # not before its time
            clock.advance(waits[-1])
    assert waits == [RETRY_FIRST, 2 * RETRY_FIRST]
    assert len({json.loads(request.body)["event_id"] for request in receiver.got}) == 1
    assert len({request.headers["Signature"] for request in receiver.got}) == 3  # signed anew


def test_the_independent_client_trusts_it_and_knows_it_again(
    app: Flask, told: tuple[Bank, EnterpriseParty], clock: FakeClock
) -> None:
    bank, enterprise = told
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    receiver = Receiver(CallbackFailed("answered by 500", 500))
    deliver_callbacks(bank.services, receiver)
    clock.advance(RETRY_FIRST)
    deliver_callbacks(bank.services, receiver)
    platform, product = make_platform(bank.services, 5).client(app), enterprise.client()
    first, again = receiver.got
    clock.advance(-RETRY_FIRST)
    heard = platform.read_callback(first.url, first.headers, first.body, product)
    assert (heard.body["state"], heard.sealed["amount_minor"]) == ("settled", 100)
    assert platform.read_callback(again.url, again.headers, again.body).event_id == heard.event_id
    with pytest.raises(AnswerNotTrusted):
        platform.read_callback(first.url, first.headers, first.body.replace(b"settled", b"returnd"))
    with pytest.raises(AnswerNotTrusted):
        platform.read_callback("https://another.example/", first.headers, first.body)
    clock.advance(timedelta(minutes=5))
    with pytest.raises(AnswerNotTrusted):
        platform.read_callback(first.url, first.headers, first.body)


@pytest.mark.parametrize("refusal", [CallbackRefused("private"), None])
def test_what_trying_again_does_not_help_waits_for_a_person(
    told: tuple[Bank, EnterpriseParty], clock: FakeClock, refusal: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, _ = told
    monkeypatch.setattr(callbacks, "MOST_ATTEMPTS", 2)
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    failures = [refusal] if refusal else [CallbackFailed("a"), CallbackFailed("b")]
    receiver = Receiver(*failures)
    for _ in failures:
        deliver_callbacks(bank.services, receiver)
        clock.advance(timedelta(hours=3))
    [row] = rows(bank)
    assert row.state == OutboxState.DEAD
    with bank.services.transaction() as session:
        outbox.replay(bank.services, session, row.id, "operator")
    assert deliver_callbacks(bank.services, receiver) == 1


def test_a_product_certificate_that_is_gone_keeps_the_event_for_a_person(told: tuple[Bank, EnterpriseParty]) -> None:
    bank, _ = told
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    with bank.services.transaction() as session:
        name = bank.authorization.product_x5t_s256
        certificates.revoke(bank.services, session, name, "key_compromise", "test")
    assert deliver_callbacks(bank.services, Receiver()) == 0
    [row] = rows(bank)
    assert row.state == OutboxState.DEAD
    assert "RevokedCertificate" in str(row.last_error)


def test_without_an_address_nothing_is_written_and_what_waits_goes(told: tuple[Bank, EnterpriseParty]) -> None:
    bank, _ = told
    application_id = bank.authorization.application_id
    send(bank, amount_minor=100)
    dispatch_outbox(bank.services)
    with bank.services.transaction() as session:
        set_address(bank.services, session, application_id, None, "test")
    receiver = Receiver()
    deliver_callbacks(bank.services, receiver)
    assert (receiver.got, rows(bank)) == ([], [])
    send(bank, amount_minor=100, instruction_id="P-2")
    dispatch_outbox(bank.services)
    assert rows(bank) == []


def test_only_an_address_that_the_bank_could_call_is_kept(told: tuple[Bank, EnterpriseParty]) -> None:
    bank, _ = told
    application_id = bank.authorization.application_id
    with bank.services.transaction() as session:
        with pytest.raises(InvalidInput):
            set_address(bank.services, session, application_id, "http://platform.example/", "test")
        with pytest.raises(NotFound):
            set_address(bank.services, session, "nobody", URL, "test")
        assert session.get_one(CallbackAddress, application_id).url == URL
        assert session.get_one(Application, application_id)


def test_a_platform_sets_its_own_address_and_nobody_elses(app: Flask, services: Services) -> None:
    people = make_people(app, services)
    with services.transaction() as session:
        for number, kind in enumerate((TenantKind.PLATFORM, TenantKind.BANK)):
            tenant = people.tenants[kind]
            session.add(
                Application(
                    client_id=f"client-{number}",
                    tenant_id=tenant.id,
                    name="app",
                    redirect_uris=[],
                    scopes=["payments"],
                    created_at=services.clock(),
                )
            )
    browser = people.log_in("platform-user")
    page = "/developer/applications/client-0/callback"
    assert page in browser.get("/developer/applications/client-0").text
    assert browser.post(page, page=page, address="http://platform.example/").status_code == 422
    assert browser.post(page, page=page, address=URL).status_code == 303
    assert URL in browser.get(page).text
    assert browser.post(page, page=page, address="").status_code == 303
    with services.reading() as session:
        assert session.scalars(select(CallbackAddress)).all() == []
    assert browser.get("/developer/applications/client-1/callback").status_code == 404
