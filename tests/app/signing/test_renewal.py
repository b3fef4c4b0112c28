"""Archive time stamps are extended before they end, once, and a broken contract is not covered up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from app.certificates.status import lookup_in
from app.signing import tasks
from app.signing.models import Revision
from app.signing.renewal import renew_due
from app.wiring import Services
from contracts.archive import RENEWAL_MARGIN
from contracts.report import Level, Verdict
from contracts.validation import validate
from tests.app.signing.conftest import Archive
from tests.conftest import FakeClock


def test_a_contract_is_renewed_once_when_its_time_comes(archive: Archive, services: Services, clock: FakeClock) -> None:
    contract_id = archive.add_contract()
    delivered = archive.contract(contract_id).current_sha256
    assert renew_due(services) == 0  # looked at, and it knows when to look again
    due = archive.contract(contract_id).renew_at
    assert due == tasks.proof_ends_at(services.documents.get(delivered)) - RENEWAL_MARGIN
    clock.now = due - timedelta(seconds=1)
    assert renew_due(services) == 0
    clock.now = due
    assert renew_due(services) == 1
    assert renew_due(services) == 0
    contract = archive.contract(contract_id)
    assert contract.renew_at > due
    renewed = services.documents.get(contract.current_sha256)
    assert renewed.startswith(services.documents.get(delivered))
    with services.reading() as session:
        report = validate(renewed, services.hierarchy.trust, clock.now, revocation=lookup_in(session))
        kinds = session.scalars(select(Revision.kind).where(Revision.sha256 == contract.current_sha256)).all()
    assert (report.verdict, report.signatures[0].level, len(report.signatures)) == (Verdict.VALID, Level.LTA, 4)
    assert kinds == ["renewed"]
    assert archive.journal(contract_id)[-1] == "contract-renewed"


def test_what_is_broken_is_not_covered_up_and_keeps_no_other_waiting(
    archive: Archive, services: Services, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good = archive.add_contract(), archive.add_contract()
    renew_due(services)
    with services.transaction() as session:
        contract = session.get_one(type(archive.contract(broken)), broken)
        pdf = bytearray(services.documents.get(contract.current_sha256))
        pdf[len(pdf) // 3] ^= 1
        contract.current_sha256 = services.documents.put(bytes(pdf))
    clock.now = archive.contract(good).renew_at
    assert renew_due(services) == 1
    assert archive.contract(broken).renew_at == clock.now + timedelta(days=1)
    assert archive.journal(broken)[-1] != "contract-renewed"
    assert archive.journal(good)[-1] == "contract-renewed"
