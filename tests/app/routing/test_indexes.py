"""What directories are searched in: built by whoever imports or at the start of a door, never by a request."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from app.routing import directories, indexes, service
from app.routing.clearing_code import check_digit
from app.routing.models import DirectoryVersion
from app.routing.problems import DirectoryMissing, DirectoryPreparing
from app.routing.recognition import RoutingQuery
from app.wiring import Services, build_services
from tests.conftest import FakeClock

TODAY = date(2026, 11, 22)
TABLE = f"code,name\n10533100001{check_digit('10533100001')},中国建设银行股份有限公司杭州西湖支行\n"


@pytest.fixture
def elsewhere(sandboxed: Services, tmp_path: Path) -> Iterator[Services]:
    """Another machine: the same database, a data folder of its own."""
    other = build_services(replace(sandboxed.settings, var=tmp_path / "elsewhere"), sandboxed.clock)
    yield other
    other.engine.dispose()


def version_in_force(services: Services) -> str:
    with services.reading() as session:
        return service.resolve(services, session, RoutingQuery("建行杭州西湖支行")).directory_version


def wait_for_index(services: Services, name: str) -> None:
    with services.reading() as session:
        version = session.get_one(DirectoryVersion, name)
        path = indexes.index_path(services, version.version, version.digest)
    process = indexes.build_aside(services, path, version.version, services.clock())
    assert process.wait(60) == 0
    assert path.exists()


def import_official(services: Services) -> str:
    with services.transaction() as session:
        done = directories.import_directory(services, session, TABLE.encode(), effective_on=TODAY + timedelta(days=1))
    return done.version


def test_a_machine_without_an_index_asks_for_patience_and_has_it_built(elsewhere: Services) -> None:
    with pytest.raises(DirectoryPreparing):
        version_in_force(elsewhere)
    wait_for_index(elsewhere, "sandbox-1")
    assert version_in_force(elsewhere) == "sandbox-1"


def test_requests_are_answered_with_the_version_before_until_the_new_one_is_built(
    sandboxed: Services, elsewhere: Services, clock: FakeClock
) -> None:
    service.prepare(elsewhere)
    version = import_official(sandboxed)
    clock.advance(timedelta(days=1))
    assert version_in_force(elsewhere) == "sandbox-1"
    wait_for_index(elsewhere, version)
    assert version_in_force(elsewhere) == version


def test_a_door_has_its_index_before_the_first_request(elsewhere: Services) -> None:
    service.prepare(elsewhere)
    assert version_in_force(elsewhere) == "sandbox-1"


def test_a_door_starts_without_a_directory(services: Services) -> None:
    service.prepare(services)
    with pytest.raises(DirectoryMissing):
        version_in_force(services)


def test_what_holds_tomorrow_is_built_today(sandboxed: Services, clock: FakeClock) -> None:
    version = import_official(sandboxed)
    assert directories.prepare_aside(sandboxed) == 1
    wait_for_index(sandboxed, version)
    assert directories.prepare_aside(sandboxed) == 0
    clock.advance(timedelta(days=1))
    assert version_in_force(sandboxed) == version


def test_a_build_that_fails_is_not_tried_again_at_once(elsewhere: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = elsewhere.settings.var / "routing"
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")
    path = folder / "sandbox.directory"
    process = indexes.build_aside(elsewhere, path, "sandbox-1", elsewhere.clock())
    assert process.wait(60) != 0
    assert indexes.build_aside(elsewhere, path, "sandbox-1", elsewhere.clock()) is process
    monkeypatch.setattr(indexes, "_AGAIN_AFTER", 0.0)
    again = indexes.build_aside(elsewhere, path, "sandbox-1", elsewhere.clock())
    assert again is not process
    again.wait(60)
