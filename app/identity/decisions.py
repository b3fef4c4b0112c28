"""Four eyes (双人复核): what one person proposes, another of the same tenant confirms, once.

A feature registers what a kind of decision does:

    @carries_out("revoke-certificate", by=(Role.CERTIFICATE_OFFICER,))
    def _revoke(services, session, decision): ...

`confirm` runs it in the very transaction that closes the decision: both happen or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.orm import Session, aliased

from app.db import new_id
from app.identity.models import Account, Decision, DecisionState, Role
from app.identity.problems import AlreadyDecided, OwnDecision
from app.problems import NotAllowed, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

    Act: TypeAlias = Callable[[Services, Session, Decision], Any]


@dataclass(frozen=True, slots=True)
class _Kind:
    act: Act
    by: frozenset[Role]  # empty: whoever has the proposer's role
    secret: frozenset[str]  # members of the payload that are forgotten once it is decided


_kinds: dict[str, _Kind] = {}


def carries_out(kind: str, *, by: Iterable[Role] = (), secret: Iterable[str] = ()) -> Callable[[Act], Act]:
    """Register what a confirmed decision of this kind runs, and the roles that propose and confirm it."""

    def register(act: Act) -> Act:
        if kind in _kinds:
            raise ValueError(f"two functions carry out {kind}")
        _kinds[kind] = _Kind(act, frozenset(by), frozenset(secret))
        return act

    return register


def propose(
    services: Services, session: Session, kind: str, payload: dict[str, Any], reason: str, account: Account
) -> Decision:
    """Ask for a second pair of eyes. The payload is JSON without secrets. Raises NotAllowed."""
    _check_role(kind, account.role, account.role)
    decision = Decision(
        id=new_id(),
        kind=kind,
        payload=payload,
        reason=reason,
        state=DecisionState.PROPOSED,
        proposed_by=account.id,
        proposed_at=services.clock(),
    )
    session.add(decision)
    session.flush()
    _journal(services, session, "decision-proposed", decision, account)
    return decision


def confirm(services: Services, session: Session, decision_id: str, account: Account) -> Any:
    """Close the decision and carry it out; returns what the registered function returns.

    Raises NotFound, NotAllowed, OwnDecision, AlreadyDecided, and what the function raises.
    Whatever is raised, nothing happened.
    """
    decision = _decide(services, session, decision_id, account, DecisionState.CONFIRMED, own_allowed=False)
    _journal(services, session, "decision-confirmed", decision, account)
    result = _kinds[decision.kind].act(services, session, decision)
    _forget_secrets(decision)
    return result


def reject(services: Services, session: Session, decision_id: str, account: Account) -> None:
    """Close the decision without carrying it out; the proposer may withdraw the own one this way.

    Raises NotFound, NotAllowed, AlreadyDecided.
    """
    decision = _decide(services, session, decision_id, account, DecisionState.REJECTED, own_allowed=True)
    _journal(services, session, "decision-rejected", decision, account)
    _forget_secrets(decision)


def list_decisions(
    session: Session, account: Account, *, limit: int = 100
) -> list[tuple[Decision, Account, Account | None]]:
    """(decision, proposer, decider) of what the account may decide, open ones first, then newest first."""
    kinds = [kind for kind, entry in _kinds.items() if not entry.by or account.role in entry.by]
    proposer, decider = aliased(Account), aliased(Account)
    rows = session.execute(
        select(Decision, proposer, decider)
        .join(proposer, proposer.id == Decision.proposed_by)
        .outerjoin(decider, decider.id == Decision.decided_by)
        .where(Decision.kind.in_(kinds), proposer.tenant_id == account.tenant_id)
        .order_by(Decision.state != DecisionState.PROPOSED, Decision.id.desc())
        .limit(limit)
    )
    return [
        (decision, first, second)
        for decision, first, second in rows
        if _kinds[decision.kind].by or first.role == account.role
    ]


def _decide(
    services: Services,
    session: Session,
    decision_id: str,
    account: Account,
    state: DecisionState,
    *,
    own_allowed: bool,
) -> Decision:
    decision = session.get(Decision, decision_id)
    proposer = session.get(Account, decision.proposed_by) if decision else None
    if decision is None or proposer is None or proposer.tenant_id != account.tenant_id:
        raise NotFound("no such decision")
    _check_role(decision.kind, account.role, proposer.role)
    if decision.proposed_by == account.id and not own_allowed:
        raise OwnDecision("another person has to confirm this")
    # The condition, not the read above, lets exactly one decide; on PostgreSQL two may come this far at once.
    decided = session.execute(
        update(Decision)
        .where(Decision.id == decision_id, Decision.state == DecisionState.PROPOSED)
        .values(state=state, decided_by=account.id, decided_at=services.clock())
    )
    if decided.rowcount != 1:  # type: ignore[attr-defined]
        raise AlreadyDecided("this was decided before")
    session.refresh(decision)
    return decision


def _forget_secrets(decision: Decision) -> None:
    secret = _kinds[decision.kind].secret
    decision.payload = {name: value for name, value in decision.payload.items() if name not in secret}


def _check_role(kind: str, role: Role, proposers_role: Role) -> None:
    allowed = _kinds[kind].by or {proposers_role}
    if role not in allowed:
        raise NotAllowed(f"{role} does not decide on {kind}")


def _journal(services: Services, session: Session, event: str, decision: Decision, account: Account) -> None:
    body = {"kind": decision.kind}
    services.journal.append(session, event, subject=decision.id, actor=account.id, body=body)
