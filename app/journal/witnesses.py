"""Witnesses: parties outside that saw a head, consistent with all they saw before, and signed that (C2SP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.certificates.problems import CosignatureRefused
from app.journal.models import JournalCosignature, JournalHead, JournalWitness
from app.problems import InvalidInput
from pki.checkpoint import verify_checkpoint, verify_cosignature
from pki.errors import InvalidCheckpoint

if TYPE_CHECKING:
    from app.wiring import Services

_MAXIMUM_NAME = 100


def add_witness(services: Services, session: Session, name: str, public_key: bytes, actor: str) -> None:
    """Keep this witness's cosignatures from now on. A name belongs to one key for ever. Raises InvalidInput."""
    if len(public_key) != 32 or not 1 <= len(name) <= _MAXIMUM_NAME or "+" in name or len(name.split()) != 1:
        raise InvalidInput("a name without blanks or '+', and 32 octets of an Ed25519 public key")
    if session.get(JournalWitness, name) is not None:
        raise InvalidInput("there is a witness of this name")
    session.add(JournalWitness(name=name, public_key=public_key, added_at=services.clock()))
    session.flush()
    body = {"public_key": public_key.hex()}
    services.journal.append(session, "witness-added", subject=name, actor=actor, body=body)


def add_cosignature(services: Services, session: Session, note: bytes) -> str:
    """Keep the line of a known witness under one of our heads; returns the witness's name.

    Raises CosignatureRefused, InvalidCheckpoint.
    """
    journal = services.journal
    log_key = services.hierarchy.log.key.public_key()
    assert isinstance(log_key, Ed25519PublicKey)  # as the hierarchy makes it
    checkpoint = verify_checkpoint(note, log_key, journal.origin)
    head = session.get(JournalHead, checkpoint.size)
    if head is None or head.root != checkpoint.root or checkpoint.origin != journal.origin:
        raise CosignatureRefused("this log has no such head")
    for witness in session.scalars(select(JournalWitness).order_by(JournalWitness.name)):
        line = _line_of(note, witness.name)
        if line is None:
            continue
        at = verify_cosignature(note, Ed25519PublicKey.from_public_bytes(witness.public_key), witness.name)
        row = {"size": head.size, "witness": witness.name, "line": line, "at": at}
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        session.execute(dialect.insert(JournalCosignature).values(row).on_conflict_do_nothing())
        return witness.name
    raise CosignatureRefused("no known witness cosigned it")


def cosigned(session: Session, head: JournalHead) -> str:
    """The head's note with the lines of its witnesses."""
    lines = session.scalars(
        select(JournalCosignature.line).where(JournalCosignature.size == head.size).order_by(JournalCosignature.witness)
    )
    return head.note + "".join(lines)


def verify_kept_cosignatures(session: Session, after: int, up_to: int) -> list[str]:
    """What is wrong with the cosignatures kept for heads of `after` < size <= `up_to`; empty when nothing is."""
    rows = session.execute(
        select(JournalHead.note, JournalCosignature, JournalWitness)
        .join(JournalCosignature, JournalCosignature.size == JournalHead.size)
        .join(JournalWitness, JournalWitness.name == JournalCosignature.witness)
        .where(JournalHead.size > after, JournalHead.size <= up_to)
    ).all()
    faults = []
    for note, kept, witness in rows:
        key = Ed25519PublicKey.from_public_bytes(witness.public_key)
        try:
            at = verify_cosignature((note + kept.line).encode(), key, witness.name)
        except InvalidCheckpoint:
            at = None
        if at != kept.at:
            faults.append(f"the cosignature of {witness.name} under the head of {kept.size} leaves is not good")
    return faults


def _line_of(note: bytes, name: str) -> str | None:
    lines = note.decode(errors="replace").splitlines(keepends=True)
    return next((line for line in lines if line.startswith(f"— {name} ") and line.endswith("\n")), None)
