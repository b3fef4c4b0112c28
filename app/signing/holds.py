"""Legal hold (法律保全): what is in dispute is not deleted, whatever its retention says. Two persons lift a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import decisions
from app.identity.models import Account, Decision, Role
from app.problems import Conflict, NotFound
from app.signing.models import ContractHold, ContractParty
from app.signing.stored import lock_contract

if TYPE_CHECKING:
    from app.wiring import Services

LIFT = "lift-contract-hold"


def place_hold(
    services: Services, session: Session, *, contract_id: str, reason: str, account: Account
) -> ContractHold:
    """Keep everything of a contract from now on. Raises NotFound, Conflict (deleted already)."""
    contract = lock_contract(session, contract_id)
    if contract.deleted_at is not None:
        raise Conflict("the contract was deleted after its retention period")
    hold = ContractHold(
        id=new_id(), contract_id=contract_id, reason=reason, placed_by=account.id, placed_at=services.clock()
    )
    session.add(hold)
    services.journal.append(session, "contract-held", subject=contract_id, actor=account.id, body={"hold": hold.id})
    return hold


def propose_lifting(services: Services, session: Session, *, hold_id: str, reason: str, account: Account) -> Decision:
    """Ask another compliance officer to lift a hold. Raises NotFound, NotAllowed."""
    hold = _standing(session, hold_id)
    payload = {"hold": hold.id, "contract": hold.contract_id}
    return decisions.propose(services, session, LIFT, payload, reason, account)


@decisions.carries_out(LIFT, by=(Role.COMPLIANCE_OFFICER,))
def _lift(services: Services, session: Session, decision: Decision) -> None:
    hold = _standing(session, decision.payload["hold"])
    hold.lifted_at, hold.lifted_by, hold.lifting_reason = services.clock(), decision.decided_by, decision.reason
    services.journal.append(
        session,
        "contract-released",
        subject=hold.contract_id,
        actor=decision.decided_by or "",
        body={"hold": hold.id, "decision": decision.id},
    )


def list_holds(session: Session, contract_id: str) -> list[ContractHold]:
    """All holds of a contract, the newest first; those that stand have no `lifted_at`."""
    query = select(ContractHold).where(ContractHold.contract_id == contract_id)
    return list(session.scalars(query.order_by(ContractHold.id.desc())))


def is_held(session: Session, contract_id: str) -> bool:
    """Whether a hold stands on the contract."""
    standing = select(ContractHold.id).where(ContractHold.contract_id == contract_id, ContractHold.lifted_at.is_(None))
    return session.scalar(standing.limit(1)) is not None


def is_person_held(session: Session, person_id: str) -> bool:
    """Whether a hold stands on any contract that the person signs: then what is known of the person stays as well."""
    standing = (
        select(ContractHold.id)
        .join(ContractParty, ContractParty.contract_id == ContractHold.contract_id)
        .where(ContractParty.person_id == person_id, ContractHold.lifted_at.is_(None))
    )
    return session.scalar(standing.limit(1)) is not None


def _standing(session: Session, hold_id: str) -> ContractHold:
    hold = session.get(ContractHold, hold_id, with_for_update=True)
    if hold is None or hold.lifted_at is not None:
        raise NotFound("no such hold stands")
    return hold
