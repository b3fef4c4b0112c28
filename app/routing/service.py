"""Use cases of routing in the order in which they happen: resolve, confirm, review what was confirmed, replay."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.db import new_id
from app.problems import Conflict, InvalidInput, NotFound
from app.routing import directories, trained
from app.routing.accounts import mask_account
from app.routing.directories import (
    current_directory,
    directory_as_known,
    get_version,
    load_sandbox_directory,
    open_directory,
)
from app.routing.messages import resolution_body
from app.routing.models import RoutingAlias, RoutingDecision
from app.routing.normalise import normalise
from app.routing.problems import DirectoryMissing
from app.routing.recognition import FindAlias, Recogniser
from app.routing.resolution import MAX_TEXT, POLICY_VERSION, Resolution, RoutingQuery, words_of
from app.wiring import Services

__all__ = ["load_sandbox_directory", "prepare", "resolve"]  # whoever sets a service up asks here too
log = logging.getLogger(__name__)
_AT_ONCE = 16  # queries between two moments in which other requests of this worker get their turn
PROPOSED, IN_FORCE, REJECTED, WITHDRAWN = "proposed", "in-force", "rejected", "withdrawn"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A stored answer and the one that the same directory and model give now."""

    decision: RoutingDecision
    again: dict[str, Any]

    @property
    def is_same(self) -> bool:
        """Whether both are alike."""
        return self.decision.answer == self.again


def prepare(services: Services) -> None:
    """Have directory and model at hand before the first request. A door starts without them where there are none."""
    try:
        directories.prepare(services)
        with services.reading() as session:
            trained.current_model(services, session)
    except DirectoryMissing:
        log.info("no bank directory is loaded")
    except SQLAlchemyError:
        log.exception("the bank directory could not be prepared")


def resolve(services: Services, session: Session, query: RoutingQuery) -> Resolution:
    """Recognise with what is in force today. Stores nothing.

    Raises DirectoryMissing; odd input is answered, never raised.
    """
    return resolve_many(services, session, [query])[0]


def resolve_many(services: Services, session: Session, queries: Sequence[RoutingQuery]) -> list[Resolution]:
    """As `resolve` for many at once; other requests of the worker go on in between."""
    recogniser = current_recogniser(services, session)
    found = []
    for number, query in enumerate(queries, 1):
        found.append(recogniser.recognise(query))
        if number % _AT_ONCE == 0:
            time.sleep(0)
    return found


def current_recogniser(services: Services, session: Session) -> Recogniser:
    """Directory, model and aliases in force today, for many questions of one transaction.

    Ask with all that is known, `RoutingQuery(bank_text, clearing_code, account=…, payee=name, amount_minor=…)`: the
    account votes for the bank, the payee's name may have the city, the amount (fen) sets how sure an automatic answer
    must be. Only `branch` of a resolution may be paid to; `bank` may be sure where the branch is not. Raises
    DirectoryMissing; its kind DirectoryPreparing passes within seconds.
    """
    directory, model = current_directory(services, session), trained.current_model(services, session)
    return Recogniser(directory, model, services.settings.home_bank, _aliases_at(session, services.clock()))


def resolve_on(services: Services, session: Session, query: RoutingQuery, on: date) -> Resolution:
    """Recognise with the directory of a day, with the model of today. Raises DirectoryMissing."""
    directory = open_directory(services, session, get_version(session, on))
    model = trained.current_model(services, session)
    return Recogniser(directory, model, services.settings.home_bank).recognise(query)


def record(
    services: Services, session: Session, asked: Sequence[tuple[RoutingQuery, Resolution]], actor: str
) -> list[Resolution]:
    """Store answers with all that they depended on. Returns them with their names."""
    now = services.clock()
    named = [(query, replace(resolution, decision_id=new_id())) for query, resolution in asked]
    for query, resolution in named:
        session.add(
            RoutingDecision(
                id=resolution.decision_id,
                asked_at=now,
                asked_by=actor,
                query=_stored_query(query),
                answer=_stored_answer(resolution),
                directory_version=resolution.directory_version,
                directory_digest=resolution.directory_digest,
                model_version=resolution.model_version,
                policy_version=resolution.policy_version,
            )
        )
    return [resolution for _, resolution in named]


