"""The signing ceremony, in the order in which it happens:
create_contract, invite, identify, present, record_consent, check_face, sign (in two steps), deliver.

Each use case loads the ceremony, makes one transition, acts and journals. Work that takes CPU (typesetting, faces,
CMS) runs between two short transactions and never inside one, so that nobody waits for it at the database; the
second transaction makes the transition again from the stored state, so nothing is lost when two act at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.certificates import service as certificates
from app.certificates.refusals import journal_refusals
from app.db import new_id
from app.identity import persons
from app.identity.models import Account, Person, Tenant
from app.problems import NotFound, Unavailable
from app.signing import messages, tasks
from app.signing.models import Contract, FaceCheck, Invitation, PendingSigning, Signature, SigningSession
from app.signing.problems import (
    ChallengeSpent,
    IdentityNotConfirmed,
    InvitationClosed,
    InvitationUnknown,
    NoPortrait,
    NoProof,
    NoSigningSession,
    OtherDocument,
    OwnPortrait,
    SigningLocked,
)
from contracts import ceremony as rules
from contracts.ceremony import Ceremony, CeremonyState, Party, PartyState
from contracts.consent import ConsentWording, get_wording
from contracts.errors import IllegalTransition
from kyc.capture import Frame
from kyc.errors import EngineUnavailable, KycError
from kyc.facecheck import FaceCheckRequest
from kyc.facecheck import check_face as judge_face
from kyc.liveness import NonceBinding, get_liveness_policy, new_binding, new_challenge, parse_challenge
from pki import suite
from pki.binding import SignatureBinding, get_signature_binding
from pki.errors import InvalidSignature
from pki.keys import load_spki

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)
INVITATION_LIFETIME = timedelta(days=14)
SESSION_LIFETIME = timedelta(hours=2)
KEY_CHALLENGE_LIFETIME = timedelta(seconds=120)
DELIVERY_RETRY = timedelta(minutes=1)
MOST_FAILURES = 5
LOCK = timedelta(minutes=15)
PROOF_LABEL = b"yunlian-key-proof/1\x00"  # so that no proof can be taken for a signature over attributes
SIGNER = "legal-representative"


@dataclass(frozen=True, slots=True)
class Participant:
    """Who acts on a signing page: an invitation and, once identified, a session."""

    contract: Contract
    invitation: Invitation
    session: SigningSession | None

    @property
    def ceremony(self) -> Ceremony:
        """The stored ceremony."""
        return rules.from_dict(self.contract.ceremony)

    @property
    def party(self) -> Party:
        """The party that the invitation is for."""
        return self.ceremony.party(self.invitation.party_id)

    @property
    def session_id(self) -> str:
        """Raises NoSigningSession before identification."""
        if self.session is None:
            raise NoSigningSession("identify yourself first")
        return self.session.id


# --- 1. the contract is made and sent -------------------------------------------------------------------------------


def create_contract(
    services: Services, *, tenant_id: str, person_id: str, template: str, terms: Mapping[str, Any], actor: str
) -> Contract:
    """Typeset a contract for an enterprise's legal representative and the bank, ready to be sent.

    The number, the date and what the service knows of enterprise and bank are filled in; `terms` brings the rest.
    Raises NotFound, and what `contracts.render.render` raises.
    """
    now = services.clock()
    contract_id = new_id()
    number = f"YL{now:%Y%m%d}-{contract_id[-8:].upper()}"
    with services.reading() as session:
        person = session.get(Person, person_id)
        if person is None or person.tenant_id != tenant_id:
            raise NotFound("no such legal representative of this enterprise")
        facts = persons.get_person_facts(services, session, person_id)
        enterprise = person.tenant
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).first()
    prepared = services.workshop.run(
        tasks.make_document,
        template,
        tasks.complete_terms(template, terms, number=number, at=now, enterprise=enterprise, person=facts, bank=bank),
    )
    ceremony = rules.draft(
        contract_id,
        hashlib.sha256(prepared.pdf).hexdigest(),
        [(SIGNER, prepared.signer_field)],
        expires_at=now + INVITATION_LIFETIME,
        at=now,
    )
    contract = Contract(
        id=contract_id,
        number=number,
        title=prepared.title,
        template=prepared.template,
        template_version=prepared.version,
        tenant_id=tenant_id,
        state=ceremony.state,
        ceremony=rules.to_dict(ceremony),
        prepared_sha256=ceremony.document_sha256,
        current_sha256=services.documents.put(prepared.pdf),
        seal_field=prepared.seal_field,
        pages=prepared.pages,
        created_by=actor,
        created_at=now,
        expires_at=ceremony.expires_at,
    )
    with services.transaction() as session:
        session.add(contract)
        session.flush()
        body = {
            "template": prepared.template,
            "version": prepared.version,
            "document_sha256": contract.prepared_sha256,
        }
        services.journal.append(session, "contract-created", subject=contract_id, actor=actor, body=body)
    return contract


def invite(services: Services, session: Session, *, contract_id: str, person_id: str, actor: str) -> str:
    """Send the contract and return the signing link, which is told once. Raises NotFound, IllegalTransition."""
    contract = _locked(session, contract_id)
    now = services.clock()
    ceremony = rules.from_dict(contract.ceremony)
    if ceremony.state is CeremonyState.DRAFT:
        ceremony = rules.send(ceremony, now)
        _advance(contract, ceremony)
    person = session.get(Person, person_id)
    if person is None or person.tenant_id != contract.tenant_id or ceremony.state is not CeremonyState.SENT:
        raise NotFound("nobody to invite")
    if person.portrait_set_by == actor:
        raise OwnPortrait("whoever set the portrait does not also send the contract")
    token = secrets.token_urlsafe(24)
    session.add(
        Invitation(
            token_sha256=_digest(token),
            contract_id=contract_id,
            party_id=SIGNER,
            person_id=person_id,
            created_at=now,
            expires_at=ceremony.expires_at,
        )
    )
    services.journal.append(session, "contract-sent", subject=contract_id, actor=actor, body={"party": SIGNER})
    return f"{services.settings.people_url}/sign/{token}"


def find_participant(services: Services, session: Session, token: str, cookie: str | None) -> Participant:
    """Who opens this link, with the session that the browser's cookie names. Raises InvitationUnknown."""
    invitation = session.get(Invitation, _digest(token))
    if invitation is None:
        raise InvitationUnknown("this link is not one of ours")
    signing_session = None
    if cookie:
        signing_session = session.scalars(
            select(SigningSession).where(
                SigningSession.cookie_sha256 == _digest(cookie),
                SigningSession.invitation_sha256 == invitation.token_sha256,
                SigningSession.expires_at > services.clock(),
            )
        ).first()
    return Participant(invitation.contract, invitation, signing_session)


