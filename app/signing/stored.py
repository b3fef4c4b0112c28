"""A contract's ceremony as it is stored: locked, moved on, and rows that are spent once."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.problems import NotFound
from app.signing.models import Contract, PendingSigning, Revision
from contracts import ceremony as rules
from contracts.ceremony import Ceremony, CeremonyState


def lock_contract(session: Session, contract_id: str) -> Contract:
    """The contract as it is once nobody else changes it, whatever this session had read of it before."""
    query = select(Contract).where(Contract.id == contract_id).with_for_update(of=Contract, key_share=True)
    contract = session.scalars(query, execution_options={"populate_existing": True}).first()
    if contract is None:
        raise NotFound("no such contract")
    return contract


def stored_ceremony(contract: Contract) -> Ceremony:
    """The ceremony of a contract. Raises what `contracts.ceremony.from_dict` raises."""
    return rules.from_dict(contract.ceremony)


def advance(contract: Contract, ceremony: Ceremony) -> None:
    """Store the ceremony after a transition; the columns by which contracts are searched follow it."""
    contract.ceremony = rules.to_dict(ceremony)
    contract.state = ceremony.state
    if ceremony.state not in {CeremonyState.DRAFT, CeremonyState.SENT}:
        contract.ended_at = ceremony.changed_at


def add_revision(
    session: Session, contract_id: str, sha256: str, kind: str, at: datetime, party_id: str | None = None
) -> None:
    """Write down a revision that was put into the document store: "prepared", "signed", "sealed" or "renewed"."""
    session.add(Revision(contract_id=contract_id, sha256=sha256, kind=kind, party_id=party_id, stored_at=at))


def spend_once(session: Session, pending_id: str, now: datetime) -> bool:
    """Mark a signature in the making as used; False when somebody else was first."""
    unused = update(PendingSigning).where(PendingSigning.id == pending_id, PendingSigning.used_at.is_(None))
    spent = session.execute(unused.values(used_at=now))
    return bool(spent.rowcount == 1)  # type: ignore[attr-defined]


def digest(token: str) -> bytes:
    """What is stored in place of a link's token or a cookie (SHA-256)."""
    return hashlib.sha256(token.encode()).digest()
