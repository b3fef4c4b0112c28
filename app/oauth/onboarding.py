"""Platforms proposed by the bank's own onboarding system, and registered once an operator has confirmed (复核).

The system is an application of the bank whose only scope is `onboarding`: it can propose, ask, and fetch registration
codes for platforms that it proposed itself. No machine alone makes a platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import service as identity
from app.identity.models import Account, DecisionState, Tenant, TenantKind
from app.identity.problems import AlreadyDecided
from app.oauth import registration
from app.oauth.messages import PlatformDocument
from app.oauth.models import PlatformRegistration
from app.oauth.problems import PlatformNotConfirmed
from app.problems import Conflict, NotFound

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class RegistrationCode:
    """What lets a platform register one application by `/oauth/register`; told once."""

    code: str
    expires_at: datetime


def propose_platform(
    services: Services, session: Session, application_id: str, asked: PlatformDocument
) -> PlatformRegistration:
    """Keep the proposal; the same one again is the one that there is.

    Raises Conflict where its name is taken by another proposal, or the organization is registered already.
    """
    found = _find(session, application_id, asked.registration_id)
    if found is None:
        if session.scalar(select(Tenant.id).where(Tenant.uscc == asked.uscc)):
            raise Conflict("an organization with this unified social credit code is registered")
        found = _add(services, session, application_id, asked)
    if (found.name, found.uscc) != (asked.name, asked.uscc):
        raise Conflict("another platform was proposed under this registration_id")
    return found


def get_registration(session: Session, application_id: str, registration_id: str) -> PlatformRegistration:
    """What this application proposed under that name. Raises NotFound, also for proposals of others."""
    found = _find(session, application_id, registration_id)
    if found is None:
        raise NotFound("there is no such proposal")
    return found


def hand_out_code(services: Services, session: Session, application_id: str, registration_id: str) -> RegistrationCode:
    """A registration code for a confirmed platform. Raises NotFound, PlatformNotConfirmed."""
    found = get_registration(session, application_id, registration_id)
    if found.tenant_id is None:
        raise PlatformNotConfirmed("no operator has confirmed this platform")
    code = registration.make_code(services, found.tenant_id)
    services.journal.append(
        session,
        "registration-code-made",
        subject=found.tenant_id,
        actor=application_id,
        body={"registration": found.id},
    )
    return RegistrationCode(code, services.clock() + registration.CODE_LIFETIME)


def list_registrations(session: Session, *, limit: int = 100) -> list[PlatformRegistration]:
    """Open ones first, then newest first."""
    query = select(PlatformRegistration).order_by(
        PlatformRegistration.state != DecisionState.PROPOSED, PlatformRegistration.id.desc()
    )
    return list(session.scalars(query.limit(limit)))


def confirm_platform(services: Services, session: Session, proposal_id: str, account: Account) -> Tenant:
    """Register the platform. Raises NotFound, AlreadyDecided, TenantExists; then nothing happened."""
    found = _decide(services, session, proposal_id, account, DecisionState.CONFIRMED)
    tenant = identity.create_tenant(
        services, session, kind=TenantKind.PLATFORM, name=found.name, uscc=found.uscc, actor=account.id
    )
    found.tenant_id = tenant.id
    return tenant


def reject_platform(services: Services, session: Session, proposal_id: str, account: Account) -> None:
    """Close the proposal without effect. Raises NotFound, AlreadyDecided."""
    _decide(services, session, proposal_id, account, DecisionState.REJECTED)


def _find(session: Session, application_id: str, registration_id: str) -> PlatformRegistration | None:
    return session.scalars(
        select(PlatformRegistration).where(
            PlatformRegistration.application_id == application_id,
            PlatformRegistration.registration_id == registration_id,
        )
    ).first()


def _add(services: Services, session: Session, application_id: str, asked: PlatformDocument) -> PlatformRegistration:
    made = PlatformRegistration(
        id=new_id(),
        application_id=application_id,
        registration_id=asked.registration_id,
        name=asked.name,
        uscc=asked.uscc,
        state=DecisionState.PROPOSED,
        asked_at=services.clock(),
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # the same proposal came in at the same time
        return get_registration(session, application_id, asked.registration_id)
    body = {"uscc": asked.uscc}
    services.journal.append(session, "platform-proposed", subject=made.id, actor=application_id, body=body)
    return made


def _decide(
    services: Services, session: Session, proposal_id: str, account: Account, state: DecisionState
) -> PlatformRegistration:
    found = session.get(PlatformRegistration, proposal_id)
    if found is None:
        raise NotFound("there is no such proposal")
    # The condition, not the read above, lets exactly one decide.
    decided = session.scalar(
        update(PlatformRegistration)
        .where(PlatformRegistration.id == proposal_id, PlatformRegistration.state == DecisionState.PROPOSED)
        .values(state=state, decided_by=account.id, decided_at=services.clock())
        .returning(PlatformRegistration.id)
    )
    if decided is None:
        raise AlreadyDecided("this was decided before")
    session.refresh(found)
    services.journal.append(session, f"platform-{state}", subject=found.id, actor=account.id, body={"uscc": found.uscc})
    return found
