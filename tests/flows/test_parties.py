"""Several parties: in order and in parallel, with nothing lost when two sign at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.proofing.models import FaceCheck
from app.signing import service
from app.signing.models import PendingSigning, Revision, Signature
from app.signing.service import deliver_pending
from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut, grace_hopper, jpeg
from clients.demo.signer import Signer
from contracts.ceremony import CeremonyState, PartyState, SigningOrder
from contracts.errors import IllegalTransition
from contracts.report import Verdict
from contracts.validation import validate
from tests.conftest import FakeClock
from tests.flows.ceremony import (
    Ceremony,
    give_portrait,
    register_parties,
    register_platform,
    send_three_party_contract,
)
from tests.flows.outcomes import at_once, new_key, on_sqlite, refusal


class Parties:
    """One contract of an enterprise and a platform, each with its phone."""

    def __init__(self, views: tuple[Ceremony, Ceremony], puppets: tuple[Puppet, Puppet], stack: ExitStack) -> None:
        self.enterprise, self.platform = views
        self.puppets = puppets
        self._stack = stack

    @cached_property
    def phones(self) -> tuple[Signer, Signer]:
        """Both with their links open."""
        return self.open_phone(self.enterprise), self.open_phone(self.platform)

    def open_phone(self, view: Ceremony) -> Signer:
        return self._stack.enter_context(view.phone())

    def come_to_sign(self) -> None:
        """Both have read the same revision, agreed and shown their face."""
        for view, phone, puppet in zip((self.enterprise, self.platform), self.phones, self.puppets, strict=True):
            view.agree(phone)
            assert phone.show_face(puppet)["step"] == "sign"


@pytest.fixture
def persons(services: Services) -> tuple[str, str]:
    """The enterprise's and the platform's representative, both with a portrait."""
    _, first = register_parties(services)
    second = register_platform(services)
    give_portrait(services, first, jpeg(astronaut()))
    give_portrait(services, second, jpeg(grace_hopper()))
    return first, second


@pytest.fixture
def open_parties(
    app: Flask, services: Services, persons: tuple[str, str], representative: Puppet, stranger: Puppet
) -> Iterator[object]:
    with ExitStack() as stack:

        def sent(order: SigningOrder) -> Parties:
            views = send_three_party_contract(app, services, *persons, order)
            return Parties(views, (representative, stranger), stack)

        yield sent


def good_report(services: Services, ceremony: Ceremony, signatures: int) -> None:
    report = validate(ceremony.stored_document(), services.hierarchy.trust, services.clock(), revocation=lambda _: None)
    assert report.explanation == ""
    assert (report.verdict, report.covers_entire_file, len(report.signatures)) == (Verdict.VALID, True, signatures)


def test_two_who_sign_at_once_both_sign(open_parties, services: Services, tmp_path: Path) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    parties.come_to_sign()
    prepared = parties.enterprise.contract.prepared_sha256
    keys = [new_key(), new_key()]
    begun = [phone.begin(key) for phone, key in zip(parties.phones, keys, strict=True)]
    outcomes = at_once(
        *(
            lambda phone=phone, half=half, key=key: phone.finish(*half, key)
            for phone, half, key in zip(parties.phones, begun, keys, strict=True)
        )
    )
    assert outcomes == ["done", "done"]
    assert parties.enterprise.contract.state == CeremonyState.COMPLETED
    parties_signed = [view.party for view in (parties.enterprise, parties.platform)]
    # Both read the same revision, and the evidence says so, although one signature was put upon the other.
    assert {party.presented_sha256 for party in parties_signed} == {prepared}
    assert {party.signed_upon_sha256 for party in parties_signed} != {prepared}
    assert deliver_pending(services) == 1
    file = tmp_path / "contract.pdf"
    file.write_bytes(parties.enterprise.stored_document())
    printed = subprocess.run(["pdfsig", "-nocert", file], capture_output=True, text=True, check=True).stdout
    assert printed.count("Signature Validation: Signature is Valid.") >= 3
    assert "Signature is Invalid" not in printed
    with services.reading() as session:
        signatures = session.scalars(select(Signature)).all()
        kinds = session.scalars(select(Revision.kind).order_by(Revision.stored_at, Revision.kind)).all()
    assert sorted(signature.party_id for signature in signatures) == ["enterprise", "platform"]
    assert sorted(kinds) == ["prepared", "sealed", "signed", "signed"]


@on_sqlite
def test_a_signature_that_was_overtaken_is_made_again_with_the_same_key_and_certificate(
    open_parties, services: Services
) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    parties.come_to_sign()
    phone, key = parties.phones[0], new_key()
    signature_id, attributes = phone.begin(key)
    assert parties.phones[1].sign()["step"] == "done"
    assert phone.finish(signature_id, attributes, key)["step"] == "done"  # in two rounds
    with services.reading() as session:
        made = session.scalars(select(PendingSigning.x5t_s256).where(PendingSigning.x5t_s256.is_not(None))).all()
        signature = session.scalars(select(Signature).where(Signature.party_id == "enterprise")).one()
        check = session.get_one(FaceCheck, signature.face_check_id)
    assert sorted(made).count(signature.x5t_s256) == 2
    assert check.evidence_root == parties.enterprise.party.face_root
    deliver_pending(services)
    good_report(services, parties.enterprise, 4)


@on_sqlite
def test_what_is_read_stays_although_another_party_signs_meanwhile(open_parties) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    first, second = parties.phones
    state = first.identify(parties.enterprise.last6)
    parties.platform.agree(second)
    second.show_face(parties.puppets[1])
    assert second.sign()["step"] == "done"
    assert first.document() == parties.enterprise.services.documents.get(parties.enterprise.contract.prepared_sha256)
    first.consent(first.read(state))
    first.show_face(parties.puppets[0])
    assert first.sign()["step"] == "done"
    assert parties.enterprise.party.presented_sha256 == parties.enterprise.contract.prepared_sha256
    assert parties.enterprise.contract.state == CeremonyState.COMPLETED


@on_sqlite
def test_in_order_the_second_waits_for_the_first_and_reads_its_signature(open_parties, services: Services) -> None:
    parties = open_parties(SigningOrder.IN_ORDER)
    first = parties.open_phone(parties.enterprise)
    with parties.platform.browser() as early:
        assert refusal(lambda: early.get(parties.platform.path))[0] == 409
        early.get("/verify")  # has the CSRF token that the closed page has not
        attempt = {"identity_last6": parties.platform.last6}
        assert refusal(lambda: early.call(f"{parties.platform.path}/identify", attempt)) == (409, "not-your-turn")
    parties.enterprise.agree(first)
    first.show_face(parties.puppets[0])
    assert first.sign()["step"] == "done"
    assert parties.enterprise.contract.state == CeremonyState.SENT
    assert deliver_pending(services) == 0
    after_first = parties.enterprise.contract.current_sha256
    second = parties.open_phone(parties.platform)
    parties.platform.agree(second)
    second.show_face(parties.puppets[1])
    assert second.sign()["step"] == "done"
    assert parties.platform.party.presented_sha256 == after_first
    deliver_pending(services)
    good_report(services, parties.platform, 4)


@on_sqlite
def test_whoever_declines_ends_it_for_all(open_parties) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    parties.come_to_sign()
    key = new_key()
    begun = parties.phones[0].begin(key)
    parties.phones[1].call("decline", {"reason": "条款需要修改"})
    assert refusal(lambda: parties.phones[0].finish(*begun, key)) == (409, "illegal-transition")
    assert parties.enterprise.contract.state == CeremonyState.DECLINED


@on_sqlite
def test_the_sender_withdraws_and_every_link_is_closed(open_parties, services: Services) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    phones = parties.phones
    with services.transaction() as session:
        service.void(services, session, contract_id=parties.enterprise.contract_id, reason="条款有误", actor="test")
    for view, phone in zip((parties.enterprise, parties.platform), phones, strict=True):
        assert refusal(lambda view=view, phone=phone: phone.identify(view.last6)) == (410, "invitation-closed")
    with services.transaction() as session, pytest.raises(IllegalTransition):
        service.void(services, session, contract_id=parties.enterprise.contract_id, reason="再次", actor="test")
    assert parties.enterprise.journal()[-1] == "contract-voided"


@on_sqlite
def test_a_link_sent_anew_replaces_the_former(open_parties, services: Services, clock: FakeClock) -> None:
    parties = open_parties(SigningOrder.PARALLEL)
    view, phone = parties.enterprise, parties.phones[0]
    view.agree(phone)
    with services.transaction() as session:
        view.link = service.resend(services, session, contract_id=view.contract_id, party_id="enterprise", actor="test")
    assert refusal(lambda: phone.call("key/challenge")) == (410, "invitation-replaced")
    assert refusal(lambda: phone.identify(view.last6)) == (410, "invitation-replaced")
    view.sign(parties.puppets[0])
    assert view.party.state is PartyState.SIGNED
    with services.transaction() as session, pytest.raises(IllegalTransition):
        service.resend(services, session, contract_id=view.contract_id, party_id="enterprise", actor="test")
