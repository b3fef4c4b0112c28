"""Who acts on a signing page: whoever holds an invitation, identifies and gets a session."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.signing.models import Contract, Invitation, SigningSession
from app.signing.problems import (
    IdentityNotConfirmed,
    InvitationClosed,
    InvitationReplaced,
    InvitationUnknown,
    NoSigningSession,
    SigningLocked,
)
from app.signing.stored import advance, digest, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import Ceremony, CeremonyState, Party, PartyState
from contracts.errors import NotYourTurn

if TYPE_CHECKING:
    from app.wiring import Services

SESSION_LIFETIME = timedelta(hours=2)
MOST_FAILURES = 5
LOCK = timedelta(minutes=15)


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

    @property
    def has_signed(self) -> bool:
        """Whether the party's signature stands."""
        return self.party.state is PartyState.SIGNED

    @property
    def shown_sha256(self) -> str:
        """The revision that this browser reads: the one that was the latest when it identified, whoever signs
        meanwhile; after the party's own signature the latest."""
        if self.session is None or self.session.document_sha256 is None or self.has_signed:
            return self.contract.current_sha256
        return self.session.document_sha256


def find_participant(services: Services, session: Session, token: str, cookie: str | None) -> Participant:
    """Who opens this link, with the session that the browser's cookie names.

    Raises InvitationUnknown, InvitationReplaced.
    """
    invitation = session.get(Invitation, digest(token))
    if invitation is None:
        raise InvitationUnknown("this link is not one of ours")
    if invitation.replaced_at is not None:
        raise InvitationReplaced("another link was sent in its place")
    signing_session = None
    if cookie:
        signing_session = session.scalars(
            select(SigningSession).where(
                SigningSession.cookie_sha256 == digest(cookie),
                SigningSession.invitation_sha256 == invitation.token_sha256,
                SigningSession.expires_at > services.clock(),
            )
        ).first()
    return Participant(invitation.contract, invitation, signing_session)


def identify(services: Services, token: str, identity_last6: str) -> str:
    """Open a session for whoever knows the end of the identity number; returns its cookie. A party that has signed
    gets one in which its copy can be fetched.

    Five failures lock the invitation for 15 minutes. Opens its own transactions, so that failures are counted.
    Raises InvitationUnknown, InvitationReplaced, InvitationClosed, NotYourTurn, SigningLocked, IdentityNotConfirmed.
    """
    now = services.clock()
    with services.transaction() as session:
        participant = find_participant(services, session, token, None)
        if not participant.has_signed:
            require_open(participant, now)
            if not rules.is_turn_of(participant.ceremony, participant.party.party_id):
                raise NotYourTurn("an earlier party has not signed yet")
        elif participant.contract.deleted_at is not None:
            raise InvitationClosed("the contract was deleted after its retention period")
        invitation = lock_invitation(session, participant.invitation.token_sha256, now)
        facts = persons.get_person_facts(services, session, invitation.person_id)
        good = hmac.compare_digest(facts.identity_number[-6:].encode(), identity_last6.upper().encode())
        count_attempt(invitation, good, now)
        subject = participant.contract.id
        if not good:
            services.journal.append(
                session,
                "identification-refused",
                subject=subject,
                actor=invitation.person_id,
                body={},
            )
    if not good:
        raise IdentityNotConfirmed("the last six characters are not those of the identity number on file")
    cookie = secrets.token_urlsafe(32)
    with services.transaction() as session:
        contract, invitation = lock_contract(session, subject), session.get_one(Invitation, digest(token))
        signing_session = SigningSession(
            id=new_id(),
            cookie_sha256=digest(cookie),
            invitation_sha256=invitation.token_sha256,
            document_sha256=contract.current_sha256,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
        session.add(signing_session)
        ceremony = stored_ceremony(contract)
        if ceremony.party(invitation.party_id).state is not PartyState.SIGNED:
            advance(contract, rules.identify(ceremony, invitation.party_id, signing_session.id, now))
        services.journal.append(session, "party-identified", subject=contract.id, actor=invitation.person_id, body={})
    return cookie


def require_open(participant: Participant, now: datetime) -> None:
    """Raises InvitationClosed unless the contract still waits for signatures."""
    ceremony = participant.ceremony
    if ceremony.state is not CeremonyState.SENT:
        raise InvitationClosed(f"the contract is {ceremony.state}")
    if now >= ceremony.expires_at:
        raise InvitationClosed("the invitation has expired")


def journal_step(
    services: Services, session: Session, kind: str, participant: Participant, body: dict[str, Any]
) -> None:
    """Journal what the party did with the contract."""
    services.journal.append(
        session, kind, subject=participant.contract.id, actor=participant.invitation.person_id, body=body
    )


def lock_invitation(session: Session, token_sha256: bytes, now: datetime) -> Invitation:
    """The invitation, for one attempt after the other, however many come at once. Raises SigningLocked.

    The lock lets rows that refer to it be added (FOR NO KEY UPDATE).
    """
    lock = {"of": Invitation, "key_share": True}
    invitation = session.get_one(Invitation, token_sha256, populate_existing=True, with_for_update=lock)
    if invitation.locked_until is not None and invitation.locked_until > now:
        raise SigningLocked("too many failures")
    return invitation


def count_attempt(invitation: Invitation, good: bool, now: datetime) -> None:
    """The fifth failure without a success locks; a success forgets them, and so does the end of a lock."""
    earlier = 0 if invitation.locked_until is not None else invitation.failed_attempts
    invitation.failed_attempts = 0 if good else earlier + 1
    invitation.locked_until = now + LOCK if invitation.failed_attempts >= MOST_FAILURES else None
