"""A signature in two steps: the browser's key is certified, then its signature goes into the document."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.certificates import service as certificates
from app.certificates.models import CertificateRecord
from app.certificates.refusals import journal_refusals
from app.db import new_id
from app.identity import persons
from app.proofing.models import ASSISTED, FaceCheck
from app.signing import messages, tasks
from app.signing.models import PendingSigning, Signature
from app.signing.participants import Participant, journal_step, require_open
from app.signing.problems import (
    ChallengeSpent,
    NoProof,
)
from app.signing.stored import add_revision, advance, lock_contract, spend_once, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import Party, PartyState
from contracts.errors import IllegalTransition, StaleRevision
from pki import suite
from pki.binding import PortraitAssurance, SignatureBinding, get_signature_binding
from pki.errors import InvalidSignature
from pki.keys import load_spki

if TYPE_CHECKING:
    from app.wiring import Services

KEY_CHALLENGE_LIFETIME = timedelta(seconds=120)
PROOF_LABEL = b"yunlian-key-proof/1\x00"  # so that no proof can be taken for a signature over attributes


def new_key_challenge(services: Services, session: Session, participant: Participant) -> bytes:
    """What the browser's new key signs to prove that it is there. Raises IllegalTransition, FaceCheckStale."""
    party, session_id, now = participant.party, participant.session_id, services.clock()
    require_open(participant, now)
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


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser's key signs next: the signature's id, and the signed attributes in DER."""

    signature_id: str
    signed_attributes: bytes


def begin_signature(services: Services, participant: Participant, message: messages.Key) -> Begun:
    """Certify the browser's key for this one signature and put the latest revision before it.

    Raises ChallengeSpent, NoProof, FaceCheckStale and what the certificate gate refuses.
    """
    now = services.clock()
    rules.verify_face_check_fresh(participant.party, participant.session_id, now)
    public_key = load_spki(message.spki)
    with (
        journal_refusals(
            services, "signer-certificate", actor=participant.invitation.person_id, subject=participant.contract.id
        ),
        services.transaction() as session,
    ):
        contract = lock_contract(session, participant.contract.id)
        require_open(replace(participant, contract=contract), now)
        party = stored_ceremony(contract).party(participant.invitation.party_id)
        rules.verify_face_check_fresh(party, participant.session_id, now)
        pending = _find_pending(session, participant, now, PendingSigning.x5t_s256.is_(None))
        try:
            suite.verify(public_key, "ES256", message.proof, pending.challenge)
        except InvalidSignature as exc:
            raise NoProof("the key did not sign the challenge") from exc
        facts = persons.get_person_facts(services, session, participant.invitation.person_id)
        record = certificates.issue_signer(
            services,
            session,
            public_key=public_key,
            name=facts.name,
            ceremony_id=contract.id,
            signer_id=party.party_id,
            binding=_binding_of(party),
            portrait_assurance=_portrait_assurance(session, participant, party),
            actor=participant.invitation.person_id,
        )
        pending.x5t_s256 = record.x5t_s256
        pending.upon_sha256 = contract.current_sha256
    started = services.workshop.run(
        tasks.begin, _start(services, participant, party, record, facts.name, contract.current_sha256, now)
    )
    with services.transaction() as session:
        session.execute(update(PendingSigning).where(PendingSigning.id == pending.id).values(pending=started.pending))
    return Begun(pending.id, started.signed_attributes)


def finish_signature(services: Services, participant: Participant, message: messages.SignatureValue) -> Begun | None:
    """Put the browser's signature and a time stamp into the document; the ceremony moves on.

    Where another party signed in between, nothing is stored: returned is what the same key, which the browser still
    has, signs upon the newer revision. That happens at most once for each other party.
    Raises ChallengeSpent, InvalidSignature, FaceCheckStale.
    """
    now = services.clock()
    with services.transaction() as session:
        waiting = PendingSigning.id == message.signature_id
        pending = _find_pending(session, participant, now, waiting, PendingSigning.pending.is_not(None))
        # Spent before it is used: a second attempt with the same attributes finds nothing.
        if not spend_once(session, pending.id, now):
            raise ChallengeSpent("this signature was made already")
    signed = services.workshop.run(
        tasks.finish,
        pending.pending or b"",
        message.signature,
        services.hierarchy.timestamps.timestamp(tasks.timestamp_imprint(message.signature)),
    )
    try:
        with services.transaction() as session:
            _store_signature(services, session, participant, pending, signed, now)
    except StaleRevision:
        return _begin_again(services, participant, pending)
    return None


def _store_signature(
    services: Services,
    session: Session,
    participant: Participant,
    pending: PendingSigning,
    signed: bytes,
    now: datetime,
) -> None:
    contract = lock_contract(session, participant.contract.id)
    ceremony = stored_ceremony(contract)
    party = ceremony.party(participant.invitation.party_id)
    upon, sha256 = pending.upon_sha256 or "", hashlib.sha256(signed).hexdigest()
    signed_ceremony = rules.sign(ceremony, party.party_id, participant.session_id, sha256, now, upon=upon)
    certificate = certificates.get_certificate(session, pending.x5t_s256 or "")
    if get_signature_binding(x509.load_der_x509_certificate(certificate.der)) != _binding_of(party):
        raise ChallengeSpent("the face check was passed anew after this signature was begun")
    services.documents.put(signed)
    advance(contract, signed_ceremony)
    contract.current_sha256 = sha256
    contract.signed_at = contract.deliver_at = now
    add_revision(session, contract.id, sha256, "signed", now, party.party_id)
    session.add(
        Signature(
            id=new_id(),
            contract_id=contract.id,
            party_id=party.party_id,
            person_id=participant.invitation.person_id,
            field=party.field,
            x5t_s256=certificate.x5t_s256,
            face_check_id=_passed_check(session, participant, party),
            signed_at=now,
        )
    )
    body = {
        "party": party.party_id,
        "document_sha256": sha256,
        "read_sha256": party.presented_sha256,
        "upon_sha256": upon,
        "x5t#S256": certificate.x5t_s256,
        "evidence_root": party.face_root,
    }
    journal_step(services, session, "contract-signed", participant, body)


def _begin_again(services: Services, participant: Participant, overtaken: PendingSigning) -> Begun:
    """The same certificate, whose binding still holds, upon the revision that another party's signature made."""
    now = services.clock()
    with services.transaction() as session:
        contract = lock_contract(session, participant.contract.id)
        party = stored_ceremony(contract).party(participant.invitation.party_id)
        record = certificates.get_certificate(session, overtaken.x5t_s256 or "")
        facts = persons.get_person_facts(services, session, participant.invitation.person_id)
        upon = contract.current_sha256
    started = services.workshop.run(tasks.begin, _start(services, participant, party, record, facts.name, upon, now))
    pending = PendingSigning(
        id=new_id(),
        session_id=participant.session_id,
        contract_id=contract.id,
        challenge=overtaken.challenge,
        x5t_s256=record.x5t_s256,
        pending=started.pending,
        upon_sha256=upon,
        created_at=now,
        expires_at=overtaken.expires_at,
    )
    with services.transaction() as session:
        session.add(pending)
    return Begun(pending.id, started.signed_attributes)


