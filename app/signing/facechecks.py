"""The face check of a ceremony: after reading and consent, for this document and this wording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from app.proofing.facechecks import begin_face_check, finish_face_check
from app.proofing.messages import FaceConsent, FaceMeta
from app.proofing.models import Purpose
from app.signing.participants import Participant, require_open
from app.signing.stored import advance, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import PartyState
from contracts.errors import IllegalTransition

if TYPE_CHECKING:
    from app.wiring import Services


def new_face_challenge(
    services: Services, session: Session, participant: Participant, message: FaceConsent
) -> dict[str, Any]:
    """A single-use challenge bound to the document read and the wording agreed to, as the page reads it."""
    require_open(participant, services.clock())
    party, session_id = participant.party, participant.session_id
    if party.state not in {PartyState.CONSENTED, PartyState.FACE_CHECKED} or party.session != session_id:
        raise IllegalTransition("the face check comes after reading and consent")
    return begin_face_check(
        services,
        session,
        person_id=participant.invitation.person_id,
        purpose=Purpose.CONTRACT,
        subject_id=participant.contract.id,
        holder=session_id,
        shown_sha256=bytes.fromhex(party.presented_sha256 or ""),
        wording_sha256=bytes.fromhex(party.consent_sha256 or ""),
        face_wording_sha256=message.face_wording_sha256,
    )


def check_face(services: Services, participant: Participant, meta: FaceMeta, jpegs: list[bytes]) -> None:
    """Judge the captured frames; when they pass, the ceremony moves on. Opens its own transactions.

    Raises what `finish_face_check` raises, and IllegalTransition where the ceremony has moved on meanwhile.
    """
    passed = finish_face_check(
        services,
        holder=participant.session_id,
        person_id=participant.invitation.person_id,
        meta=meta,
        jpegs=jpegs,
    )
    with services.transaction() as session:
        contract = lock_contract(session, participant.contract.id)
        ceremony = stored_ceremony(contract)
        party_id, session_id, root = participant.invitation.party_id, participant.session_id, passed.evidence_root
        advance(contract, rules.check_face(ceremony, party_id, session_id, root, passed.passed_at))
