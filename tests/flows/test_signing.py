"""The signing ceremony as the representative's phone sees it, and what is stored and proven of it afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from sqlalchemy import func, select

from app.certificates.models import CertificateRecord
from app.certificates.status import lookup_in
from app.problems import NotFound
from app.proofing.models import FaceCheck
from app.proofing.wording import face_wording
from app.signing.models import Contract, Invitation, PendingSigning, Signature
from app.signing.problems import InvitationClosed, OwnPortrait
from app.signing.service import (
    DELIVERY_RETRY,
    ENTERPRISE,
    LOCK,
    deliver_pending,
    expire_overdue,
    resend,
)
from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut, jpeg
from clients.demo.signer import Signer
from contracts.ceremony import FACE_CHECK_LIFETIME, CeremonyState, PartyState
from contracts.report import SignatureKind, Verdict
from contracts.validation import validate
from pki.binding import get_signature_binding
from tests.conftest import FakeClock
from tests.flows.ceremony import LAST6, Ceremony, give_portrait, register_parties, send_contract
from tests.flows.outcomes import at_once, new_key, on_postgresql, on_sqlite, refusal

WRONG_LAST6 = "000000"
FACE_CONSENT = {"face_wording_sha256": face_wording().sha256.hex(), "decision": "agree"}


def agreed(ceremony: Ceremony, phone: Signer, puppet: Puppet) -> None:
    """Everything up to the face check, which passes; the key is next."""
    ceremony.agree(phone)
    assert phone.show_face(puppet)["step"] == "sign"


# --- the whole way --------------------------------------------------------------------------------------------------


def test_a_contract_is_read_agreed_to_signed_and_delivered(
    ceremony: Ceremony, services: Services, representative: Puppet, stranger: Puppet, tmp_path: Path
) -> None:
    prepared = ceremony.stored_document()
    with ceremony.phone() as phone:
        assert phone.identify(LAST6)["step"] == "read"
        state = phone.read(phone.call("identify", {"identity_last6": LAST6}))
        assert state["step"] == "consent"
        assert phone.consent(state)["step"] == "face"
        assert refusal(lambda: phone.show_face(stranger)) == (422, "face-mismatch")
        assert phone.show_face(representative)["step"] == "sign"
        assert phone.sign()["step"] == "done"
        signed = phone.signed_document()
    assert signed.startswith(prepared)
    assert signed == ceremony.stored_document()
    assert ceremony.contract.state == CeremonyState.COMPLETED

    assert deliver_pending(services) == 1
    assert deliver_pending(services) == 0
    delivered = ceremony.stored_document()
    assert delivered.startswith(signed)
    with services.reading() as session:
        report = validate(delivered, services.hierarchy.trust, services.clock(), revocation=lookup_in(session))
        signature = session.scalars(select(Signature)).one()
        certificate = x509.load_der_x509_certificate(session.get_one(CertificateRecord, signature.x5t_s256).der)
    assert (report.verdict, report.covers_entire_file) == (Verdict.VALID, True)
    kinds = [entry.kind for entry in report.signatures]
    assert kinds == [SignatureKind.SIGNATURE, SignatureKind.SIGNATURE, SignatureKind.DOCUMENT_TIMESTAMP]

    # What was bound is what was recorded: in the signature, in its certificate and in the ceremony.
    party, binding = ceremony.party, report.signatures[0].binding
    assert binding is not None
    assert binding == get_signature_binding(certificate)
    recorded = (party.face_root, party.consent_sha256, party.presented_sha256)
    assert (binding.face_evidence_root.hex(), binding.consent_sha256.hex(), binding.document_sha256.hex()) == recorded
    assert party.presented_sha256 == ceremony.contract.prepared_sha256

    file = tmp_path / "contract.pdf"
    file.write_bytes(delivered)
    printed = subprocess.run(["pdfsig", "-nocert", file], capture_output=True, text=True, check=True).stdout
    assert printed.count("Signature Validation: Signature is Valid.") >= 2
    assert "Signature is Invalid" not in printed

    assert ceremony.journal() == [
        "contract-created",
        "contract-sent",
        "party-identified",
        "party-identified",
        "contract-presented",
        "consent-given",
        "face-consent-given",
        "face-check-refused",
        "face-consent-given",
        "face-check-passed",
        "contract-signed",
        "contract-completed",
    ]


@on_sqlite
def test_each_step_before_its_time_is_refused_and_changes_nothing(ceremony: Ceremony, representative: Puppet) -> None:
    sha256 = ceremony.contract.current_sha256
    spki = new_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with ceremony.phone() as phone:
        state = phone.identify(LAST6)
        wording = state["consent"]["sha256"]

    def attempts(phone: Signer) -> dict[str, Callable[[], object]]:
        agreement = {"consent_sha256": wording, "document_sha256": sha256, "agree": True}
        meta = {"nonce": "A" * 43, "chain": "0" * 64, "frames": [{"action": 0, "at_ms": 0}]}
        file = [("frame", ("0.jpg", b"", "image/jpeg"))]
        key = {"spki": b64(spki), "proof": b64(bytes(64))}
        value = {"signature_id": "0" * 26, "signature": b64(bytes(64))}
        return {
            "read": lambda: phone.call("read", {"document_sha256": sha256}),
            "consent": lambda: phone.call("consent", agreement),
            "face/challenge": lambda: phone.call("face/challenge", FACE_CONSENT),
            "face": lambda: phone.call("face", data={"meta": json.dumps(meta)}, files=file),
            "key/challenge": lambda: phone.call("key/challenge"),
            "key": lambda: phone.call("key", key),
            "signature": lambda: phone.call("signature", value),
        }

    def refused_now(phone: Signer, *steps: str) -> None:
        before = ceremony.contract.ceremony
        for step in steps:
            status, code = refusal(attempts(phone)[step])
            assert status == (410 if code == "invitation-closed" else 409), (step, code)
            assert ceremony.contract.ceremony == before, step

    with ceremony.phone() as phone:
        for step, attempt in attempts(phone).items():
            assert refusal(attempt) == (403, "no-signing-session"), step
        state = phone.identify(LAST6)
        refused_now(phone, "consent", "face/challenge", "face", "key/challenge", "key", "signature")
        phone.read(state)
        refused_now(phone, "face/challenge", "face", "key/challenge", "key", "signature")
        phone.consent(phone.call("read", {"document_sha256": sha256}))
        refused_now(phone, "read", "consent", "face", "key/challenge", "key", "signature")
        phone.show_face(representative)
        refused_now(phone, "read", "consent", "face", "key", "signature")
        assert phone.sign()["step"] == "done"
        refused_now(phone, "read", "consent", "face/challenge", "face", "key/challenge", "key", "signature")


@on_sqlite
def test_what_is_agreed_to_is_what_was_shown(ceremony: Ceremony) -> None:
    with ceremony.phone() as phone:
        state = phone.identify(LAST6)
        assert refusal(lambda: phone.call("read", {"document_sha256": "0" * 64})) == (409, "other-document")
        phone.read(state)
        other = {**state, "consent": {**state["consent"], "sha256": "0" * 64}}
        assert refusal(lambda: phone.consent(other)) == (409, "other-document")
        other = {**state, "contract": {**state["contract"], "document_sha256": "0" * 64}}
        assert refusal(lambda: phone.consent(other)) == (409, "other-document")
        assert ceremony.party.state is PartyState.PRESENTED


# --- identification -------------------------------------------------------------------------------------------------


@on_sqlite
def test_five_failures_lock_for_a_quarter_of_an_hour(ceremony: Ceremony, clock: FakeClock) -> None:
    with ceremony.phone() as phone:
        for _ in range(5):
            assert refusal(lambda: phone.identify(WRONG_LAST6)) == (403, "identity-not-confirmed")
        assert refusal(lambda: phone.identify(LAST6)) == (429, "signing-locked")
        clock.advance(LOCK - timedelta(seconds=1))
        assert refusal(lambda: phone.identify(LAST6)) == (429, "signing-locked")
        clock.advance(timedelta(seconds=2))
        assert phone.identify(LAST6)["step"] == "read"
    assert ceremony.journal().count("identification-refused") == 5


@on_sqlite
def test_the_fifth_attempt_may_be_the_right_one(ceremony: Ceremony, services: Services) -> None:
    with ceremony.phone() as phone:
        for _ in range(4):
            refusal(lambda: phone.identify(WRONG_LAST6))
        assert phone.identify(LAST6)["step"] == "read"
        with services.reading() as session:
            invitation = session.scalars(select(Invitation)).one()
            assert (invitation.failed_attempts, invitation.locked_until) == (0, None)


def test_guesses_at_once_get_no_more_than_five_tries(ceremony: Ceremony) -> None:
    with ceremony.phone() as phone:
        outcomes = at_once(*[lambda: phone.identify(WRONG_LAST6)] * 12)
    assert outcomes.count("identity-not-confirmed") == 5
    assert outcomes.count("signing-locked") == 7


@on_sqlite
def test_before_identification_the_link_shows_neither_document_nor_name(ceremony: Ceremony) -> None:
    with ceremony.browser() as browser:
        told = browser.download(f"{ceremony.path}/state").decode()
        assert json.loads(told)["signer"] == {"name_masked": "柯*"}
        assert "document_sha256" in told
        for path in ("document.pdf", "pages/1.png"):
            assert refusal(lambda path=path: browser.download(f"{ceremony.path}/{path}"))[0] == 403


# --- the face check -------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_face_challenge_is_answered_once_in_its_time_and_on_its_own_phone(
    ceremony: Ceremony, clock: FakeClock, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        ceremony.agree(phone)
        challenge = phone.face_challenge()
        phone.answer_face(challenge, representative)
        assert refusal(lambda: phone.answer_face(challenge, representative)) == (409, "challenge-spent")
        late = phone.face_challenge()
        clock.advance(timedelta(minutes=10))
        assert refusal(lambda: phone.answer_face(late, representative)) == (409, "challenge-spent")
        mine = phone.face_challenge()
    with ceremony.phone() as other:
        ceremony.agree(other)
        assert refusal(lambda: other.answer_face(mine, representative)) == (409, "challenge-spent")


@on_sqlite
def test_five_faces_lock_and_leave_no_pass(ceremony: Ceremony, services: Services, stranger: Puppet) -> None:
    with ceremony.phone() as phone:
        ceremony.agree(phone)
        codes = [refusal(lambda: answer_in_disorder(phone))[1] for _ in range(4)]
        codes += [refusal(lambda: phone.show_face(stranger))[1] for _ in range(2)]
    assert codes == ["frame-chain-broken"] * 4 + ["face-mismatch", "face-check-locked"]
    assert ceremony.party.state is PartyState.CONSENTED
    with services.reading() as session:
        assert set(session.scalars(select(FaceCheck.outcome))) == {"frame-chain-broken", "face-mismatch"}
        assert session.scalar(select(func.count()).where(FaceCheck.evidence_root.is_not(None))) == 0


def answer_in_disorder(phone: Signer) -> None:
    """A single frame whose hash chain is not that of the challenge."""
    nonce = phone.face_challenge()["nonce"]
    meta = {"nonce": nonce, "chain": "0" * 64, "frames": [{"action": 0, "at_ms": 0}]}
    phone.call("face", data={"meta": json.dumps(meta)}, files=[("frame", ("0.jpg", b"0", "image/jpeg"))])


@on_sqlite
def test_the_signature_follows_the_face_check_within_two_minutes(
    ceremony: Ceremony, clock: FakeClock, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        begun = phone.begin(key)
        clock.advance(FACE_CHECK_LIFETIME + timedelta(seconds=1))
        assert refusal(lambda: phone.finish(*begun, key))[0] == 409
        assert refusal(lambda: phone.call("key/challenge")) == (409, "face-check-stale")
        assert phone.show_face(representative)["step"] == "sign"
        assert phone.sign()["step"] == "done"


@on_sqlite
def test_a_face_check_passed_anew_ends_the_signature_begun_under_the_former(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        begun = phone.begin(key)
        phone.show_face(representative)
        assert refusal(lambda: phone.finish(*begun, key)) == (409, "challenge-spent")
        assert ceremony.party.state is PartyState.FACE_CHECKED
        assert phone.sign()["step"] == "done"
    with services.reading() as session:
        signature = session.scalars(select(Signature)).one()
        certificate = x509.load_der_x509_certificate(session.get_one(CertificateRecord, signature.x5t_s256).der)
        check = session.get_one(FaceCheck, signature.face_check_id)
    assert get_signature_binding(certificate).face_evidence_root.hex() == ceremony.party.face_root
    assert check.evidence_root == ceremony.party.face_root


@on_sqlite
def test_without_a_portrait_there_is_nothing_to_compare_with(ceremony: Ceremony, services: Services) -> None:
    with services.transaction() as session:
        session.scalars(select(Invitation)).one().person.portrait_sealed = None
    with ceremony.phone() as phone:
        ceremony.agree(phone)
        assert refusal(phone.face_challenge) == (409, "no-portrait")


# --- key and signature ----------------------------------------------------------------------------------------------


@on_sqlite
def test_a_key_is_certified_only_with_its_own_proof_and_only_once(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        assert refusal(lambda: phone.begin(key, proving_key=new_key())) == (403, "no-proof-of-possession")
        for weak in (ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1())):
            assert refusal(lambda weak=weak: phone.begin(weak, proving_key=key))[0] in {403, 422}
        with services.reading() as session:
            assert session.scalar(select(func.count()).where(CertificateRecord.profile == "signer")) == 0
        phone.begin(key)
        assert refusal(lambda: phone.begin(key)) == (409, "key-reused")
        assert phone.sign()["step"] == "done"


@on_sqlite
def test_a_signature_by_another_key_is_refused_and_the_ceremony_goes_on(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        begun = phone.begin(key)
        assert refusal(lambda: phone.finish(*begun, new_key())) == (422, "invalid-signature")
        assert ceremony.contract.current_sha256 == ceremony.contract.prepared_sha256
        assert refusal(lambda: phone.finish(*begun, key)) == (409, "challenge-spent")
        assert phone.sign()["step"] == "done"
    assert count_signatures(services) == 1


def test_one_signature_id_makes_one_signature(ceremony: Ceremony, services: Services, representative: Puppet) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        begun = phone.begin(key)
        outcomes = at_once(*[lambda: phone.finish(*begun, key)] * 4)
    assert sorted(outcomes) == ["challenge-spent"] * 3 + ["done"]
    assert count_signatures(services) == 1
    assert ceremony.journal().count("contract-signed") == 1


@on_postgresql
def test_two_signatures_begun_on_one_phone_make_one(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        keys = [new_key(), new_key()]
        first, second = (phone.begin(key) for key in keys)
        outcomes = at_once(lambda: phone.finish(*first, keys[0]), lambda: phone.finish(*second, keys[1]))
    assert outcomes.count("done") == 1
    assert count_signatures(services) == 1
    deliver_pending(services)
    report = validate(ceremony.stored_document(), services.hierarchy.trust, services.clock())
    assert report.verdict is Verdict.VALID


# --- two at once ----------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_second_phone_takes_over_and_the_first_cannot_continue(ceremony: Ceremony, representative: Puppet) -> None:
    with ceremony.phone() as first, ceremony.phone() as second:
        agreed(ceremony, first, representative)
        assert second.identify(LAST6)["step"] == "read"
        assert refusal(lambda: first.call("key/challenge"))[0] == 409
        assert refusal(lambda: first.call("face/challenge", FACE_CONSENT)) == (409, "illegal-transition")
        assert refusal(lambda: first.call("read", {"document_sha256": ceremony.contract.current_sha256}))[0] == 409
        agreed(ceremony, second, representative)
        assert second.sign()["step"] == "done"


@on_sqlite
def test_a_session_is_good_for_its_own_invitation_only(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    other = send_contract(ceremony.app, services, ceremony.person_id)
    with ceremony.browser() as browser:
        agreed(ceremony, Signer(browser, ceremony.path), representative)
        elsewhere = Signer(browser, other.path)
        assert refusal(lambda: elsewhere.call("key/challenge")) == (403, "no-signing-session")
        assert refusal(lambda: elsewhere.call("decline", {"reason": "不签"})) == (403, "no-signing-session")


def test_phones_that_identify_at_once_leave_one_session_that_goes_on(ceremony: Ceremony) -> None:
    with ceremony.phone() as first, ceremony.phone() as second:
        outcomes = at_once(*(lambda phone=phone: phone.identify(LAST6) for phone in (first, second)))
        assert outcomes == ["done", "done"]
        message = {"document_sha256": ceremony.contract.current_sha256}
        outcomes = at_once(*(lambda phone=phone: phone.call("read", message) for phone in (first, second)))
    assert sorted(outcomes) == ["done", "illegal-transition"]
    assert ceremony.party.state is PartyState.PRESENTED


@on_postgresql
def test_signing_and_declining_at_once_end_in_one_of_the_two(
    ceremony: Ceremony, services: Services, representative: Puppet
) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        key = new_key()
        begun = phone.begin(key)
        outcomes = at_once(lambda: phone.finish(*begun, key), lambda: phone.call("decline", {"reason": "不签"}))
    assert outcomes.count("done") == 1
    signed = outcomes[0] == "done"
    assert ceremony.contract.state == (CeremonyState.COMPLETED if signed else CeremonyState.DECLINED)
    assert count_signatures(services) == int(signed)
    assert (ceremony.contract.current_sha256 != ceremony.contract.prepared_sha256) == signed


@on_postgresql
def test_a_step_sees_what_was_committed_since_it_looked(ceremony: Ceremony, services: Services) -> None:
    with ceremony.phone() as phone:
        phone.identify(LAST6)
        with services.transaction() as session:
            seen = session.scalars(select(Contract)).one()
            assert seen.state == CeremonyState.SENT
            phone.call("decline", {"reason": "不签"})
            with pytest.raises(InvitationClosed):
                resend(services, session, contract_id=seen.id, party_id=ENTERPRISE, actor="test")
    assert ceremony.contract.state == CeremonyState.DECLINED


@on_postgresql
def test_two_workers_deliver_a_contract_once(ceremony: Ceremony, services: Services, representative: Puppet) -> None:
    ceremony.sign(representative)
    assert at_once(*[lambda: deliver_pending(services)] * 2) == ["done", "done"]
    assert ceremony.journal().count("contract-completed") == 1
    report = validate(ceremony.stored_document(), services.hierarchy.trust, services.clock())
    assert (report.verdict, len(report.signatures)) == (Verdict.VALID, 3)


def test_a_contract_that_cannot_be_delivered_keeps_no_other_waiting(
    ceremony: Ceremony, services: Services, clock: FakeClock, representative: Puppet
) -> None:
    ceremony.sign(representative)
    with services.transaction() as session:
        good = session.get_one(Contract, ceremony.contract_id)
        columns = {column.key: getattr(good, column.key) for column in Contract.__table__.columns}
        bad = Contract(**columns | {"id": "0" * 26, "number": "YL-BAD", "current_sha256": "0" * 64})
        session.add(bad)
    deliver_pending(services)
    assert ceremony.journal().count("contract-completed") == 1
    assert deliver_pending(services) == 0  # the bad one waits for its next try
    clock.advance(DELIVERY_RETRY)
    assert deliver_pending(services) == 1


def test_whoever_set_the_portrait_does_not_send_the_contract(ceremony: Ceremony, services: Services) -> None:
    give_portrait(services, ceremony.person_id, jpeg(astronaut()))
    with services.transaction() as session, pytest.raises(OwnPortrait):
        resend(services, session, contract_id=ceremony.contract_id, party_id=ENTERPRISE, actor="another operator")


# --- other ends -----------------------------------------------------------------------------------------------------


@on_sqlite
def test_whoever_declines_ends_the_ceremony(ceremony: Ceremony) -> None:
    with ceremony.phone() as phone:
        phone.identify(LAST6)
        phone.call("decline", {"reason": "条款需要修改"})
        assert ceremony.contract.state == CeremonyState.DECLINED
        assert refusal(lambda: phone.identify(LAST6)) == (410, "invitation-closed")
        assert refusal(lambda: phone.call("face/challenge", FACE_CONSENT)) == (410, "invitation-closed")
    with ceremony.browser() as browser:
        assert refusal(lambda: browser.get(ceremony.path))[0] == 410
    assert ceremony.journal()[-1] == "contract-declined"


@on_sqlite
def test_an_invitation_ends_after_a_fortnight(ceremony: Ceremony, services: Services, clock: FakeClock) -> None:
    with ceremony.phone() as phone:
        clock.advance(timedelta(days=14))
        # Closed by its date at once, and in the books as soon as the job comes by.
        assert refusal(lambda: phone.identify(LAST6)) == (410, "invitation-closed")
        assert ceremony.contract.state == CeremonyState.SENT
        assert expire_overdue(services) == 1
        assert expire_overdue(services) == 0
        assert ceremony.contract.state == CeremonyState.EXPIRED
        assert refusal(lambda: phone.identify(LAST6)) == (410, "invitation-closed")
    assert ceremony.journal()[-1] == "contract-expired"


@on_sqlite
def test_whoever_has_signed_fetches_the_copy_for_years_and_signs_no_second_time(
    ceremony: Ceremony, services: Services, clock: FakeClock, representative: Puppet
) -> None:
    ceremony.sign(representative)
    deliver_pending(services)
    services.journal.seal()
    clock.advance(timedelta(days=400))
    before = ceremony.contract.ceremony
    with ceremony.phone() as phone:
        assert refusal(phone.signed_document)[0] == 403
        assert refusal(lambda: phone.identify(WRONG_LAST6)) == (403, "identity-not-confirmed")
        state = phone.identify(LAST6)
        assert (state["step"], state["delivered"]) == ("done", True)
        assert phone.signed_document() == ceremony.stored_document()
        for step, message in (("face/challenge", FACE_CONSENT), ("key/challenge", {})):
            assert refusal(lambda step=step, message=message: phone.call(step, message))[0] in {409, 410}, step
        assert refusal(lambda: phone.call("decline", {"reason": "不签"})) == (409, "illegal-transition")
    assert ceremony.contract.ceremony == before


@on_sqlite
def test_a_representative_of_nobody_is_not_invited(services: Services, app: Flask) -> None:
    register_parties(services)
    with pytest.raises(NotFound):
        send_contract(app, services, "0" * 26)


@on_sqlite
def test_what_waits_for_a_key_expires(ceremony: Ceremony, services: Services, representative: Puppet) -> None:
    with ceremony.phone() as phone:
        agreed(ceremony, phone, representative)
        phone.call("key/challenge")
    with services.reading() as session:
        pending = session.scalars(select(PendingSigning)).one()
    assert pending.expires_at - pending.created_at <= FACE_CHECK_LIFETIME


def count_signatures(services: Services) -> int:
    with services.reading() as session:
        return session.scalar(select(func.count()).select_from(Signature)) or 0


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
