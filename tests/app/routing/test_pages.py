"""The officer's page of aliases."""

import pytest
from flask import Flask

from app.identity.models import Role
from app.routing import service
from app.routing.directories import load_sandbox_directory
from app.routing.recognition import Decision, RoutingQuery
from app.wiring import Services
from tests.app.identity.people import People, make_people

QUERY = RoutingQuery("建行中山路支行")


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    return make_people(app, services)


@pytest.fixture
def alias_id(services: Services) -> str:
    with services.transaction() as session:
        load_sandbox_directory(services, session)
        asked = service.record(services, session, [(QUERY, service.resolve(services, session, QUERY))], "app-1")[0]
        session.flush()
        code = asked.candidates[0].branch.code
        return service.confirm(services, session, asked.decision_id or "", code, "app-1").id


def decision(services: Services) -> Decision:
    with services.reading() as session:
        return service.resolve(services, session, QUERY).decision


def test_an_operator_accepts_and_withdraws(people: People, services: Services, alias_id: str) -> None:
    browser = people.log_in(Role.OPERATOR)
    assert "建行中山路支行" in browser.get("/operations/routing").text
    assert browser.post(f"/operations/routing/{alias_id}/accept", page="/operations/routing").status_code == 303
    assert decision(services) is Decision.AUTO
    assert browser.post(f"/operations/routing/{alias_id}/reject", page="/operations/routing").status_code == 303
    assert decision(services) is Decision.CONFIRM


def test_what_is_decided_is_not_decided_again(people: People, alias_id: str) -> None:
    browser = people.log_in(Role.OPERATOR)
    browser.post(f"/operations/routing/{alias_id}/reject", page="/operations/routing")
    assert browser.post(f"/operations/routing/{alias_id}/accept", page="/operations/routing").status_code == 409
