"""Withdrawal of the consent to face information: the person's data key is destroyed, unless the law holds it.

Signatures stay valid, and their evidence roots stay provable from the hashes of the leaves; what the leaves were of is
gone, in every copy and every backup. A legal hold wins: the withdrawal is recorded and carried out when none stands.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import decisions, persons
from app.identity.models import Account, Decision, Role
from app.proofing.acts import record_act
from app.proofing.problems import AlreadyHeld
from app.proofing.records import ConsentWithdrawal, PersonHold
from app.signing.holds import is_person_held

if TYPE_CHECKING:
    from app.wiring import Services

LIFT: Final = "lift-person-hold"


def withdraw_consent(services: Services, person_id: str, *, actor: str) -> ConsentWithdrawal:
    """Record the withdrawal and carry it out at once where nothing holds the person. Repeating it is harmless.

    Opens its own transactions, because what is recorded must survive whatever comes after. Raises NotFound.
    """
    with services.transaction() as session:
        persons.lock_person(session, person_id)
        if session.get(ConsentWithdrawal, person_id) is None:
            session.add(ConsentWithdrawal(person_id=person_id, asked_by=actor, asked_at=services.clock()))
            services.journal.append(session, "consent-withdrawn", subject=person_id, actor=actor, body={})
    execute_withdrawal(services, person_id)
    with services.reading() as session:
        return session.get_one(ConsentWithdrawal, person_id)


def execute_withdrawal(services: Services, person_id: str) -> bool:
    """Destroy the data key if the withdrawal is recorded, not carried out, and nothing holds it. Whether it did.

    The key goes first and the note of it second: after a crash in between the next call destroys nothing and notes it.
    """
    with services.transaction() as session:
        person = persons.lock_person(session, person_id)
        withdrawal = session.get(ConsentWithdrawal, person_id, populate_existing=True)
        if withdrawal is None or withdrawal.executed_at is not None or is_held(session, person_id):
            return False
        services.person_keys.destroy(person_id)
        withdrawal.executed_at = person.forgotten_at = services.clock()
        person.portrait_sealed = person.portrait_assurance = None
        person.identity_lookup = secrets.token_bytes(32)  # who registers again is another row
        services.journal.append(session, "person-forgotten", subject=person_id, actor=withdrawal.asked_by, body={})
    return True


def execute_waiting(services: Services) -> int:
    """Carry out what a hold or a crash left; the jobs process calls it. Returns how many."""
    with services.reading() as session:
        waiting = session.scalars(
            select(ConsentWithdrawal.person_id).where(ConsentWithdrawal.executed_at.is_(None)).limit(500)
        ).all()
    return sum(execute_withdrawal(services, person_id) for person_id in waiting)


def is_held(session: Session, person_id: str) -> bool:
    """Whether a legal hold stands on the person, or on a contract that the person signs."""
    return find_hold(session, person_id) is not None or is_person_held(session, person_id)


def find_hold(session: Session, person_id: str) -> PersonHold | None:
    """The hold that stands on the person, or None."""
    query = select(PersonHold).where(PersonHold.person_id == person_id, PersonHold.lifted_at.is_(None))
    return session.scalars(query).first()


def find_withdrawal(session: Session, person_id: str) -> ConsentWithdrawal | None:
    """The person's withdrawal, or None."""
    return session.get(ConsentWithdrawal, person_id)


def place_hold(services: Services, session: Session, person_id: str, *, reason: str, account: Account) -> PersonHold:
    """Keep everything about the person until the hold is lifted. Raises NotFound, AlreadyHeld."""
    person = persons.lock_person(session, person_id)
    if find_hold(session, person_id) is not None or person.forgotten_at is not None:
        raise AlreadyHeld("a hold stands already, or there is nothing left to hold")
    hold = PersonHold(id=new_id(), person_id=person_id, placed_by=account.id, placed_at=services.clock())
    session.add(hold)
    record_act(services, session, "person-hold-placed", person_id, reason, account.id)
    return hold


def propose_lifting(services: Services, session: Session, person_id: str, *, reason: str, account: Account) -> Decision:
    """Ask a second officer to lift the hold. Raises NotFound, AlreadyHeld, NotAllowed."""
    hold = find_hold(session, person_id)
    if hold is None:
        raise AlreadyHeld("no hold stands")
    return decisions.propose(services, session, LIFT, {"hold": hold.id, "subject": person_id}, reason, account)


@decisions.carries_out(LIFT, by=(Role.COMPLIANCE_OFFICER,))
def _lift(services: Services, session: Session, decision: Decision) -> None:
    person_id = decision.payload["subject"]
    persons.lock_person(session, person_id)
    lifted = session.execute(
        update(PersonHold)
        .where(PersonHold.id == decision.payload["hold"], PersonHold.lifted_at.is_(None))
        .values(lifted_by=decision.decided_by, lifted_at=services.clock())
    )
    if lifted.rowcount != 1:  # type: ignore[attr-defined]
        raise AlreadyHeld("the hold was lifted before")
    # A withdrawal that waited is carried out by the jobs process, once this is committed.
    services.journal.append(session, "person-hold-lifted", subject=person_id, actor=decision.decided_by or "", body={})