# --- 2. the party proves who it is ----------------------------------------------------------------------------------


def identify(services: Services, token: str, identity_last6: str) -> str:
    """Open a signing session for whoever knows the end of the identity number; returns its cookie.

    Five failures lock the invitation for 15 minutes. Opens its own transactions, so that failures are counted.
    Raises InvitationUnknown, InvitationClosed, SigningLocked, IdentityNotConfirmed.
    """
    now = services.clock()
    with services.transaction() as session:
        participant = find_participant(services, session, token, None)
        _require_open(participant, now)
        _count_attempt(session, participant.invitation.token_sha256, now)
        facts = persons.get_person_facts(services, session, participant.invitation.person_id)
        good = hmac.compare_digest(facts.identity_number[-6:].encode(), identity_last6.upper().encode())
        subject = participant.contract.id
        if not good:
            services.journal.append(
                session,
                "identification-refused",
                subject=subject,
                actor=participant.invitation.person_id,
                body={},
            )
    if not good:
        raise IdentityNotConfirmed("the last six characters are not those of the identity number on file")
    cookie = secrets.token_urlsafe(32)
    with services.transaction() as session:
        contract, invitation = _locked(session, subject), session.get_one(Invitation, _digest(token))
        _forget_attempts(session, invitation.token_sha256)
        signing_session = SigningSession(
            id=new_id(),
            cookie_sha256=_digest(cookie),
            invitation_sha256=invitation.token_sha256,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
        session.add(signing_session)
        _advance(contract, rules.identify(_ceremony(contract), invitation.party_id, signing_session.id, now))
        services.journal.append(session, "party-identified", subject=contract.id, actor=invitation.person_id, body={})
    return cookie


# --- 3. reading -----------------------------------------------------------------------------------------------------


def get_document(services: Services, participant: Participant) -> bytes:
    """The revision that the party reads or, when it has signed, the newest. Raises NoSigningSession."""
    _ = participant.session_id
    return services.documents.get(participant.contract.current_sha256)


def present(services: Services, session: Session, participant: Participant, message: messages.Read) -> None:
    """The document was shown to its end. Raises OtherDocument when it is not the present revision."""
    party_id, session_id, now = participant.invitation.party_id, participant.session_id, services.clock()
    contract = _locked(session, participant.contract.id)
    if message.document_sha256 != contract.current_sha256:
        raise OtherDocument("the contract has changed")
    _advance(contract, rules.present(_ceremony(contract), party_id, session_id, contract.current_sha256, now))
    body = {"document_sha256": contract.current_sha256}
    _journal(services, session, "contract-presented", participant, body)


# --- 4. consent -----------------------------------------------------------------------------------------------------


def wording() -> ConsentWording:
    """The wording that parties are asked to agree to."""
    return get_wording()


def record_consent(services: Services, session: Session, participant: Participant, message: messages.Consent) -> None:
    """The party agreed to this wording for this document. Raises OtherDocument, IllegalTransition."""
    session_id, shown, now = participant.session_id, wording(), services.clock()
    contract = _locked(session, participant.contract.id)
    party = _ceremony(contract).party(participant.invitation.party_id)
    if message.document_sha256 != party.presented_sha256 or message.consent_sha256 != shown.sha256.hex():
        raise OtherDocument("the contract or the wording has changed")
    ceremony = rules.consent(
        _ceremony(contract), party.party_id, session_id, shown.version, message.consent_sha256, now
    )
    _advance(contract, ceremony)
    body = {"consent_version": shown.version, "consent_sha256": message.consent_sha256}
    _journal(services, session, "consent-given", participant, body)


# --- 5. the face check ----------------------------------------------------------------------------------------------


def new_face_challenge(services: Services, session: Session, participant: Participant) -> dict[str, Any]:
    """A single-use challenge bound to the document read and the wording agreed to, as the page reads it."""
    settings, now = services.settings, services.clock()
    _require_open(participant, now)
    party, session_id = participant.party, participant.session_id
    if party.state not in {PartyState.CONSENTED, PartyState.FACE_CHECKED} or party.session != session_id:
        raise IllegalTransition("the face check comes after reading and consent")
    if participant.invitation.person.portrait_sealed is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    policy = get_liveness_policy(settings.liveness_policy, production=settings.production)
    binding = new_binding(bytes.fromhex(party.presented_sha256 or ""), bytes.fromhex(party.consent_sha256 or ""))
    challenge = new_challenge(binding.nonce(), policy, now)
    session.add(
        FaceCheck(
            id=new_id(),
            session_id=session_id,
            contract_id=participant.contract.id,
            person_id=participant.invitation.person_id,
            challenge={"challenge": challenge.to_json(), "binding": binding.to_json()},
            issued_at=now,
            expires_at=challenge.expires_at,
        )
    )
    return {**challenge.to_json(), "frames_per_action": policy.min_frames_per_action + 1}


def check_face(services: Services, participant: Participant, meta: messages.FaceMeta, jpegs: list[bytes]) -> None:
    """Judge the captured frames. Opens its own transactions: the challenge is spent first, whatever comes of it.

    Raises ChallengeSpent, SigningLocked, and the KycError that says why the person was refused.
    """
    now = services.clock()
    with services.transaction() as session:
        _count_attempt(session, participant.invitation.token_sha256, now)
        check = _spend_face_challenge(session, participant, meta.nonce, now)
    portrait = services.portraits.find_portrait(check.person_id)
    if portrait is None:
        raise NoPortrait("the bank holds no portrait to compare with")
    settings = services.settings
    challenge = parse_challenge(check.challenge["challenge"])
    stored = check.challenge["binding"]
    request = FaceCheckRequest(
        portrait=portrait,
        frames=tuple(Frame(frame.action, frame.at_ms, jpeg) for frame, jpeg in zip(meta.frames, jpegs, strict=True)),
        chain=bytes.fromhex(meta.chain),
        challenge=challenge,
        binding=NonceBinding(*(bytes.fromhex(stored[n]) for n in ("document_sha256", "consent_sha256", "random"))),
        received_at=now,
        match_policy=settings.match_policy,
        production=settings.production,
    )
    try:
        result = services.workshop.run(judge_face, request)
    except (Unavailable, EngineUnavailable) as outage:
        with services.transaction() as session:
            # Our fault and not the person's: the attempt does not count.
            _forget_one_attempt(session, participant.invitation.token_sha256)
            session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(outcome=outage.code))
        raise
    except KycError as refusal:
        with services.transaction() as session:
            session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(outcome=refusal.code))
            _journal(
                services,
                session,
                "face-check-refused",
                participant,
                {"check": check.id, "reason": refusal.code},
            )
        raise
    with services.transaction() as session:
        contract = _locked(session, participant.contract.id)
        root = result.evidence.root.hex()
        at = services.clock()
        _advance(
            contract,
            rules.check_face(_ceremony(contract), participant.invitation.party_id, participant.session_id, root, at),
        )
        _forget_attempts(session, participant.invitation.token_sha256)
        person_id = check.person_id
        evidence = json.dumps(result.evidence.to_json()).encode()
        pictures = json.dumps([base64.b64encode(picture).decode() for picture in (portrait.image, *jpegs)]).encode()
        values = {
            "outcome": "passed",
            "evidence_root": root,
            "evidence_sealed": persons.seal_for(services, session, person_id, evidence, f"evidence:{check.id}"),
            "pictures_sha256": services.documents.put(
                persons.seal_for(services, session, person_id, pictures, f"pictures:{check.id}")
            ),
        }
        session.execute(update(FaceCheck).where(FaceCheck.id == check.id).values(values))
        body = {"check": check.id, "evidence_root": root, "policy": settings.match_policy}
        _journal(services, session, "face-check-passed", participant, body)


