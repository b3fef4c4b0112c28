"""The directory over time: versions, differences, renames, and having a past one back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app.problems import Conflict, InvalidInput, NotAllowed
from app.routing import directories, service
from app.routing.clearing_code import check_digit
from app.routing.directories import OFFICIAL
from app.routing.models import DirectoryVersion
from app.routing.problems import DirectoryMissing
from app.routing.recognition import RoutingQuery
from app.settings import RunProfile
from app.wiring import Services, build_services
from tests.conftest import FakeClock

TODAY = date(2026, 11, 22)
LATER = TODAY + timedelta(days=7)


def code(first11: str) -> str:
    return first11 + check_digit(first11)


LAKE, PARK, STATION = code("10533100001"), code("10533100002"), code("31333100001")
FIRST = f"""code,name,city,province
{LAKE},中国建设银行股份有限公司杭州西湖支行,杭州市,浙江省
{PARK},中国建设银行股份有限公司杭州公园支行,杭州市,浙江省
{STATION},杭州联合农村商业银行股份有限公司城站支行,杭州市,浙江省
"""
SECOND = f"""行号,行名,城市,省份
{LAKE},中国建设银行股份有限公司杭州湖滨支行,杭州市,浙江省
{STATION},杭州联合农村商业银行股份有限公司城站支行,杭州市,浙江省
"""


def load(services: Services, text: str, on: date, *, accept_losses: bool = True) -> directories.Imported:
    with services.transaction() as session:
        done = directories.import_directory(
            services, session, text.encode(), effective_on=on, accept_losses=accept_losses
        )
    with services.reading() as session:
        directories.open_directory(services, session, session.get_one(DirectoryVersion, done.version))
    return done


def names(services: Services, on: date) -> dict[str, str]:
    with services.reading() as session:
        return {branch.code: branch.name for branch in directories.snapshot(session, OFFICIAL, on)}


def test_the_sandbox_is_loaded_once(services: Services) -> None:
    with services.transaction() as session:
        assert directories.load_sandbox_directory(services, session) > 5000
        assert directories.load_sandbox_directory(services, session) == 0


def test_production_refuses_made_up_branches(services: Services) -> None:
    production = build_services(replace(services.settings, profile=RunProfile.PRODUCTION), services.clock)
    with pytest.raises(NotAllowed), production.transaction() as session:
        directories.load_sandbox_directory(production, session)
    production.engine.dispose()


def test_an_official_directory_wins_from_its_day_on(sandboxed: Services, clock: FakeClock) -> None:
    load(sandboxed, FIRST, LATER)
    with sandboxed.reading() as session:
        assert directories.current_directory(sandboxed, session).kind == "sandbox"
    clock.advance(timedelta(days=7))
    with sandboxed.reading() as session:
        directory = directories.current_directory(sandboxed, session)
    assert (directory.kind, directory.version, len(directory)) == ("official", f"official-{LATER}", 3)
    branch = directory.find_code(STATION)
    assert branch is not None
    assert branch.bank_id == "杭州联合农村商业银行"


def test_versions_say_what_changed_and_a_past_one_can_be_had_back(services: Services) -> None:
    assert len(load(services, FIRST, TODAY).difference.added) == 3
    change = load(services, SECOND, LATER).difference
    assert [branch.code for branch in change.removed] == [PARK]
    assert [(old.name[-4:], new.name[-4:]) for old, new in change.renamed] == [("西湖支行", "湖滨支行")]
    assert names(services, TODAY)[LAKE].endswith("西湖支行")
    assert names(services, LATER).keys() == {LAKE, STATION}
    assert names(services, LATER)[LAKE].endswith("湖滨支行")
    with services.reading() as session:
        assert directories.difference(session, OFFICIAL, TODAY, LATER) == change


def test_a_renamed_branch_is_found_by_its_old_name_with_the_day(services: Services, clock: FakeClock) -> None:
    load(services, FIRST, TODAY)
    load(services, SECOND, LATER)
    clock.advance(timedelta(days=7))
    with services.reading() as session:
        first = service.resolve(services, session, RoutingQuery("建行杭州西湖支行")).candidates[0]
    assert first.branch.code == LAKE
    assert first.former is not None
    assert first.former.until == LATER


def test_a_list_of_renames_adds_former_names_once(services: Services) -> None:
    load(services, FIRST, TODAY)
    renames = (
        "date,old_name,new_name\n2025-05-13,中国建设银行股份有限公司杭州断桥支行,中国建设银行股份有限公司杭州白堤支行\n"
        "2026-03-16,中国建设银行股份有限公司杭州白堤支行,中国建设银行股份有限公司杭州西湖支行\n"
        "2026-03-16,甲,乙\nwhen,丙,丁\n"
    ).encode()
    with services.transaction() as session:
        added, unknown = directories.import_renames(services, session, renames)
        again, _ = directories.import_renames(services, session, renames)
    directories.prepare(services)
    assert (added, again) == (2, 0)
    assert {fault.reason for fault in unknown} == {"name-not-in-directory", "date"}
    with services.reading() as session:
        match = service.resolve(services, session, RoutingQuery("建行杭州断桥支行")).candidates[0]
    assert match.branch.code == LAKE
    assert match.former is not None
    assert match.former.until == date(2025, 5, 13)


def test_what_is_exported_imports_to_the_same(services: Services) -> None:
    load(services, FIRST, TODAY)
    with services.reading() as session:
        text = "".join(directories.export(session, OFFICIAL, TODAY))
    done = load(services, text, LATER)
    assert (done.difference.added, done.difference.removed, done.difference.renamed) == ((), (), ())
    assert done.faults == ()


def test_an_import_that_loses_much_must_be_meant(services: Services) -> None:
    load(services, FIRST, TODAY)
    with pytest.raises(Conflict):
        load(services, SECOND, LATER, accept_losses=False)
    assert len(names(services, LATER)) == 3


def test_versions_go_forward(services: Services) -> None:
    load(services, FIRST, TODAY)
    with pytest.raises(Conflict):
        load(services, SECOND, TODAY)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "code,name\n", "code,name\n1,甲\n"])
def test_a_file_without_branches_is_refused(services: Services, text: str) -> None:
    with pytest.raises(InvalidInput):
        load(services, text, TODAY)


def test_no_directory_is_said(services: Services) -> None:
    with pytest.raises(DirectoryMissing), services.reading() as session:
        directories.current_directory(services, session)


def test_a_decision_is_given_again_when_names_and_directory_have_changed_since(
    services: Services, clock: FakeClock
) -> None:
    load(services, FIRST, TODAY)
    query = RoutingQuery("建行杭州西湖支行")
    with services.transaction() as session:
        found = service.resolve(services, session, query)
        [decided] = service.record(services, session, [(query, found)], "app-1")
    assert decided.decision_id is not None
    clock.advance(timedelta(days=1))
    renames = (
        "date,old_name,new_name\n2025-05-13,中国建设银行股份有限公司杭州断桥支行,中国建设银行股份有限公司杭州西湖支行\n"
    )
    with services.transaction() as session:
        directories.import_renames(services, session, renames.encode())
    load(services, SECOND, LATER)
    clock.advance(timedelta(days=7))
    with services.reading() as session:
        assert service.replay(services, session, decided.decision_id).is_same
        today = service.resolve(services, session, query)
        then = service.resolve_on(services, session, query, TODAY)
    assert (today.directory_version, then.directory_version) == (f"official-{LATER}", f"official-{TODAY}")
    assert today.candidates[0].former is not None
    assert then.candidates[0].former is None
