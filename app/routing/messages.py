"""What travels over the wire for routing."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from app.routing.banks import HOME_BANK
from app.routing.directory import Match
from app.routing.documents import Document
from app.routing.recognition import Resolution, RoutingQuery


class ResolveRequest(Document):
    """The JSON body of `POST /api/v1/routing/resolve`.

    Texts may be odd: recognition answers them with a reason.
    """

    text: str = Field(default="", max_length=10_000)
    clearing_code: str | None = Field(default=None, max_length=64)
    city: str | None = Field(default=None, max_length=64)

    def to_query(self) -> RoutingQuery:
        """As the pure functions take it."""
        return RoutingQuery(self.text, self.clearing_code, self.city)


def resolution_body(resolution: Resolution) -> dict[str, Any]:
    """A resolution as JSON members; `same_bank` is null while the bank is unknown."""
    bank, area = resolution.bank, resolution.area
    return {
        "decision": resolution.decision.value,
        "bank": {"id": bank.id, "name": bank.name, "prefix": bank.prefix} if bank else None,
        "city": {"area_code": area.code, "name": area.name} if area else None,
        "branch": (
            {"clearing_code": resolution.branch.code, "name": resolution.branch.name} if resolution.branch else None
        ),
        "same_bank": resolution.is_same_bank(HOME_BANK),
        "candidates": [candidate_body(match) for match in resolution.candidates],
        "reasons": list(resolution.reasons),
        "contradictions": list(resolution.contradictions),
        "directory": {"version": resolution.directory_version, "kind": resolution.directory_kind},
        "model_version": resolution.model_version,
    }


def candidate_body(match: Match) -> dict[str, Any]:
    """A candidate with what distinguishes it from the others."""
    return {
        "clearing_code": match.branch.code,
        "name": match.branch.name,
        "bank": match.branch.bank_name,
        "city": match.branch.city,
        "similarity": round(match.similarity, 4),
    }