# --- 6. the signature -----------------------------------------------------------------------------------------------


def new_key_challenge(services: Services, session: Session, participant: Participant) -> bytes:
    """What the browser's new key signs to prove that it is there. Raises IllegalTransition, FaceCheckStale."""
    party, session_id, now = participant.party, participant.session_id, services.clock()
    _require_open(participant, now)
    if party.state is not PartyState.FACE_CHECKED:
        raise IllegalTransition("the signature comes after the face check")
    rules.verify_face_check_fresh(party, session_id, now)
    challenge = PROOF_LABEL + secrets.token_bytes(32)
    session.add(
        PendingSigning(
            id=new_id(),
            session_id=session_id,
            contract_id=participant.contract.id,
            challenge=challenge,
            created_at=now,
            expires_at=now + KEY_CHALLENGE_LIFETIME,
        )
    )
    return challenge


def begin_signature(services: Services, participant: Participant, message: messages.Key) -> tuple[str, bytes]:
    """Certify the browser's key for this one signature and return (signature id, signed attributes in DER).

    Raises ChallengeSpent, NoProof, FaceCheckStale, OtherDocument and what the certificate gate refuses.
    """
    now = services.clock()
    party = participant.party
    rules.verify_face_check_fresh(party, participant.session_id, now)
    if party.presented_sha256 != participant.contract.current_sha256:
        raise OtherDocument("the contract has changed since it was read")
    public_key = load_spki(message.spki)
    with (
        journal_refusals(
            services, "signer-certificate", actor=participant.invitation.person_id, subject=participant.contract.id
        ),
        services.transaction() as session,
    ):
        _require_open(replace(participant, contract=_locked(session, participant.contract.id)), now)
        pending = _find_pending(session, participant, now, PendingSigning.x5t_s256.is_(None))
        try:
            suite.verify(public_key, "ES256", message.proof, pending.challenge)
        except InvalidSignature as exc:
            raise NoProof("the key did not sign the challenge") from exc
        binding = _binding_of(party)
        facts = persons.get_person_facts(services, session, participant.invitation.person_id)
        record = certificates.issue_signer(
            services,
            session,
            public_key=public_key,
            name=facts.name,
            ceremony_id=participant.contract.id,
            signer_id=party.party_id,
            binding=binding,
            actor=participant.invitation.person_id,
        )
        pending.x5t_s256 = record.x5t_s256
    started = services.workshop.run(
        tasks.begin,
        tasks.SignatureStart(
            pdf=services.documents.get(participant.contract.current_sha256),
            field=party.field,
            certificate=record.der,
            chain=tuple(certificates.chain_der(services, record)),
            binding=binding_parts(binding),
            seal_name=participant.contract.tenant.name,
            seal_code=participant.contract.tenant.uscc,
            person_name=facts.name,
            at=now,
        ),
    )
    with services.transaction() as session:
        session.execute(update(PendingSigning).where(PendingSigning.id == pending.id).values(pending=started.pending))
    return pending.id, started.signed_attributes