def _start(
    services: Services,
    participant: Participant,
    party: Party,
    record: CertificateRecord,
    person_name: str,
    upon: str,
    at: datetime,
) -> tasks.SignatureStart:
    tenant = participant.invitation.person.tenant
    return tasks.SignatureStart(
        pdf=services.documents.get(upon),
        field=party.field,
        certificate=record.der,
        chain=tuple(certificates.chain_der(services, record)),
        binding=binding_parts(_binding_of(party)),
        seal_name=tenant.name,
        seal_code=tenant.uscc,
        person_name=person_name,
        at=at,
    )


def binding_parts(binding: SignatureBinding) -> tuple[bytes, bytes, bytes]:
    """The three digests in their order."""
    return binding.face_evidence_root, binding.consent_sha256, binding.document_sha256


def _binding_of(party: Party) -> SignatureBinding:
    return SignatureBinding(
        face_evidence_root=bytes.fromhex(party.face_root or ""),
        consent_sha256=bytes.fromhex(party.consent_sha256 or ""),
        document_sha256=bytes.fromhex(party.presented_sha256 or ""),
    )


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


def _portrait_assurance(session: Session, participant: Participant, party: Party) -> PortraitAssurance | None:
    check = session.get_one(FaceCheck, _passed_check(session, participant, party))
    return None if check.assurance in {None, ASSISTED} else PortraitAssurance(check.assurance)


def _passed_check(session: Session, participant: Participant, party: Party) -> str | None:
    return session.scalars(
        select(FaceCheck.id).where(
            FaceCheck.holder == participant.session_id, FaceCheck.evidence_root == party.face_root
        )
    ).first()
