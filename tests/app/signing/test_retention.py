"""Contracts are kept as long as they must be, no longer, and never deleted while a legal hold stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.identity import decisions
from app.identity.problems import OwnDecision
from app.problems import Conflict, NotFound
from app.proofing.models import FaceCheck
from app.signing import holds, retention
from app.signing.models import Contract, ContractHold, PendingSigning, Revision
from app.wiring import Services
from tests.app.signing.conftest import Archive
from tests.conftest import FakeClock

YEARS = {"*": 15}


def kept(at: datetime, years: int) -> datetime | None:
    return retention.kept_until(Contract(template="x", ended_at=at), {"*": 15, "x": years})


def test_years_count_from_the_end_by_template() -> None:
    end = datetime(2026, 11, 22, 4, tzinfo=UTC)
    assert kept(end, 30) == datetime(2056, 11, 22, 4, tzinfo=UTC)
    assert retention.kept_until(Contract(template="y", ended_at=end), {"*": 15, "x": 30}) == end.replace(year=2041)
    assert kept(datetime(2028, 2, 29, tzinfo=UTC), 15) == datetime(2043, 3, 1, tzinfo=UTC)
    assert retention.kept_until(Contract(template="x", ended_at=None), YEARS) is None


def test_what_is_over_is_deleted_and_the_rest_stays(archive: Archive, services: Services, clock: FakeClock) -> None:
    old = archive.add_contract()
    clock.advance(timedelta(days=365))
    young, (waiting, _) = archive.add_contract(), archive.send()
    with services.reading() as session:
        names = session.scalars(select(Revision.sha256).where(Revision.contract_id == old)).all()
    assert len(names) == 3
    due = retention.kept_until(archive.contract(old), YEARS)
    assert due is not None
    clock.now = due - timedelta(seconds=1)
    assert retention.delete_expired(services) == 0
    clock.now = due
    assert retention.delete_expired(services) == 1
    assert retention.delete_expired(services) == 0
    for name in names:
        with pytest.raises(NotFound):
            services.documents.get(name)
    row = archive.contract(old)
    assert row.deleted_at == row.erased_at == due
    assert row.current_sha256 in names  # who holds a copy can still be told that it was ours
    assert archive.journal(old)[-1] == "contract-deleted"
    for other in (young, waiting):
        assert archive.contract(other).deleted_at is None
        services.documents.get(archive.contract(other).current_sha256)
    with services.reading() as session:
        evidence = session.scalars(select(FaceCheck).where(FaceCheck.subject_id == old)).one()
        assert (evidence.evidence_sealed, evidence.pictures_sha256) == (None, None)
        assert evidence.evidence_root is not None


def test_a_crash_between_marking_and_erasing_is_made_good(
    archive: Archive, services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = archive.add_contract()
    clock.advance(timedelta(days=366 * 15))

    def broken(_: str) -> None:
        raise OSError("the disk is away")

    monkeypatch.setattr(services.documents, "delete", broken)
    with pytest.raises(OSError, match="the disk"):
        retention.delete_expired(services)
    assert archive.contract(old).erased_at is None
    monkeypatch.undo()
    assert retention.delete_expired(services) == 0
    assert archive.contract(old).erased_at is not None
    with pytest.raises(NotFound):
        services.documents.get(archive.contract(old).current_sha256)


def test_a_hold_keeps_a_contract_until_two_officers_lift_it(
    archive: Archive, services: Services, clock: FakeClock
) -> None:
    contract_id = archive.add_contract()
    first, second = archive.add_officer("first"), archive.add_officer("second")
    with services.transaction() as session:
        hold = holds.place_hold(services, session, contract_id=contract_id, reason="诉讼保全", account=first)
        other = holds.place_hold(services, session, contract_id=contract_id, reason="监管调查", account=second)
    clock.advance(timedelta(days=366 * 15))
    assert retention.delete_expired(services) == 0
    with services.reading() as session:
        assert holds.is_held(session, contract_id)
        assert holds.is_person_held(session, archive.person_id)
    for standing in (hold, other):
        with services.transaction() as session:
            decision = holds.propose_lifting(services, session, hold_id=standing.id, reason="已经结案", account=first)
        with services.transaction() as session, pytest.raises(OwnDecision):
            decisions.confirm(services, session, decision.id, first)
        assert retention.delete_expired(services) == 0
        with services.transaction() as session:
            decisions.confirm(services, session, decision.id, second)
    with services.reading() as session:
        lifted = session.get_one(ContractHold, hold.id)
        assert (lifted.lifted_by, lifted.lifting_reason) == (second.id, "已经结案")
        assert not holds.is_person_held(session, archive.person_id)
    with services.transaction() as session, pytest.raises(NotFound):
        holds.propose_lifting(services, session, hold_id=hold.id, reason="再次", account=first)
    assert retention.delete_expired(services) == 1
    with services.transaction() as session, pytest.raises(Conflict):
        holds.place_hold(services, session, contract_id=contract_id, reason="太迟了", account=first)
    events = [kind for kind in archive.journal(contract_id) if kind.startswith(("contract-held", "contract-rel"))]
    assert events == ["contract-held"] * 2 + ["contract-released"] * 2


def test_signatures_in_the_making_are_forgotten(archive: Archive, services: Services, clock: FakeClock) -> None:
    archive.add_contract()
    assert retention.forget_pending_signings(services) == 0
    clock.advance(timedelta(hours=2))
    assert retention.forget_pending_signings(services) == 1
    with services.reading() as session:
        assert session.scalars(select(PendingSigning)).all() == []
