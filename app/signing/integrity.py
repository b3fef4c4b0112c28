"""Whether the store holds what the database speaks of, intact; and what lies there that nothing speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.problems import NotFound, Unavailable
from app.proofing.models import FaceCheck
from app.signing.models import Contract, Revision, Upload

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class StoreReport:
    """How many documents are as they should be, and the digests of those that are not."""

    good: int
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    unknown: tuple[str, ...]
    """In the store, and named by nothing: left by a process that was killed between storing and committing."""

    @property
    def whole(self) -> bool:
        """Whether everything that is spoken of is there and intact."""
        return not self.missing and not self.damaged


def check_store(services: Services) -> StoreReport:
    """Open every document that the database names. Reads everything: minutes for a large store."""
    with services.reading() as session:
        named = _named(session)
    good, missing, damaged = 0, [], []
    for sha256 in sorted(named):
        try:
            services.documents.get(sha256)
            good += 1
        except NotFound:
            missing.append(sha256)
        except Unavailable:
            damaged.append(sha256)
    unknown = sorted(set(services.documents.names()) - named)
    return StoreReport(good, tuple(missing), tuple(damaged), tuple(unknown))


def _named(session: Session) -> set[str]:
    revisions = select(Revision.sha256).join(Contract, Contract.id == Revision.contract_id)
    queries = (
        revisions.where(Contract.erased_at.is_(None)),
        select(FaceCheck.pictures_sha256).where(FaceCheck.pictures_sha256.is_not(None)),
        select(Upload.original_sha256).where(Upload.state != "refused", Upload.contract_id.is_(None)),
        select(Upload.accepted_sha256).where(Upload.accepted_sha256.is_not(None), Upload.contract_id.is_(None)),
    )
    return {sha256 for query in queries for sha256 in session.scalars(query) if sha256 is not None}