def finish_signature(services: Services, participant: Participant, message: messages.SignatureValue) -> None:
    """Put the browser's signature and a time stamp into the document; the ceremony moves on.

    Raises ChallengeSpent, InvalidSignature, FaceCheckStale, OtherDocument.
    """
    now = services.clock()
    with services.transaction() as session:
        waiting = PendingSigning.id == message.signature_id
        pending = _find_pending(session, participant, now, waiting, PendingSigning.pending.is_not(None))
        # Spent before it is used: a second attempt with the same attributes finds nothing.
        if not _spend(session, PendingSigning, pending.id, now):
            raise ChallengeSpent("this signature was made already")
    signed = services.workshop.run(
        tasks.finish,
        pending.pending or b"",
        message.signature,
        services.hierarchy.timestamps.timestamp(tasks.timestamp_imprint(message.signature)),
    )
    with services.transaction() as session:
        contract = _locked(session, participant.contract.id)
        ceremony = _ceremony(contract)
        party = ceremony.party(participant.invitation.party_id)
        if party.presented_sha256 != contract.current_sha256:
            raise OtherDocument("another party signed in between; read again")
        certificate = certificates.get_certificate(session, pending.x5t_s256 or "")
        if get_signature_binding(x509.load_der_x509_certificate(certificate.der)) != _binding_of(party):
            raise ChallengeSpent("the face check was passed anew after this signature was begun")
        sha256 = services.documents.put(signed)
        _advance(contract, rules.sign(ceremony, party.party_id, participant.session_id, sha256, now))
        contract.current_sha256 = sha256
        contract.signed_at = contract.deliver_at = now
        session.add(
            Signature(
                id=new_id(),
                contract_id=contract.id,
                party_id=party.party_id,
                person_id=participant.invitation.person_id,
                field=party.field,
                x5t_s256=pending.x5t_s256 or "",
                face_check_id=_passed_check(session, participant, party),
                signed_at=now,
            )
        )
        body = {"document_sha256": sha256, "x5t#S256": pending.x5t_s256, "evidence_root": party.face_root}
        _journal(services, session, "contract-signed", participant, body)