def confirm(services: Services, session: Session, decision_id: str, clearing_code: str, actor: str) -> RoutingAlias:
    """Somebody chose a branch for what was asked: proposed as an alias for an officer to review.

    Only who asked may choose, and only among the candidates. Raises NotFound, InvalidInput, Conflict.
    """
    decision = session.get(RoutingDecision, decision_id)
    if decision is None or decision.asked_by != actor:
        raise NotFound("no such decision")
    chosen = next((c for c in decision.answer["candidates"] if c["clearing_code"] == clearing_code), None)
    if chosen is None:
        raise InvalidInput("not among the candidates")
    query = RoutingQuery(**decision.query)
    if not normalise(query.text):
        raise Conflict("there are no words to remember")
    words, now = words_of(query), services.clock()
    alias = session.scalar(
        select(RoutingAlias).where(
            RoutingAlias.words == words,
            RoutingAlias.code == clearing_code,
            RoutingAlias.state.in_([PROPOSED, IN_FORCE]),
        )
    )
    if alias is None:
        alias = RoutingAlias(
            id=new_id(), words=words, text=query.text[:MAX_TEXT], city=query.city, code=clearing_code,
            name=chosen["name"], state=PROPOSED, confirmations=0, proposed_at=now, proposed_by=actor,
        )  # fmt: skip
        session.add(alias)
    alias.confirmations += 1
    session.flush()
    _journal(services, session, "routing-choice-confirmed", alias, actor)
    return alias


def review(services: Services, session: Session, alias_id: str, *, accept: bool, officer: str) -> RoutingAlias:
    """An officer takes over or rejects what was proposed, or withdraws (not `accept`) what is in force.

    Two meanings of the same words are never in force at once. Raises NotFound, Conflict.
    """
    alias = session.get(RoutingAlias, alias_id)
    if alias is None:
        raise NotFound("no such alias")
    now = services.clock()
    if alias.state == PROPOSED:
        if accept and _in_force(session, alias.words):
            raise Conflict("these words already stand for another branch")
        alias.state = IN_FORCE if accept else REJECTED
        alias.decided_at, alias.decided_by = now, officer
        kind = "routing-alias-accepted" if accept else "routing-alias-rejected"
    elif alias.state == IN_FORCE and not accept:
        alias.state, alias.withdrawn_at = WITHDRAWN, now
        kind = "routing-alias-withdrawn"
    else:
        raise Conflict(f"it is {alias.state}")
    _journal(services, session, kind, alias, officer)
    return alias


def list_aliases(session: Session, limit: int = 200) -> list[RoutingAlias]:
    """What waits for review first, then what is in force, newest first."""
    statement = select(RoutingAlias).order_by(
        RoutingAlias.state != PROPOSED, RoutingAlias.state != IN_FORCE, RoutingAlias.proposed_at.desc()
    )
    return list(session.scalars(statement.limit(limit)))


def replay(services: Services, session: Session, decision_id: str) -> Replayed:
    """Decide again as it was then, with the directory, model and aliases of that moment.

    Raises NotFound where one of them cannot be had back unchanged.
    """
    decision = session.get(RoutingDecision, decision_id)
    if decision is None:
        raise NotFound("no such decision")
    if decision.policy_version != POLICY_VERSION:
        raise NotFound(f"decided by the rules {decision.policy_version}; this program has {POLICY_VERSION}")
    directory = directory_as_known(
        services, session, decision.directory_version, decision.directory_digest, decision.asked_at
    )
    model = trained.get_model(services, session, decision.model_version)
    home_bank = str(decision.answer["home_bank"])
    recogniser = Recogniser(directory, model, home_bank, _aliases_at(session, decision.asked_at))
    return Replayed(decision, _stored_answer(recogniser.recognise(RoutingQuery(**decision.query))))


def _stored_query(query: RoutingQuery) -> dict[str, Any]:
    return {
        "text": query.text[: MAX_TEXT + 1],
        "clearing_code": (query.clearing_code or "")[:64] or None,
        "city": query.city,
        "account": mask_account(query.account) if query.account else None,
        "payee": query.payee,
        "amount_minor": query.amount_minor,
    }


def _stored_answer(resolution: Resolution) -> dict[str, Any]:
    body = resolution_body(resolution)
    del body["decision_id"]
    return {**body, "home_bank": resolution.home_bank}


def _aliases_at(session: Session, at: datetime) -> FindAlias:
    """What reviewed aliases say at a moment."""

    def find(words: str) -> str | None:
        alias = RoutingAlias
        statement = select(alias.code).where(
            alias.words == words,
            alias.state.in_([IN_FORCE, WITHDRAWN]),
            alias.decided_at <= at,
            or_(alias.withdrawn_at.is_(None), alias.withdrawn_at > at),
        )
        return session.scalar(statement.limit(1))

    return find


def _in_force(session: Session, words: str) -> bool:
    statement = select(RoutingAlias.id).where(RoutingAlias.words == words, RoutingAlias.state == IN_FORCE)
    return session.scalar(statement.limit(1)) is not None


def _journal(services: Services, session: Session, kind: str, alias: RoutingAlias, actor: str) -> None:
    body = {"words": alias.words, "clearing_code": alias.code, "confirmations": alias.confirmations}
    services.journal.append(session, kind, subject=alias.id, actor=actor, body=body)
