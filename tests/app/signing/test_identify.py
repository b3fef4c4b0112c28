"""Identification counts what was wrong, not what was cut short."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from app.identity import persons
from app.signing import service
from app.signing.models import Invitation
from app.signing.participants import MOST_FAILURES
from app.signing.problems import IdentityNotConfirmed, SigningLocked
from app.signing.stored import digest, lock_contract
from app.wiring import Services
from tests.app.signing.conftest import Archive
from tests.flows.ceremony import LAST6


class Died(Exception):
    pass


def test_a_process_that_dies_after_a_good_answer_locks_nobody_out(archive: Archive, services: Services) -> None:
    _, link = archive.send()
    token = link.rsplit("/", 1)[1]

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO signing_sessions"):
            raise Died

    event.listen(services.engine, "before_cursor_execute", die)
    for _ in range(MOST_FAILURES + 1):
        with pytest.raises(Died):
            service.identify(services, token, LAST6)
    event.remove(services.engine, "before_cursor_execute", die)
    assert service.identify(services, token, LAST6)


def test_wrong_answers_lock_and_a_good_one_forgets_them(archive: Archive, services: Services) -> None:
    _, link = archive.send()
    token = link.rsplit("/", 1)[1]
    for _ in range(2):
        for _ in range(MOST_FAILURES - 1):
            with pytest.raises(IdentityNotConfirmed):
                service.identify(services, token, "000000")
        service.identify(services, token, LAST6)
    for _ in range(MOST_FAILURES):
        with pytest.raises(IdentityNotConfirmed):
            service.identify(services, token, "000000")
    with pytest.raises(SigningLocked):
        service.identify(services, token, LAST6)


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_who_holds_a_contract_and_its_signer_keeps_nobody_waiting_who_refers_to_them(
    archive: Archive, services: Services
) -> None:
    """A row that is written twice in one transaction has its foreign keys checked again (KEY SHARE of the parent)."""
    if services.engine.dialect.name == "sqlite":
        pytest.skip("PostgreSQL is not installed; SQLite lets one write after the other")
    _, link = archive.send()
    name = digest(link.rsplit("/", 1)[1])
    with services.transaction() as holder, services.transaction() as other:
        other.execute(text("SET LOCAL lock_timeout = '5s'"))
        invitation = other.get_one(Invitation, name)
        lock_contract(holder, invitation.contract_id)
        persons.lock_person(holder, invitation.person_id)
        for attempts in (1, 2):
            invitation.failed_attempts = attempts
            other.flush()
