"""A portrait from a document counts after somebody else's review, at low assurance, and the photograph is destroyed."""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from flask import Flask
from sqlalchemy import select

from app.certificates.models import CertificateRecord
from app.identity import persons
from app.identity.models import Account, Person, Role, Tenant, TenantKind
from app.identity.problems import PersonForgotten
from app.journal import JournalEntry
from app.problems import NotFound
from app.proofing import portraits
from app.proofing.models import FaceCheck
from app.proofing.problems import OwnUpload, ReviewClosed
from app.proofing.records import OfficerAct, PortraitReview, ReviewState
from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut
from kyc.errors import DocumentFaceMissing, UnsupportedImage
from kyc.evidence import parse_evidence
from kyc.ports import Assurance
from pki.binding import PortraitAssurance, find_portrait_assurance
from tests.app.identity.people import People
from tests.app.proofing.documents import document
from tests.flows.ceremony import register_parties, send_contract


@pytest.fixture
def uploader(people: People) -> Account:
    return people.accounts["operator"]


@pytest.fixture
def officer(people: People) -> Account:
    return people.accounts["compliance-officer"]


@pytest.fixture
def review(services: Services, person_id: str, uploader: Account) -> PortraitReview:
    return portraits.submit_document(services, person_id, document(), actor=uploader.id)


def state_of(services: Services, review: PortraitReview) -> PortraitReview:
    with services.reading() as session:
        return session.get_one(PortraitReview, review.id)


def test_nothing_is_compared_with_before_the_review(services: Services, person_id: str, review: PortraitReview) -> None:
    with services.reading() as session:
        assert not persons.get_person_facts(services, session, person_id).has_portrait
        [(waiting, person, _)] = portraits.list_waiting(services, session)
    assert (waiting.id, person.person_id) == (review.id, person_id)


def test_an_officer_sees_both_pictures(services: Services, officer: Account, review: PortraitReview) -> None:
    with services.transaction() as session:
        opened = portraits.open_review(services, session, review.id, actor=officer.id)

    assert opened.document.startswith(b"\xff\xd8")
    assert opened.portrait.startswith(b"\xff\xd8")
    assert len(opened.portrait) < len(opened.document)
    with services.reading() as session:
        assert session.scalars(select(JournalEntry).where(JournalEntry.kind == "document-opened")).one()


def test_accepted_it_is_compared_with_at_low_assurance(
    services: Services, person_id: str, uploader: Account, officer: Account, review: PortraitReview
) -> None:
    with services.transaction() as session:
        portraits.accept_portrait(services, session, review.id, reason="与证件一致", account=officer)

    with services.reading() as session:
        assert persons.get_portrait(services, session, person_id).assurance is Assurance.LOW
        assert session.get_one(Person, person_id).portrait_set_by == uploader.id
        assert session.scalars(select(OfficerAct.reason)).one() == "与证件一致"
    assert state_of(services, review).state == ReviewState.ACCEPTED


@pytest.mark.parametrize("decide", [portraits.accept_portrait, portraits.refuse_portrait])
def test_the_photograph_does_not_outlive_the_review(
    services: Services, officer: Account, review: PortraitReview, decide: object
) -> None:
    with services.transaction() as session:
        decide(services, session, review.id, reason="已核对", account=officer)  # type: ignore[operator]

    closed = state_of(services, review)
    assert (closed.document_sealed, closed.portrait_sealed) == (None, None)
    with pytest.raises(PersonForgotten):  # its key is gone, so no backup of the row can be opened either
        services.person_keys.get(review.id)
    with pytest.raises(ReviewClosed), services.transaction() as session:
        decide(services, session, review.id, reason="再次", account=officer)  # type: ignore[operator]


def test_refused_it_is_not_used(services: Services, person_id: str, officer: Account, review: PortraitReview) -> None:
    with services.transaction() as session:
        portraits.refuse_portrait(services, session, review.id, reason="疑似伪造", account=officer)

    with services.reading() as session, pytest.raises(NotFound):
        persons.get_portrait(services, session, person_id)


def test_whoever_uploaded_does_not_review(services: Services, uploader: Account, review: PortraitReview) -> None:
    with pytest.raises(OwnUpload), services.transaction() as session:
        portraits.accept_portrait(services, session, review.id, reason="自己看过", account=uploader)
    assert state_of(services, review).state == ReviewState.WAITING


def test_another_upload_takes_the_place_of_one_that_waits(
    services: Services, person_id: str, uploader: Account, officer: Account, review: PortraitReview
) -> None:
    second = portraits.submit_document(services, person_id, document(), actor=uploader.id)

    assert state_of(services, review).state == ReviewState.REPLACED
    with services.reading() as session:
        assert [waiting.id for waiting, *_ in portraits.list_waiting(services, session)] == [second.id]
    with pytest.raises(ReviewClosed), services.transaction() as session:
        portraits.accept_portrait(services, session, review.id, reason="旧的", account=officer)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_whoever_signs_with_it_is_marked_so(app: Flask, services: Services) -> None:
    _, person_id = register_parties(services)
    review = portraits.submit_document(services, person_id, document(), actor="an operator")
    officer = People(app, services).add_account("officer", Role.COMPLIANCE_OFFICER, _bank(services))
    with services.transaction() as session:
        portraits.accept_portrait(services, session, review.id, reason="与证件一致", account=officer)
    ceremony = send_contract(app, services, person_id)
    ceremony.sign(Puppet(astronaut()))

    with services.reading() as session:
        [check] = session.scalars(select(FaceCheck).where(FaceCheck.outcome == "passed")).all()
        [record] = session.scalars(select(CertificateRecord).where(CertificateRecord.profile == "signer")).all()
        sealed = persons.open_for(services, session, person_id, check.evidence_sealed or b"", f"evidence:{check.id}")
    report = json.loads(parse_evidence(json.loads(sealed)).leaf("report").text or "")
    assert (check.assurance, report["portrait_assurance"]) == ("low", "low")
    assert find_portrait_assurance(x509.load_der_x509_certificate(record.der)) is PortraitAssurance.LOW


def _bank(services: Services) -> Tenant:
    with services.reading() as session:
        return session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).one()


def test_what_is_no_document_leaves_nothing_behind(services: Services, person_id: str, uploader: Account) -> None:
    with pytest.raises(DocumentFaceMissing):
        portraits.submit_document(services, person_id, document(face=False), actor=uploader.id)
    with pytest.raises(UnsupportedImage):
        portraits.submit_document(services, person_id, b"GIF89a", actor=uploader.id)

    with services.reading() as session:
        assert session.scalars(select(PortraitReview)).all() == []