def decline(services: Services, session: Session, participant: Participant, reason: str) -> None:
    """The party refuses, which ends the ceremony. Raises NoSigningSession, IllegalTransition."""
    _ = participant.session_id
    contract = _locked(session, participant.contract.id)
    party_id = participant.invitation.party_id
    _advance(contract, rules.decline(_ceremony(contract), party_id, reason, services.clock()))
    _journal(services, session, "contract-declined", participant, {"party": party_id})


# --- 7. completion --------------------------------------------------------------------------------------------------


def deliver_pending(services: Services) -> int:
    """Seal and archive every completed contract that is not yet delivered; the jobs process repeats it until done."""
    now = services.clock()
    with services.reading() as session:
        waiting = session.scalars(
            select(Contract.id)
            .where(
                Contract.state == CeremonyState.COMPLETED, Contract.delivered_at.is_(None), Contract.deliver_at <= now
            )
            .order_by(Contract.deliver_at)
            .limit(20)
        ).all()
    for contract_id in waiting:
        try:
            deliver(services, contract_id)
        except Exception:
            # One contract that cannot be delivered must not keep the others from it; it is tried again later.
            log.exception("delivery failed", extra={"contract": contract_id})
            with services.transaction() as session:
                session.execute(
                    update(Contract).where(Contract.id == contract_id).values(deliver_at=now + DELIVERY_RETRY)
                )
    return len(waiting)


