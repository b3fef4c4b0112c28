"""The demonstration's data: made once, true in its check digits, and never in production."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.demonstration import ENTERPRISE, LOG_INS, REPRESENTATIVE, fill, summary
from app.identity.models import Account, Person, Role, Tenant
from app.signing.models import Contract
from app.wiring import Services
from contracts.ceremony import CeremonyState
from kyc.documents import parse_identity_number
from pki.identifiers import parse_uscc
from tests.app.identity.people import Browser


def counts(services: Services) -> dict[str, int]:
    with services.reading() as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Tenant, Account, Person, Contract)
        }


def test_filling_twice_changes_nothing(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "demonstration"
    first = fill(services, folder)
    before = counts(services)
    assert fill(services, folder) == first
    assert counts(services) == before
    assert before["tenants"] == 3
    assert {entry.role for entry in first} == {role.value for role in Role}


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_data_is_as_good_as_real(services: Services, tmp_path: Path, app: Flask) -> None:
    folder = tmp_path / "demonstration"
    log_ins = fill(services, folder)
    assert parse_uscc(ENTERPRISE[1]) == ENTERPRISE[1]
    assert parse_identity_number(REPRESENTATIVE[1], services.clock().date()).digits == REPRESENTATIVE[1]
    with services.reading() as session:
        contract = session.scalars(select(Contract)).one()
        assert contract.state == CeremonyState.SENT
    invitation = (folder / "invitation.txt").read_text(encoding="utf-8").strip()
    path = invitation.removeprefix(services.settings.people_url)
    browser = Browser(app.test_client())
    assert contract.number in browser.get(path).text
    services.clock.now = services.clock()  # type: ignore[attr-defined]
    for file in (folder / LOG_INS, folder / "invitation.txt"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stored = json.loads((folder / LOG_INS).read_text(encoding="utf-8"))
    assert [entry["login"] for entry in stored] == [entry.login for entry in log_ins]
    assert all(entry.password not in repr(entry) and entry.totp_secret not in repr(entry) for entry in log_ins)
    told = summary(services.settings, log_ins, folder)
    assert services.settings.people_url in told
    assert all(entry.login in told for entry in log_ins)
