"""What travels over the wire for routing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app.gateway.typed_documents import Document
from app.routing.resolution import Match, Resolution, RoutingQuery

MAX_QUERIES = 1000
MAX_BATCH = 256 * 1024  # what the gateway takes at all

AnyText = Annotated[str, Field(max_length=10_000)]
Short = Annotated[str, Field(max_length=64)]


class ResolveQuery(Document):
    """One question. Texts may be odd: recognition answers them with a reason.

    `city` and `payee` say where the payee may be, `account` votes for the bank, `amount_minor` (fen) sets how sure an
    automatic answer must be.
    """

    text: AnyText = ""
    clearing_code: Short | None = None
    city: Short | None = None
    account: Short | None = None
    payee: Annotated[str, Field(max_length=100)] | None = None
    amount_minor: Annotated[int, Field(ge=0)] | None = None

    def to_query(self) -> RoutingQuery:
        """As the pure functions take it."""
        return RoutingQuery(self.text, self.clearing_code, self.city, self.account, self.payee, self.amount_minor)


class ResolveRequest(ResolveQuery):
    """The JSON body of `POST /api/v1/routing/resolve`: one question, or up to 1,000 in `queries` and nothing else."""

    queries: Annotated[list[ResolveQuery], Field(min_length=1, max_length=MAX_QUERIES)] | None = None

    @model_validator(mode="after")
    def _one_or_many(self) -> ResolveRequest:
        if self.queries is not None and self.model_fields_set != {"queries"}:
            raise PydanticCustomError("one-question-or-queries", "either")
        return self


class ConfirmRequest(Document):
    """The JSON body of `POST /api/v1/routing/confirm`: which candidate of an answer was meant."""

    decision_id: Annotated[str, Field(pattern=r"^[0-9a-z]{26}\z")]
    clearing_code: Annotated[str, Field(pattern=r"^[0-9]{12}\z")]


def resolution_body(resolution: Resolution) -> dict[str, Any]:
    """A resolution as JSON members; `same_bank` is null while it cannot be said."""
    bank, area = resolution.bank, resolution.area
    return {
        "decision_id": resolution.decision_id,
        "decision": resolution.decision.value,
        "confidence": round(resolution.confidence, 6),
        "threshold": round(resolution.threshold, 6),
        "bank": {"id": bank.id, "name": bank.name, "prefix": bank.prefix} if bank else None,
        "city": {"area_code": area.code, "name": area.name} if area else None,
        "branch": (
            {"clearing_code": resolution.branch.code, "name": resolution.branch.name} if resolution.branch else None
        ),
        "same_bank": resolution.is_same_bank(resolution.home_bank),
        "candidates": [candidate_body(match) for match in resolution.candidates],
        "reasons": list(resolution.reasons),
        "contradictions": list(resolution.contradictions),
        "directory": {"version": resolution.directory_version, "kind": resolution.directory_kind},
        "model_version": resolution.model_version,
        "policy_version": resolution.policy_version,
    }


def candidate_body(match: Match) -> dict[str, Any]:
    """A candidate with what distinguishes it from the others."""
    former = match.former
    return {
        "clearing_code": match.branch.code,
        "name": match.branch.name,
        "bank": match.branch.bank_name,
        "city": match.city or match.branch.city,
        "particular": match.particular,
        "former_name": {"name": former.name, "until": former.until.isoformat()} if former else None,
        "similarity": round(match.similarity, 4),
    }
