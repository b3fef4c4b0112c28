"""What routing is asked and what it answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from app.routing.areas import Area
from app.routing.banks import Bank
from app.routing.directory import Branch, FormerName
from app.routing.normalise import normalise

MAX_TEXT = 200
MAX_CITY = 64
POLICY_VERSION = "routing-2"


class Decision(StrEnum):
    """What the caller may do with the answer."""

    AUTO = "auto"
    CONFIRM = "confirm"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What somebody typed, and what is known besides: the payee's city or name (which often has the city), the
    account number as a second vote for the bank, the amount (fen), which sets how sure one must be.
    """

    text: str = ""
    clearing_code: str | None = None
    city: str | None = None
    account: str | None = None
    payee: str | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A branch that may be meant. `similarity` from 0 to 1; `particular` and `city` tell it from the others;
    `former` is the name, no longer in force, by which it was found.
    """

    branch: Branch
    similarity: float
    city: str = ""
    particular: str = ""
    former: FormerName | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer with its reasons.

    `bank` may be sure where the branch is not; `branch` is set for `auto` only. `confidence` is that the first
    candidate is meant. `home_bank` is the bank that runs this service.
    """

    decision: Decision
    bank: Bank | None
    area: Area | None
    branch: Branch | None
    candidates: tuple[Match, ...]
    reasons: tuple[str, ...]
    contradictions: tuple[str, ...]
    directory_version: str
    directory_kind: str
    model_version: str
    confidence: float = 0.0
    threshold: float = 1.0
    policy_version: str = POLICY_VERSION
    home_bank: str = ""
    directory_digest: str = ""
    decision_id: str | None = None

    def is_same_bank(self, bank_id: str) -> bool | None:
        """Whether the payee's bank is this one; None where the bank is not known."""
        if self.bank is not None:
            return self.bank.id == bank_id
        # Several may be meant, but none of them is this one.
        others = {match.branch.bank_id for match in self.candidates}
        return False if others and bank_id not in others and "bank" not in self.contradictions else None


def words_of(query: RoutingQuery) -> str:
    """What an alias is known by: SHA-256 of the normalised text and city."""
    city = normalise(query.city) if query.city and len(query.city) <= MAX_CITY else ""
    text = normalise(query.text) if len(query.text) <= MAX_TEXT else ""
    return hashlib.sha256(f"{text}\n{city}".encode(errors="replace")).hexdigest()