def deliver(services: Services, contract_id: str) -> None:
    """The bank's seal and the archive time stamp go into a completed contract, exactly once.

    Computed outside any transaction; the condition on the revision lets one of two workers store its result.
    """
    with services.reading() as session:
        contract = session.get_one(Contract, contract_id)
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).one()
    if contract.delivered_at is not None:
        return
    now = services.clock()
    document = services.documents.get(contract.current_sha256)
    sealed = tasks.seal_and_archive(services, document, bank, contract.seal_field, now)
    with services.transaction() as session:
        sha256 = services.documents.put(sealed)
        stored = session.execute(
            update(Contract)
            .where(
                Contract.id == contract_id,
                Contract.delivered_at.is_(None),
                Contract.current_sha256 == contract.current_sha256,
            )
            .values(current_sha256=sha256, delivered_at=now)
        )
        if stored.rowcount == 1:  # type: ignore[attr-defined]
            services.journal.append(
                session,
                "contract-completed",
                subject=contract_id,
                actor="bank",
                body={"document_sha256": sha256},
            )


def expire_overdue(services: Services) -> int:
    """Close contracts whose time has run out before all had signed; the jobs process calls it."""
    now = services.clock()
    with services.transaction() as session:
        overdue = session.scalars(
            select(Contract)
            .where(Contract.state.in_((CeremonyState.DRAFT, CeremonyState.SENT)), Contract.expires_at <= now)
            .limit(100)
            .with_for_update(of=Contract, skip_locked=True)
        ).all()
        for contract in overdue:
            _advance(contract, rules.expire(_ceremony(contract), now))
            services.journal.append(session, "contract-expired", subject=contract.id, actor="system", body={})
    return len(overdue)


def list_contracts(
    session: Session, *, tenant_id: str | None = None, text: str = "", state: str = "", limit: int = 50
) -> list[Contract]:
    """Contracts, newest first; `text` is part of the number, of the enterprise's name or its USCC, or a digest."""
    query = select(Contract).join(Tenant).order_by(Contract.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Contract.tenant_id == tenant_id)
    if state:
        query = query.where(Contract.state == state)
    if text:
        query = query.where(
            Contract.number.contains(text, autoescape=True)
            | Tenant.name.contains(text, autoescape=True)
            | (Tenant.uscc == text)
            | (Contract.prepared_sha256 == text)
            | (Contract.current_sha256 == text)
        )
    return list(session.scalars(query))


def get_contract(session: Session, contract_id: str, account: Account | None = None) -> Contract:
    """One contract; for an enterprise's account only its own. Raises NotFound."""
    contract = session.get(Contract, contract_id)
    if contract is None or (
        account is not None and account.tenant.kind != "bank" and contract.tenant_id != account.tenant_id
    ):
        raise NotFound("no such contract")
    return contract


def list_signatures(session: Session, contract_id: str) -> list[Signature]:
    """The parties' signatures of a contract, in their order."""
    return list(session.scalars(select(Signature).where(Signature.contract_id == contract_id).order_by(Signature.id)))


# --- what the steps share -------------------------------------------------------------------------------------------


def binding_parts(binding: SignatureBinding) -> tuple[bytes, bytes, bytes]:
    """The three digests in their order."""
    return binding.face_evidence_root, binding.consent_sha256, binding.document_sha256


