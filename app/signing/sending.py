"""A contract goes to its parties: one link each, told once; sent anew where one was lost; withdrawn by the sender."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.identity.models import Person
from app.problems import NotFound
from app.proofing.enterprises import require_confirmed
from app.signing.models import Contract, Invitation
from app.signing.problems import InvitationClosed, OwnPortrait
from app.signing.stored import advance, digest, lock_contract, stored_ceremony
from contracts import ceremony as rules
from contracts.ceremony import CeremonyState, PartyState
from contracts.errors import IllegalTransition

if TYPE_CHECKING:
    from app.wiring import Services


def send(services: Services, session: Session, *, contract_id: str, actor: str) -> dict[str, str]:
    """Send a draft and return the signing link of every party, which is told once.

    Raises NotFound, IllegalTransition, OwnPortrait, EnterpriseNotConfirmed.
    """
    contract = lock_contract(session, contract_id)
    advance(contract, rules.send(stored_ceremony(contract), services.clock()))
    return {
        party.party_id: _invite(services, session, contract, party.party_id, party.person_id, actor)
        for party in contract.parties
    }


def resend(services: Services, session: Session, *, contract_id: str, party_id: str, actor: str) -> str:
    """A new link for one party; the former ones are worth nothing from now on.

    Raises NotFound, InvitationClosed, IllegalTransition (the party has signed), UnknownParty, OwnPortrait,
    EnterpriseNotConfirmed.
    """
    contract = lock_contract(session, contract_id)
    ceremony, now = stored_ceremony(contract), services.clock()
    if ceremony.state is not CeremonyState.SENT or now >= ceremony.expires_at:
        raise InvitationClosed(f"the contract is {ceremony.state}")
    if ceremony.party(party_id).state is PartyState.SIGNED:
        raise IllegalTransition("the party has signed")
    session.execute(
        update(Invitation)
        .where(Invitation.contract_id == contract_id, Invitation.party_id == party_id, Invitation.replaced_at.is_(None))
        .values(replaced_at=now)
    )
    person_id = next(party.person_id for party in contract.parties if party.party_id == party_id)
    return _invite(services, session, contract, party_id, person_id, actor)


def void(services: Services, session: Session, *, contract_id: str, reason: str, actor: str) -> Contract:
    """The sender withdraws the contract before all have signed. Raises NotFound, IllegalTransition."""
    contract = lock_contract(session, contract_id)
    advance(contract, rules.void(stored_ceremony(contract), reason, services.clock()))
    services.journal.append(session, "contract-voided", subject=contract_id, actor=actor, body={})
    return contract


def _invite(services: Services, session: Session, contract: Contract, party_id: str, person_id: str, actor: str) -> str:
    person = session.scalars(select(Person).where(Person.id == person_id)).first()
    if person is None:
        raise NotFound("nobody to invite")
    if person.portrait_set_by == actor:
        raise OwnPortrait("whoever set the portrait does not also send the contract")
    require_confirmed(session, person_id)
    token = secrets.token_urlsafe(24)
    session.add(
        Invitation(
            token_sha256=digest(token),
            contract_id=contract.id,
            party_id=party_id,
            person_id=person_id,
            created_at=services.clock(),
            expires_at=contract.expires_at,
        )
    )
    services.journal.append(session, "contract-sent", subject=contract.id, actor=actor, body={"party": party_id})
    return f"{services.settings.people_url}/sign/{token}"
