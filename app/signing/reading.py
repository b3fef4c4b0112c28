"""A party reads the contract, agrees to sign it electronically, or declines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.signing import messages
from app.signing.participants import Participant, journal_step
from app.signing.problems import (
    OtherDocument,
)
from app.signing.stored import advance, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.consent import ConsentWording, get_wording

if TYPE_CHECKING:
    from app.wiring import Services


def get_document(services: Services, participant: Participant) -> bytes:
    """The revision that the party reads or, when it has signed, the latest. Raises NoSigningSession."""
    _ = participant.session_id
    return services.documents.get(participant.shown_sha256)


def present(services: Services, session: Session, participant: Participant, message: messages.Read) -> None:
    """The document was shown to its end. Raises OtherDocument unless it is what this browser was given."""
    party_id, session_id, now = participant.invitation.party_id, participant.session_id, services.clock()
    contract = lock_contract(session, participant.contract.id)
    if message.document_sha256 != participant.shown_sha256:
        raise OtherDocument("the contract has changed")
    ceremony = rules.present(stored_ceremony(contract), party_id, session_id, message.document_sha256, now)
    advance(contract, ceremony)
    body = {"document_sha256": message.document_sha256}
    journal_step(services, session, "contract-presented", participant, body)


def wording() -> ConsentWording:
    """The wording that parties are asked to agree to."""
    return get_wording()


def record_consent(services: Services, session: Session, participant: Participant, message: messages.Consent) -> None:
    """The party agreed to this wording for this document. Raises OtherDocument, IllegalTransition."""
    session_id, shown, now = participant.session_id, wording(), services.clock()
    contract = lock_contract(session, participant.contract.id)
    party = stored_ceremony(contract).party(participant.invitation.party_id)
    if message.document_sha256 != party.presented_sha256 or message.consent_sha256 != shown.sha256.hex():
        raise OtherDocument("the contract or the wording has changed")
    ceremony = rules.consent(
        stored_ceremony(contract), party.party_id, session_id, shown.version, message.consent_sha256, now
    )
    advance(contract, ceremony)
    body = {"consent_version": shown.version, "consent_sha256": message.consent_sha256}
    journal_step(services, session, "consent-given", participant, body)


def decline(services: Services, session: Session, participant: Participant, reason: str) -> None:
    """The party refuses, which ends the ceremony. Raises NoSigningSession, IllegalTransition."""
    _ = participant.session_id
    contract = lock_contract(session, participant.contract.id)
    party_id = participant.invitation.party_id
    advance(contract, rules.decline(stored_ceremony(contract), party_id, reason, services.clock()))
    journal_step(services, session, "contract-declined", participant, {"party": party_id})
