"""Signing without the face: two officers, a code, and evidence that the signature binds to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.compliance import service as compliance
from app.identity import decisions, persons
from app.identity.models import Account, Decision, Role, Tenant
from app.identity.problems import OwnDecision, PersonForgotten
from app.journal import JournalEntry
from app.problems import NotAllowed
from app.proofing import assistance
from app.proofing.assistance import DocumentKind, Method
from app.proofing.models import FaceCheck
from app.proofing.problems import AssistanceNotOpen
from app.proofing.records import AssistanceRequest, AssistanceState
from app.signing.service import deliver_pending
from app.wiring import Services
from clients.demo.browser import Browser, Refused
from clients.demo.signer import Signer
from contracts.errors import FaceCheckStale
from kyc.evidence import parse_evidence, verify_leaf
from tests.app.identity.people import People
from tests.conftest import FakeClock
from tests.flows.ceremony import Ceremony, register_parties, send_contract

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
NOTES = "视频通话中核对两种证件，本人说明合同内容并确认签署意愿"
CONTACT = "13800138000"


@pytest.fixture
def ceremony(app: Flask, services: Services) -> Ceremony:
    """A contract sent to a representative of whom the bank holds no portrait."""
    _, person_id = register_parties(services)
    return send_contract(app, services, person_id)


@pytest.fixture
def officers(app: Flask, services: Services, ceremony: Ceremony) -> tuple[Account, Account]:
    people = People(app, services)
    with services.reading() as session:
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).one()
    first, second = (people.add_account(name, Role.COMPLIANCE_OFFICER, bank) for name in ("officer1", "officer2"))
    return first, second


@pytest.fixture
def browser(ceremony: Ceremony) -> Iterator[Browser]:
    with ceremony.browser() as opened:
        yield opened


@pytest.fixture
def phone(ceremony: Ceremony, browser: Browser) -> Signer:
    """A phone on which the representative has read and agreed."""
    signer = Signer(browser, ceremony.path)
    ceremony.agree(signer)
    return signer


@pytest.fixture
def asked(ceremony: Ceremony, services: Services, browser: Browser, phone: Signer) -> AssistanceRequest:
    browser.submit(f"{ceremony.path}/assistance", {"contact": CONTACT})
    with services.reading() as session:
        return session.scalars(select(AssistanceRequest)).one()


def propose(services: Services, asked: AssistanceRequest, officer: Account) -> Decision:
    with services.transaction() as session:
        return assistance.propose_identification(
            services,
            session,
            asked.id,
            method=Method.VIDEO_CALL,
            documents=(DocumentKind.IDENTITY_CARD, DocumentKind.BANK_CARD),
            notes=NOTES,
            account=officer,
        )


def confirm(services: Services, decision: Decision, officer: Account) -> None:
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officer)


def hand_out(services: Services, asked: AssistanceRequest, officer: Account) -> str:
    with services.transaction() as session:
        return assistance.hand_out_code(services, session, asked.id, officer)


def establish(services: Services, asked: AssistanceRequest, officers: tuple[Account, Account]) -> str:
    """Both officers did their part; the code."""
    confirm(services, propose(services, asked, officers[0]), officers[1])
    return hand_out(services, asked, officers[0])


def enter(ceremony: Ceremony, browser: Browser, code: str) -> str:
    path = f"{ceremony.path}/assistance"
    return browser.submit(f"{path}/code", {"code": code}, page=path)


def stored(services: Services) -> FaceCheck:
    with services.reading() as session:
        return session.scalars(select(FaceCheck).order_by(FaceCheck.id.desc())).first()  # type: ignore[return-value]


def test_from_request_to_archived_contract_and_evidence(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    phone: Signer,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    enter(ceremony, browser, establish(services, asked, officers))
    assert browser.fetch(f"{ceremony.path}/state")["step"] == "sign"
    assert phone.sign()["step"] == "done"

    check = stored(services)
    assert (check.outcome, check.assurance) == ("assisted", "assisted")
    assert ceremony.party.face_root == check.evidence_root
    deliver_pending(services)
    services.journal.seal()
    with services.reading() as session:
        assert compliance.verify(services, session, ceremony.contract_id).good
        assert compliance.export_evidence(services, session, ceremony.contract_id).startswith(b"PK")


def test_the_evidence_says_who_did_what_and_proves_the_notes(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    enter(ceremony, browser, establish(services, asked, officers))

    check = stored(services)
    with services.reading() as session:
        opened = persons.open_for(
            services, session, check.person_id, check.evidence_sealed or b"", f"evidence:{check.id}"
        )
    evidence = parse_evidence(json.loads(opened))
    texts = {leaf.name: json.loads(leaf.text) for leaf in evidence.leaves if leaf.text}
    assert texts["report"]["assurance"] == "assisted"
    assert (texts["report"]["identified_by"], texts["report"]["confirmed_by"]) == (officers[0].id, officers[1].id)
    assert texts["report"]["documents"] == ["identity-card", "bank-card"]
    assert texts["policy"]["name"] == "assisted"
    assert texts["nonce"]["document_sha256"] == ceremony.party.presented_sha256
    assert texts["nonce"]["consent_sha256"] == ceremony.party.consent_sha256
    verify_leaf(evidence, "notes", NOTES.encode())
    assert parse_evidence(check.evidence_leaves or {}).root == evidence.root


def test_the_journal_tells_the_steps_and_nothing_personal(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    enter(ceremony, browser, establish(services, asked, officers))

    assert [kind for kind in ceremony.journal() if kind.startswith("assistance")] == [
        "assistance-asked",
        "assistance-confirmed",
        "assistance-code-issued",
        "assistance-used",
    ]
    with services.reading() as session:
        text = "".join(session.scalars(select(JournalEntry.leaf)))
    assert NOTES not in text
    assert CONTACT not in text


@on_sqlite
def test_one_officer_is_not_enough(
    services: Services, asked: AssistanceRequest, officers: tuple[Account, Account]
) -> None:
    decision = propose(services, asked, officers[0])
    with pytest.raises(OwnDecision):
        confirm(services, decision, officers[0])
    with pytest.raises(AssistanceNotOpen):
        hand_out(services, asked, officers[0])
    confirm(services, decision, officers[1])
    with pytest.raises(NotAllowed):
        hand_out(services, asked, officers[1])


@on_sqlite
def test_what_a_colleague_rejected_is_done_again(
    services: Services, asked: AssistanceRequest, officers: tuple[Account, Account]
) -> None:
    first = propose(services, asked, officers[0])
    with pytest.raises(AssistanceNotOpen):
        propose(services, asked, officers[1])
    with services.transaction() as session:
        decisions.reject(services, session, first.id, officers[1])

    confirm(services, propose(services, asked, officers[1]), officers[0])
    assert hand_out(services, asked, officers[1])


@on_sqlite
def test_the_fifth_wrong_code_ends_it_and_the_right_one_comes_too_late(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    code = establish(services, asked, officers)
    wrong = f"{(int(code) + 1) % 10**8:08}"
    for _ in range(5):
        with pytest.raises(Refused) as refusal:
            enter(ceremony, browser, wrong)
        assert refusal.value.status == 422
    with pytest.raises(Refused):
        enter(ceremony, browser, code)
    assert browser.fetch(f"{ceremony.path}/state")["step"] == "face"

    enter(ceremony, browser, hand_out(services, asked, officers[0]))
    assert browser.fetch(f"{ceremony.path}/state")["step"] == "sign"


@on_sqlite
def test_a_code_works_once_and_for_ten_minutes(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    phone: Signer,
    clock: FakeClock,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    code = establish(services, asked, officers)
    clock.advance(timedelta(minutes=10))
    with pytest.raises(Refused):
        enter(ceremony, browser, code)

    code = hand_out(services, asked, officers[0])
    enter(ceremony, browser, code)
    with pytest.raises(Refused):
        enter(ceremony, browser, code)
    clock.advance(timedelta(seconds=121))
    with pytest.raises(Refused) as stale:
        phone.sign()
    assert stale.value.code == FaceCheckStale.code


@on_sqlite
def test_another_phone_cannot_use_the_code(
    ceremony: Ceremony, services: Services, asked: AssistanceRequest, officers: tuple[Account, Account]
) -> None:
    code = establish(services, asked, officers)
    with ceremony.browser() as other:
        phone = Signer(other, ceremony.path)
        ceremony.agree(phone)
        with pytest.raises(Refused):
            enter(ceremony, other, code)


@on_sqlite
def test_asking_comes_after_reading_and_consent(ceremony: Ceremony, services: Services, browser: Browser) -> None:
    phone = Signer(browser, ceremony.path)
    phone.identify(ceremony.last6)
    with pytest.raises(Refused) as refusal:
        browser.submit(f"{ceremony.path}/assistance", {"contact": CONTACT})
    assert refusal.value.status == 409


@on_sqlite
def test_the_request_ends_with_the_session(
    services: Services, clock: FakeClock, asked: AssistanceRequest, officers: tuple[Account, Account]
) -> None:
    clock.advance(timedelta(hours=2))
    with pytest.raises(AssistanceNotOpen):
        propose(services, asked, officers[0])
    with services.reading() as session:
        assert assistance.list_open(services, session) == []


@on_sqlite
def test_the_signer_withdraws_the_consent(
    ceremony: Ceremony, services: Services, browser: Browser, phone: Signer
) -> None:
    page = f"{ceremony.path}/privacy"
    with pytest.raises(Refused):
        browser.submit(page, {})
    with ceremony.browser() as stranger, pytest.raises(Refused):
        stranger.submit(page, {"agree": "yes"}, page=f"{ceremony.path}/assistance")
    assert services.person_keys.get(ceremony.person_id)

    assert "密钥已销毁" in browser.submit(page, {"agree": "yes"})
    with pytest.raises(PersonForgotten):
        services.person_keys.get(ceremony.person_id)
    with pytest.raises(Refused) as refusal:
        phone.face_challenge()
    assert refusal.value.status == 404


@on_sqlite
def test_officers_may_refuse(
    ceremony: Ceremony,
    services: Services,
    browser: Browser,
    asked: AssistanceRequest,
    officers: tuple[Account, Account],
) -> None:
    with services.transaction() as session:
        assistance.refuse(services, session, asked.id, reason="证件与本人不符", account=officers[0])

    assert "营业网点" in browser.get(f"{ceremony.path}/assistance")
    with pytest.raises(Refused):
        browser.submit(f"{ceremony.path}/assistance", {"contact": CONTACT})
    with services.reading() as session:
        assert session.get_one(AssistanceRequest, asked.id).state == AssistanceState.REFUSED
