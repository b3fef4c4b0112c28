"""Officers find contracts by everything that people remember of them, page by page, and hold what is in dispute."""

from __future__ import annotations

import re
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select

from app.certificates.models import CertificateRecord
from app.identity.models import Role
from app.signing.models import Signature
from app.signing.service import Criteria, find_bank, find_contracts
from app.wiring import Services
from tests.app.identity.people import People
from tests.app.signing.conftest import Archive


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the flows search on both


@pytest.fixture
def archive(services: Services) -> Archive:
    return Archive(services)


def test_found_by_each_criterion_and_by_none_that_does_not_fit(archive: Archive, services: Services) -> None:
    signed, (waiting, _) = archive.add_contract(), archive.send()
    contract = archive.contract(signed)
    with services.reading() as session:
        signature = session.scalars(select(Signature)).one()
        serial = session.get_one(CertificateRecord, signature.x5t_s256).serial

    def found(criteria: Criteria) -> set[str]:
        with services.reading() as session:
            return {found.id for found in find_contracts(session, criteria)[0]}

    both = {signed, waiting}
    assert found(Criteria()) == both
    assert found(Criteria(text=contract.number)) == found(Criteria(text=contract.number[-8:].lower())) == {signed}
    assert found(Criteria(text=contract.tenant.uscc)) == found(Criteria(text=contract.tenant.name[2:5])) == both
    assert found(Criteria(text=contract.current_sha256)) == found(Criteria(text=contract.prepared_sha256)) == {signed}
    assert found(Criteria(state="sent")) == {waiting}
    assert found(Criteria(template="product-service-agreement")) == both
    assert found(Criteria(certificate=signature.x5t_s256)) == {signed}
    assert found(Criteria(certificate=":".join(re.findall("..", f"{serial.upper():0>40}")))) == {signed}
    day = date(2026, 11, 22)
    assert found(Criteria(signed_from=day, signed_until=day)) == {signed}
    for none in (
        Criteria(text="%"),
        Criteria(template="other"),
        Criteria(certificate="00"),
        Criteria(signed_from=date(2026, 11, 23)),
        Criteria(signed_until=date(2026, 11, 21)),
        Criteria(held=True),
    ):
        assert found(none) == set(), none


def test_pages_hold_everything_once(archive: Archive, services: Services) -> None:
    made = {archive.send()[0] for _ in range(5)}
    with services.reading() as session:
        pages = [find_contracts(session, Criteria(), page=page, size=2) for page in (1, 2, 3)]
        assert [count for _, count in pages] == [3, 3, 3]
        assert [contract.id for found, _ in pages for contract in found] == sorted(made, reverse=True)
        assert find_contracts(session, Criteria(text="nothing"), size=2) == ([], 1)


def test_the_officers_pages_search_hold_and_propose(archive: Archive, services: Services, app: Flask) -> None:
    contract = archive.contract(archive.add_contract())
    people = People(app, services)
    with services.reading() as session:
        bank = find_bank(session)
    people.add_account("officer", Role.COMPLIANCE_OFFICER, bank)
    people.add_account("second", Role.COMPLIANCE_OFFICER, bank)
    officer, second = people.log_in("officer"), people.log_in("second")
    page = f"/compliance/contracts/{contract.id}"
    assert contract.number in officer.get("/compliance?signed_from=2026-11-22&state=completed&page=1").text
    assert "2026-11-22" in officer.get("/compliance?signed_from=tomorrow").text
    assert contract.number not in officer.get("/compliance?held=yes").text
    assert "柯琳" in officer.get(page).text
    officer.post(f"{page}/hold", page=page, reason="诉讼保全")
    held = officer.get(page).text
    assert "诉讼保全" in held
    assert contract.number in officer.get("/compliance?held=yes").text
    lift = re.search(rf'action="({page}/holds/[0-9a-z]+/lift)"', held)
    assert lift is not None
    officer.post(lift[1], page=page, reason="已经结案")
    inbox = second.get("/operations/decisions").text
    decision = re.search(r'action="(/operations/decisions/[0-9a-z]+/confirm)"', inbox)
    assert decision is not None
    second.post(decision[1], page="/operations/decisions")
    assert contract.number not in officer.get("/compliance?held=yes").text
    assert archive.journal(contract.id)[-2:] == ["contract-held", "contract-released"]
