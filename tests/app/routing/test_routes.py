"""Routing over HTTP, by the independent client."""

from __future__ import annotations

import pytest
from flask import Flask

from app.routing.models import RoutingDecision
from app.routing.service import load_sandbox_directory
from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties

from yunlian import Refused  # isort: skip - the parties put the client on the path

PATH = "/api/v1/routing/resolve"
TEXT = "建行杭州分行营业部"


@pytest.fixture
def parties(services: Services) -> Parties:
    made = make_parties(services)
    with services.transaction() as session:
        load_sandbox_directory(services, session)
    return made


def test_one_question_is_answered_and_kept(app: Flask, services: Services, parties: Parties) -> None:
    platform = parties.platform.client(app)
    body = platform.call(PATH, {"text": TEXT, "amount_minor": 100}, token=parties.token("routing")).body
    assert body["decision"] == "auto"
    with services.reading() as session:
        assert session.get_one(RoutingDecision, body["decision_id"]).answer["branch"] == body["branch"]


def test_a_thousand_questions_are_answered_in_order(app: Flask, parties: Parties) -> None:
    platform = parties.platform.client(app)
    queries = [
        {"text": TEXT},
        {"text": "", "clearing_code": "1"},
        {"text": "工商银行和建设银行"},
        {"text": "\u0000" * 30},
    ]
    body = platform.call(PATH, {"queries": queries * 250}, token=parties.token("routing")).body
    assert len(body["answers"]) == 1000
    assert [answer["decision"] for answer in body["answers"]] == ["auto", "unknown", "unknown", "unknown"] * 250
    assert len({answer["decision_id"] for answer in body["answers"]}) == 1000


def test_too_many_or_both_forms_are_refused(app: Flask, parties: Parties) -> None:
    platform = parties.platform.client(app)
    for document in ({"queries": [{}] * 1001}, {"text": TEXT, "queries": [{}]}, {"text": 1}):
        with pytest.raises(Refused) as raised:
            platform.call(PATH, document, token=parties.token("routing"))
        assert raised.value.status == 422


def test_a_choice_is_taken_from_whoever_asked(app: Flask, parties: Parties) -> None:
    platform = parties.platform.client(app)
    asked = platform.call(PATH, {"text": "建行中山路支行"}, token=parties.token("routing")).body
    choice = {"decision_id": asked["decision_id"], "clearing_code": asked["candidates"][0]["clearing_code"]}
    told = platform.call("/api/v1/routing/confirm", choice, token=parties.token("routing")).body
    assert (told["state"], told["confirmations"]) == ("proposed", 1)
    wrong = choice | {"decision_id": "0" * 26}
    with pytest.raises(Refused) as raised:
        platform.call("/api/v1/routing/confirm", wrong, token=parties.token("routing"))
    assert raised.value.status == 404
