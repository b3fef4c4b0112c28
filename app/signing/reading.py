"""A party reads the contract, agrees to sign it electronically, or declines."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.signing import messages, tasks
from app.signing.participants import Participant, journal_step
from app.signing.problems import OtherDocument
from app.signing.stored import advance, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.consent import ConsentWording, get_wording

if TYPE_CHECKING:
    from app.wiring import Services

PAGES_AT_ONCE = 20  # drawn in one go, so that others get their turn in the workshop


def get_document(services: Services, participant: Participant) -> bytes:
    """The revision that the party reads or, when it has signed, the latest. Raises NoSigningSession."""
    _ = participant.session_id
    return services.documents.get(participant.shown_sha256)


def present(services: Services, participant: Participant, message: messages.Read) -> None:
    """The document was shown to its end, as pictures whose digests are kept and journaled. Opens its own transaction,
    because drawing the pages takes time. Raises OtherDocument unless it is what this browser was given."""
    party_id, session_id, shown = participant.invitation.party_id, participant.session_id, message.document_sha256
    if shown != participant.shown_sha256:
        raise OtherDocument("the contract has changed")
    pictures = _pictures(services, services.documents.get(shown), participant.contract.pages)
    with services.transaction() as session:
        contract, now = lock_contract(session, participant.contract.id), services.clock()
        ceremony = rules.present(stored_ceremony(contract), party_id, session_id, shown, now, pictures=pictures)
        advance(contract, ceremony)
        body = {"document_sha256": shown, "pictures_sha256": digest_of_pictures(pictures)}
        journal_step(services, session, "contract-presented", participant, body)


def _pictures(services: Services, pdf: bytes, pages: int) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for first in range(0, pages, PAGES_AT_ONCE):
        some = range(first, min(first + PAGES_AT_ONCE, pages))
        found += services.workshop.run(tasks.digests_of_pages, pdf, some)
    return found


def digest_of_pictures(pictures: tuple[str, ...]) -> str:
    """One digest for all page pictures: SHA-256 over their own 32-byte digests, first page first."""
    return hashlib.sha256(b"".join(bytes.fromhex(picture) for picture in pictures)).hexdigest()


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
