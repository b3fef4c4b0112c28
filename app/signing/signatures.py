"""A signature in two steps: the browser's key is certified, then its signature goes into the document."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.certificates import service as certificates
from app.certificates.refusals import journal_refusals
from app.db import new_id
from app.identity import persons
from app.proofing.models import FaceCheck
from app.signing import messages, tasks
from app.signing.models import PendingSigning, Signature
from app.signing.participants import Participant, journal_step, require_open
from app.signing.problems import (
    ChallengeSpent,
    NoProof,
    OtherDocument,
)
from app.signing.stored import advance, lock_contract, spend_once, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import Party, PartyState
from contracts.errors import IllegalTransition
from pki import suite
from pki.binding import SignatureBinding, get_signature_binding
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
        require_open(replace(participant, contract=lock_contract(session, participant.contract.id)), now)
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
        if not spend_once(session, pending.id, now):
            raise ChallengeSpent("this signature was made already")
    signed = services.workshop.run(
        tasks.finish,
        pending.pending or b"",
        message.signature,
        services.hierarchy.timestamps.timestamp(tasks.timestamp_imprint(message.signature)),
    )
    with services.transaction() as session:
        contract = lock_contract(session, participant.contract.id)
        ceremony = stored_ceremony(contract)
        party = ceremony.party(participant.invitation.party_id)
        if party.presented_sha256 != contract.current_sha256:
            raise OtherDocument("another party signed in between; read again")
        certificate = certificates.get_certificate(session, pending.x5t_s256 or "")
        if get_signature_binding(x509.load_der_x509_certificate(certificate.der)) != _binding_of(party):
            raise ChallengeSpent("the face check was passed anew after this signature was begun")
        sha256 = services.documents.put(signed)
        advance(contract, rules.sign(ceremony, party.party_id, participant.session_id, sha256, now))
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
        journal_step(services, session, "contract-signed", participant, body)


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


def _passed_check(session: Session, participant: Participant, party: Party) -> str | None:
    return session.scalars(
        select(FaceCheck.id).where(
            FaceCheck.holder == participant.session_id, FaceCheck.evidence_root == party.face_root
        )
    ).first()
