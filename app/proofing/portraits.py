"""A portrait from a photographed identity document: cut out, looked at by an officer, and only then compared with.

Whoever forges a document puts a face of their own on it. Such a portrait is of low assurance for ever, and it is no
reference portrait before somebody else than the uploader has compared it with the document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.identity.models import Account, Person, Tenant
from app.problems import NotFound
from app.proofing import tasks
from app.proofing.acts import record_act
from app.proofing.problems import OwnUpload, ReviewClosed
from app.proofing.records import PortraitReview, ReviewState
from kyc.ports import Assurance
from kyc.sealing import open_sealed, seal

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class OpenedReview:
    """What an officer looks at; the pictures are JPEG files."""

    review: PortraitReview
    person: persons.PersonFacts
    enterprise: str
    document: bytes = field(repr=False)
    portrait: bytes = field(repr=False)


def submit_document(services: Services, person_id: str, photograph: bytes, *, actor: str) -> PortraitReview:
    """Cut the portrait and put it up for review; an earlier one that still waits is replaced.

    Opens its own transactions, because the workshop takes a moment. Raises NotFound, ImageRejected and
    DocumentRejected, whose `code` tells the person what to do better.
    """
    taken = services.workshop.run(tasks.take_portrait, photograph)
    review_id = new_id()
    document_sealed = seal(services.person_keys.create(review_id), taken.document, _context(review_id))
    with services.transaction() as session:
        person = persons.lock_person(session, person_id)
        waiting = select(PortraitReview).where(
            PortraitReview.person_id == person.id, PortraitReview.state == ReviewState.WAITING
        )
        for earlier in session.scalars(waiting):
            _close(services, session, earlier, ReviewState.REPLACED, actor)
        review = PortraitReview(
            id=review_id,
            person_id=person.id,
            state=ReviewState.WAITING,
            document_sealed=document_sealed,
            portrait_sealed=persons.seal_for(services, session, person.id, taken.portrait, f"review:{review_id}"),
            uploaded_by=actor,
            uploaded_at=services.clock(),
        )
        session.add(review)
        services.journal.append(
            session, "document-uploaded", subject=person.id, actor=actor, body={"review": review_id}
        )
    return review


def list_waiting(services: Services, session: Session) -> list[tuple[PortraitReview, persons.PersonFacts, Tenant]]:
    """Reviews that wait, the oldest first, with whom they are about."""
    query = (
        select(PortraitReview, Person)
        .join(Person, Person.id == PortraitReview.person_id)
        .where(PortraitReview.state == ReviewState.WAITING)
        .order_by(PortraitReview.id)
        .limit(200)
    )
    rows = [(review, person.tenant) for review, person in session.execute(query)]
    facts = persons.find_facts(services, session, {review.person_id for review, _ in rows})
    return [(review, facts[review.person_id], tenant) for review, tenant in rows if review.person_id in facts]


def waiting_persons(session: Session) -> frozenset[str]:
    """The identifiers of everyone about whom a review waits."""
    query = select(PortraitReview.person_id).where(PortraitReview.state == ReviewState.WAITING)
    return frozenset(session.scalars(query))


def open_review(services: Services, session: Session, review_id: str, *, actor: str) -> OpenedReview:
    """The document and the portrait for the officer's eyes; that they were opened is journaled.

    Raises NotFound, ReviewClosed.
    """
    review = _get(session, review_id)
    if review.document_sealed is None or review.portrait_sealed is None:
        raise ReviewClosed("this review is closed and its pictures are destroyed")
    person = session.get_one(Person, review.person_id)
    key = services.person_keys.get(review.id)
    services.journal.append(session, "document-opened", subject=person.id, actor=actor, body={"review": review.id})
    return OpenedReview(
        review=review,
        person=persons.get_person_facts(services, session, person.id),
        enterprise=person.tenant.name,
        document=open_sealed(key, review.document_sealed, _context(review.id)),
        portrait=persons.open_for(services, session, person.id, review.portrait_sealed, f"review:{review.id}"),
    )


def accept_portrait(services: Services, session: Session, review_id: str, *, reason: str, account: Account) -> None:
    """The portrait is that of the person and of the document: from now on it is compared with, marked low.

    Raises NotFound, OwnUpload, ReviewClosed.
    """
    review = _get(session, review_id)
    sealed = review.portrait_sealed
    _decide(services, session, review, ReviewState.ACCEPTED, account)
    image = persons.open_for(services, session, review.person_id, sealed or b"", f"review:{review.id}")
    # In the uploader's name, because whoever brought a portrait does not send the contract.
    persons.set_portrait(services, session, review.person_id, image, Assurance.LOW, review.uploaded_by)
    record_act(services, session, "portrait-accepted", review.person_id, reason, account.id)


def refuse_portrait(services: Services, session: Session, review_id: str, *, reason: str, account: Account) -> None:
    """It is not used. Raises NotFound, OwnUpload, ReviewClosed."""
    review = _get(session, review_id)
    _decide(services, session, review, ReviewState.REFUSED, account)
    record_act(services, session, "portrait-refused", review.person_id, reason, account.id)


def _decide(services: Services, session: Session, review: PortraitReview, state: ReviewState, account: Account) -> None:
    if review.uploaded_by == account.id:
        raise OwnUpload("whoever uploaded the document does not review it")
    persons.lock_person(session, review.person_id)
    _close(services, session, review, state, account.id)


def _close(services: Services, session: Session, review: PortraitReview, state: ReviewState, actor: str) -> None:
    # The condition lets exactly one decide, whoever read the row at the same time.
    closed = session.execute(
        update(PortraitReview)
        .where(PortraitReview.id == review.id, PortraitReview.state == ReviewState.WAITING)
        .values(
            state=state,
            decided_by=actor,
            decided_at=services.clock(),
            document_sealed=None,
            portrait_sealed=None,
        )
    )
    if closed.rowcount != 1:  # type: ignore[attr-defined]
        raise ReviewClosed("this review was decided before")
    # With its key the photograph is gone from every backup too. Should the transaction fail after this, it must be
    # uploaded again, which is the lesser evil.
    services.person_keys.destroy(review.id)


def _get(session: Session, review_id: str) -> PortraitReview:
    review = session.get(PortraitReview, review_id)
    if review is None:
        raise NotFound("no such review")
    return review


def _context(review_id: str) -> str:
    return f"{review_id}:document"
