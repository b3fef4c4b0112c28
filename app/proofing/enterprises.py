"""Whether an enterprise and its legal representative belong together: the register says so, and never its silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.identity.models import Person, Tenant
from app.proofing.acts import record_act
from app.proofing.records import EnterpriseCheck
from kyc.errors import EnterpriseNotConfirmed
from kyc.ports import EnterpriseElements, RegistryAnswer

if TYPE_CHECKING:
    from app.wiring import Services

ACCEPTED: Final = "accepted"  # by an officer, where the register did not confirm
_SUFFICIENT: Final = (str(RegistryAnswer.CONFIRMED), ACCEPTED)


def examine_enterprise(services: Services, person_id: str, *, actor: str) -> RegistryAnswer:
    """Ask the register about the person and the enterprise, and keep the answer.

    An officer's decision stands until the register says something that it did not say before; silence is nothing new.
    Opens its own transactions, because a register may be far away. Raises NotFound.
    """
    with services.reading() as session:
        facts = persons.get_person_facts(services, session, person_id)
        tenant = session.get_one(Tenant, facts.tenant_id)
    elements = EnterpriseElements(tenant.name, tenant.uscc, facts.name, facts.identity_number)
    answer = services.registry.compare(elements)
    with services.transaction() as session:
        if _is_news(session, person_id, answer):
            _keep(services, session, facts.person_id, tenant.id, str(answer), actor)
            services.journal.append(
                session, "enterprise-checked", subject=person_id, actor=actor, body={"answer": str(answer)}
            )
    return answer


def examine_signers(services: Services, person_ids: Iterable[str], *, actor: str) -> None:
    """Ask the register about everyone who is to sign. Raises NotFound, EnterpriseNotConfirmed."""
    for person_id in person_ids:
        examine_enterprise(services, person_id, actor=actor)
        with services.reading() as session:
            require_confirmed(session, person_id)


def require_confirmed(session: Session, person_id: str) -> None:
    """Raises EnterpriseNotConfirmed unless the register said yes, or an officer decided with a reason."""
    latest = find_latest(session, person_id)
    if latest is None or latest.answer not in _SUFFICIENT:
        raise EnterpriseNotConfirmed(f"the register answered {latest.answer if latest else RegistryAnswer.UNKNOWN}")


def accept_enterprise(services: Services, session: Session, person_id: str, *, reason: str, actor: str) -> None:
    """An officer takes the enterprise and its representative for proven, from documents that the reason names.

    Raises NotFound.
    """
    person = session.get(Person, person_id)
    facts = persons.get_person_facts(services, session, person_id)
    assert person is not None  # the facts were found
    _keep(services, session, facts.person_id, person.tenant_id, ACCEPTED, actor)
    record_act(services, session, "enterprise-accepted", person_id, reason, actor)


def find_latest(session: Session, person_id: str) -> EnterpriseCheck | None:
    """The newest word about this person and the enterprise, or None."""
    query = select(EnterpriseCheck).where(EnterpriseCheck.person_id == person_id)
    return session.scalars(query.order_by(EnterpriseCheck.id.desc()).limit(1)).first()


def latest_answers(session: Session) -> dict[str, str]:
    """The newest word about every person, by the person's identifier."""
    rows = session.execute(select(EnterpriseCheck.person_id, EnterpriseCheck.answer).order_by(EnterpriseCheck.id))
    return {row.person_id: row.answer for row in rows}


def _is_news(session: Session, person_id: str, answer: RegistryAnswer) -> bool:
    latest = find_latest(session, person_id)
    if latest is None or latest.answer != ACCEPTED:
        return latest is None or latest.answer != answer
    by_the_register = select(EnterpriseCheck.answer).where(
        EnterpriseCheck.person_id == person_id, EnterpriseCheck.answer != ACCEPTED
    )
    before = session.scalars(by_the_register.order_by(EnterpriseCheck.id.desc()).limit(1)).first()
    return answer is not RegistryAnswer.UNKNOWN and answer != before


def _keep(services: Services, session: Session, person_id: str, tenant_id: str, answer: str, actor: str) -> None:
    session.add(
        EnterpriseCheck(
            id=new_id(),
            person_id=person_id,
            tenant_id=tenant_id,
            answer=answer,
            checked_by=actor,
            checked_at=services.clock(),
        )
    )
