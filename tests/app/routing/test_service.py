"""The directory as stored, and the one in force."""

from dataclasses import replace
from datetime import date

import pytest

from app.problems import NotAllowed
from app.routing.clearing_code import check_digit
from app.routing.messages import ResolveRequest, resolution_body
from app.routing.models import DirectoryBranch, DirectoryVersion
from app.routing.problems import DirectoryMissing
from app.routing.recognition import Decision, RoutingQuery
from app.routing.service import load_sandbox_directory, resolve
from app.settings import RunProfile
from app.wiring import Services, build_services

QUERY = RoutingQuery("建行杭州分行营业部")


def test_it_routes_out_of_the_box_and_says_by_what(services: Services) -> None:
    with services.transaction() as session:
        assert load_sandbox_directory(services, session) > 5000
        assert load_sandbox_directory(services, session) == 0
    with services.reading() as session:
        body = resolution_body(resolve(services, session, QUERY))
    assert body["decision"] == "auto"
    assert body["bank"]["id"] == "ccb"
    assert body["city"] == {"area_code": "3310", "name": "杭州"}
    assert body["same_bank"] is False
    assert body["directory"] == {"version": "sandbox-1", "kind": "sandbox"}


def test_without_a_directory_it_says_so(services: Services) -> None:
    with pytest.raises(DirectoryMissing), services.reading() as session:
        resolve(services, session, QUERY)


def test_production_refuses_made_up_branches(services: Services) -> None:
    production = build_services(replace(services.settings, profile=RunProfile.PRODUCTION), services.clock)
    with pytest.raises(NotAllowed), production.transaction() as session:
        load_sandbox_directory(production, session)
    production.engine.dispose()


def test_an_official_directory_wins_from_its_day_on(services: Services) -> None:
    code = "10533100099" + check_digit("10533100099")
    official = {"official-today": date(2026, 11, 22), "official-tomorrow": date(2026, 11, 23)}
    with services.transaction() as session:
        load_sandbox_directory(services, session)
        for version, effective_on in official.items():
            session.add(
                DirectoryVersion(
                    version=version, kind="official", effective_on=effective_on, branches=1, loaded_at=services.clock()
                )
            )
            session.flush()
            session.add(
                DirectoryBranch(
                    version=version, code=code, name="中国建设银行杭州西湖支行", bank_id="ccb", area_code="3310"
                )
            )
    with services.reading() as session:
        assert resolve(services, session, QUERY).decision is not Decision.AUTO
        resolution = resolve(services, session, RoutingQuery("建行杭州西湖支行"))
    assert resolution.branch is not None
    assert (resolution.branch.code, resolution.directory_version) == (code, "official-today")


def test_the_message_takes_odd_texts_and_no_unknown_members() -> None:
    assert ResolveRequest.model_validate({"text": "\x00" * 10_000}).to_query().text == "\x00" * 10_000
    with pytest.raises(ValueError, match="extra"):
        ResolveRequest.model_validate({"text": "", "amount": 1})
