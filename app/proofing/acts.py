"""What officers did and why: the reason is kept in a row, the journal binds it by a digest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.proofing.records import OfficerAct

if TYPE_CHECKING:
    from app.wiring import Services


def record_act(services: Services, session: Session, kind: str, subject: str, reason: str, actor: str) -> OfficerAct:
    """Keep the reason, and journal `kind` about `subject` with the digest of it.

    The digest is SHA-256 over the act's identifier, of which 80 bits are random, and the text: without the row nobody
    finds out what a short sentence was.
    """
    act = OfficerAct(id=new_id(), kind=kind, subject=subject, reason=reason.strip(), by=actor, at=services.clock())
    session.add(act)
    digest = hashlib.sha256(f"{act.id}{act.reason}".encode()).hexdigest()
    services.journal.append(session, kind, subject=subject, actor=actor, body={"act": act.id, "reason_sha256": digest})
    return act


def list_acts(session: Session, subject: str) -> list[OfficerAct]:
    """What officers did about this person or enterprise, newest first."""
    query = select(OfficerAct).where(OfficerAct.subject == subject).order_by(OfficerAct.id.desc()).limit(100)
    return list(session.scalars(query))
