"""Payments and routing over HTTP, by the independent client: signed, sealed, answered, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.payments.ledger import inspect_ledger
from app.payments.service import open_account
from app.routing.service import load_sandbox_directory
from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, SUPPLIER, payment

from yunlian import Refused  # isort: skip - the parties put the client on the path

PATH = "/api/v1/payments"
Call = Callable[..., Any]


@pytest.fixture
def parties(services: Services) -> Parties:
    made = make_parties(services)
    with services.transaction() as session:
        for enterprise, number in ((made.enterprise, PAYER), (made.other_enterprise, SUPPLIER)):
            open_account(
                services,
                session,
                tenant_id=enterprise.tenant.id,
                number=number,
                name="苏州供应商有限公司",
                balance_minor=OPENING,
            )
        load_sandbox_directory(services, session)
    return made


@pytest.fixture
def call(app: Flask, parties: Parties) -> Call:
    """Call with both identities; gives the verified answer with its sealed part opened."""
    platform = parties.platform.client(app)
    enterprise = parties.enterprise.client()

    def send(path: str, document: dict[str, Any]) -> Any:
        return platform.call(path, document, token=parties.token(), enterprise=enterprise)

    return send


@pytest.mark.parametrize("path", [PATH, f"{PATH}/status", "/api/v1/routing/resolve"])
def test_without_identity_there_is_no_way_in(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"instruction_id": "P-1"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "invalid-token"


def test_a_payment_is_made_asked_for_and_repeated(call: Call, services: Services) -> None:
    made = call(PATH, payment())
    assert made.body["state"] == "settled"
    assert made.sealed["available_balance_minor"] == OPENING - 123_45
    assert "payee" not in made.body
    again = call(PATH, payment())
    assert ({**again.body, "sealed": ""}, again.sealed) == ({**made.body, "sealed": ""}, made.sealed)
    asked = call(f"{PATH}/status", {"bank_reference": made.body["bank_reference"]})
    assert asked.body["state"] == "settled"
    with services.reading() as session:
        assert inspect_ledger(session).is_sound


def test_refusals_are_typed(call: Call) -> None:
    with pytest.raises(Refused) as raised:
        call(PATH, payment(amount_minor=-1, currency="EUR"))
    assert (raised.value.status, raised.value.code) == (422, "invalid-document")
    pointers = {fault["pointer"]: fault["reason"] for fault in raised.value.problem["faults"]}
    assert pointers == {"/amount_minor": "not-positive", "/currency": "not-supported"}
    with pytest.raises(Refused) as raised:
        call(PATH, payment(amount_minor=1_000_001))
    assert (raised.value.status, raised.value.code) == (403, "limit-exceeded")
    call(PATH, payment())
    with pytest.raises(Refused) as raised:
        call(PATH, payment(amount_minor=1))
    assert (raised.value.status, raised.value.code) == (409, "conflict")
    with pytest.raises(Refused) as raised:
        call(f"{PATH}/status", {"instruction_id": "nothing"})
    assert (raised.value.status, raised.value.code) == (404, "not-found")


def test_a_payment_is_taken_back_before_it_leaves(call: Call) -> None:
    payee = {"name": "李四", "account": "6217000010001234567", "bank_text": CCB_HANGZHOU}
    made = call(PATH, payment(payee=payee))
    assert made.body["state"] == "booked"
    ended = call(f"{PATH}/cancel", {"bank_reference": made.body["bank_reference"], "reason": "重复下单"})
    assert ended.body["state"] == "cancelled"
    assert ended.sealed["available_balance_minor"] == OPENING


@pytest.mark.parametrize("what", ["status", "cancel", "receipt"])
def test_another_enterprises_payment_is_not_there(call: Call, app: Flask, parties: Parties, what: str) -> None:
    reference = call(PATH, payment()).body["bank_reference"]
    granted = parties.grant(parties.platform, parties.other_enterprise)
    asked = {"bank_reference": reference} | ({"reason": "重复下单"} if what == "cancel" else {})
    platform, token = parties.platform.client(app), parties.token(authorization=granted)
    with pytest.raises(Refused) as raised:
        platform.call(f"{PATH}/{what}", asked, token=token, enterprise=parties.other_enterprise.client())
    assert (raised.value.status, raised.value.code) == (404, "not-found")


def test_refusals_are_in_the_journal_without_names_accounts_or_amounts(call: Call, services: Services) -> None:
    with pytest.raises(Refused):
        call(PATH, payment(amount_minor=1_000_001))
    with services.reading() as session:
        entries = services.journal.entries(session, limit=20)
    [entry] = [entry for entry in entries if entry.kind == "payment-refused"]
    assert set(entry.body) == {"document_sha256", "reason", "authorization_id"}
    assert entry.body["reason"] == "limit-exceeded"


def test_an_odd_number_in_one_item_keeps_no_other_from_being_paid(call: Call) -> None:
    odd = [1.5, 1.0, 10**30, 10**400, -1, "1", True, None]
    items = [
        {"instruction_id": f"W-{place}", "amount_minor": amount, "payee": payment()["payee"]}
        for place, amount in enumerate([*odd, 7])
    ]
    shared = {name: payment()[name] for name in ("currency", "payer_account", "purpose")}
    told = call(f"{PATH}/batches", {"batch_id": "B-1", "kind": "payroll", "items": items} | shared).body
    *refused, paid = told["results"]
    reasons = {result["position"]: [tuple(fault.values()) for fault in result["faults"]] for result in refused}
    assert reasons == {
        place: [(f"/items/{place}/amount_minor", reason)]
        for place, reason in enumerate(
            [*["not-an-integer"] * 2, "too-large", "too-large", "not-positive", *["not-an-integer"] * 3]
        )
    }
    assert paid["state"] == "settled"


@pytest.mark.parametrize(("amount", "reason"), [(1.5, "not-an-integer"), (10**30, "too-large")])
def test_a_number_without_one_text_is_refused_where_it_stands(call: Call, amount: float, reason: str) -> None:
    with pytest.raises(Refused) as raised:
        call(PATH, payment(amount_minor=amount))
    assert raised.value.problem["faults"] == [{"pointer": "/amount_minor", "reason": reason}]


def test_the_platform_alone_may_ask_for_a_bank(app: Flask, parties: Parties) -> None:
    platform = parties.platform.client(app)
    question = {"text": f"{CCB_HANGZHOU}"}
    answer = platform.call("/api/v1/routing/resolve", question, token=parties.token("routing"))
    assert answer.body["decision"] == "auto"
    assert answer.body["branch"]["name"] == CCB_HANGZHOU
    with pytest.raises(Refused) as raised:
        platform.call("/api/v1/routing/resolve", {"txt": ""}, token=parties.token("routing"))
    assert raised.value.problem["faults"] == [{"pointer": "/txt", "reason": "unknown-member"}]