def _binding_of(party: Party) -> SignatureBinding:
    return SignatureBinding(
        face_evidence_root=bytes.fromhex(party.face_root or ""),
        consent_sha256=bytes.fromhex(party.consent_sha256 or ""),
        document_sha256=bytes.fromhex(party.presented_sha256 or ""),
    )


def _require_open(participant: Participant, now: datetime) -> None:
    ceremony = participant.ceremony
    if ceremony.state is not CeremonyState.SENT:
        raise InvitationClosed(f"the contract is {ceremony.state}")
    if now >= ceremony.expires_at:
        raise InvitationClosed("the invitation has expired")


def _count_attempt(session: Session, token_sha256: bytes, now: datetime) -> None:
    """Count an attempt before it is judged: the fifth without a success locks, however many come at once."""
    invitation = session.get_one(Invitation, token_sha256, populate_existing=True, with_for_update={"of": Invitation})
    if invitation.locked_until is not None:
        if invitation.locked_until > now:
            raise SigningLocked("too many failures")
        invitation.locked_until, invitation.failed_attempts = None, 0
    invitation.failed_attempts += 1
    if invitation.failed_attempts >= MOST_FAILURES:
        invitation.locked_until = now + LOCK


def _forget_attempts(session: Session, token_sha256: bytes) -> None:
    success = update(Invitation).where(Invitation.token_sha256 == token_sha256)
    session.execute(success.values(failed_attempts=0, locked_until=None))


def _forget_one_attempt(session: Session, token_sha256: bytes) -> None:
    attempts = Invitation.failed_attempts
    again = update(Invitation).where(Invitation.token_sha256 == token_sha256, attempts > 0)
    session.execute(again.values(failed_attempts=attempts - 1, locked_until=None))


def _spend_face_challenge(session: Session, participant: Participant, nonce: bytes, now: datetime) -> FaceCheck:
    open_checks = session.scalars(
        select(FaceCheck).where(
            FaceCheck.session_id == participant.session_id,
            FaceCheck.used_at.is_(None),
            FaceCheck.expires_at > now,
        )
    )
    for check in open_checks:
        if parse_challenge(check.challenge["challenge"]).nonce == nonce and _spend(session, FaceCheck, check.id, now):
            return check
    raise ChallengeSpent("this challenge was used, has expired or is not yours")


def _find_pending(session: Session, participant: Participant, now: datetime, *conditions: Any) -> PendingSigning:
    pending = session.scalars(
        select(PendingSigning)
        .where(
            PendingSigning.session_id == participant.session_id,
            PendingSigning.used_at.is_(None),
            PendingSigning.expires_at > now,
            *conditions,
        )
        .order_by(PendingSigning.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if pending is None:
        raise ChallengeSpent("this challenge was used, has expired or is not yours")
    return pending


def _spend(session: Session, table: type[FaceCheck] | type[PendingSigning], row_id: str, now: datetime) -> bool:
    spent = session.execute(update(table).where(table.id == row_id, table.used_at.is_(None)).values(used_at=now))
    return bool(spent.rowcount == 1)  # type: ignore[attr-defined]


def _passed_check(session: Session, participant: Participant, party: Party) -> str | None:
    return session.scalars(
        select(FaceCheck.id).where(
            FaceCheck.session_id == participant.session_id, FaceCheck.evidence_root == party.face_root
        )
    ).first()


def _locked(session: Session, contract_id: str) -> Contract:
    """The contract as it is once nobody else changes it, whatever this session had read of it before."""
    query = select(Contract).where(Contract.id == contract_id).with_for_update(of=Contract)
    contract = session.scalars(query, execution_options={"populate_existing": True}).first()
    if contract is None:
        raise NotFound("no such contract")
    return contract


def _ceremony(contract: Contract) -> Ceremony:
    return rules.from_dict(contract.ceremony)


def _advance(contract: Contract, ceremony: Ceremony) -> None:
    contract.ceremony = rules.to_dict(ceremony)
    contract.state = ceremony.state


def _journal(services: Services, session: Session, kind: str, participant: Participant, body: dict[str, Any]) -> None:
    services.journal.append(
        session, kind, subject=participant.contract.id, actor=participant.invitation.person_id, body=body
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
