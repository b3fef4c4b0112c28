"""From text and clearing code to a bank and a branch, or to saying that one does not know. Pure.

A wrong branch is worse than a question: `auto` needs the bank named once, the city known and the branch's
particular name equal to exactly one entry. Everything merely similar is offered for confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from app.routing.areas import AREAS_BY_CODE, Area, AreaFinding, find_areas
from app.routing.banks import BANKS_BY_ID, Bank, BankFinding, find_bank_of_prefix, find_banks
from app.routing.clearing_code import LENGTH, ClearingCode, InvalidClearingCode, parse_clearing_code
from app.routing.directory import Branch, Directory, Match, core_of
from app.routing.normalise import normalise

MODEL_VERSION = "lexicon-bigram-1"
MAX_TEXT = 200
MAX_CANDIDATES = 5
LEAST_SIMILARITY = 0.35
MAIN_OFFICE = "分行营业部"  # what to offer where no branch is named


class Decision(StrEnum):
    """What the caller may do with the answer."""

    AUTO = "auto"
    CONFIRM = "confirm"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What somebody typed. `city` is context (where the payee is), used when the text names none."""

    text: str = ""
    clearing_code: str | None = None
    city: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer with its reasons.

    `bank` may be sure where the branch is not; `branch` is set for `auto` only.
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
    model_version: str = MODEL_VERSION

    def is_same_bank(self, bank_id: str) -> bool | None:
        """Whether the payee's bank is this one; None where the bank is not known."""
        return None if self.bank is None else self.bank.id == bank_id


@dataclass(frozen=True, slots=True)
class _Reading:
    banks: BankFinding
    areas: AreaFinding
    core: str


def recognise(query: RoutingQuery, directory: Directory) -> Resolution:
    """Answer any query, however odd; raises nothing and takes bounded time."""
    text = query.text
    if len(text) > MAX_TEXT:
        return _unknown(directory, "text-too-long")
    text = normalise(text)
    given = (query.clearing_code or "").strip()
    if not given and len(text) == LENGTH and text.isascii() and text.isdigit():
        given, text = text, ""
    reading = _read(text, query.city)
    if not given:
        return _from_text(text, reading, directory)
    try:
        code = parse_clearing_code(given)
    except InvalidClearingCode as invalid:
        return _never_auto(_from_text(text, reading, directory), invalid.reason)
    return _from_code(code, reading, directory)


def _read(text: str, city: str | None) -> _Reading:
    banks = find_banks(text)
    areas = find_areas(banks.rest)
    core = core_of(areas.rest)
    if not areas.named and city and len(city) <= MAX_TEXT:
        areas = find_areas(normalise(city))
    return _Reading(banks, areas, core)


def _from_code(code: ClearingCode, reading: _Reading, directory: Directory) -> Resolution:
    branch = directory.find_code(code.digits)
    bank = BANKS_BY_ID[branch.bank_id] if branch else find_bank_of_prefix(code.bank)
    area = AREAS_BY_CODE.get(code.area)
    contradictions = _contradictions(bank, area, branch, reading)
    answer = partial(_answer, directory, area=area, contradictions=contradictions)
    if branch is None:
        return answer(Decision.UNKNOWN, ("clearing-code-not-in-directory",), bank=bank)
    candidates = (Match(branch, 1.0),)
    if "bank" in contradictions:
        return answer(Decision.CONFIRM, ("clearing-code-contradicts-bank",), candidates=candidates)
    return answer(Decision.AUTO, ("clearing-code",), bank=bank, candidates=candidates, branch=branch)


def _contradictions(bank: Bank | None, area: Area | None, branch: Branch | None, reading: _Reading) -> tuple[str, ...]:
    found = []
    banks, areas = reading.banks, reading.areas
    if banks.unknown_bank or (banks.named and bank is not None and banks.named != (bank,)):
        found.append("bank")
    if areas.named and area is not None and area not in areas.named:
        found.append("city")
    if branch is not None and reading.core and reading.core not in branch.name:
        found.append("branch")
    return tuple(found)


def _from_text(text: str, reading: _Reading, directory: Directory) -> Resolution:
    if reason := _unreadable(text):
        return _unknown(directory, reason)
    banks, areas = reading.banks, reading.areas
    if len(banks.named) > 1:
        return _unknown(directory, "two-banks")
    if banks.bank is None:
        return _unknown(directory, "bank-not-in-table" if banks.unknown_bank else "no-bank-named")
    bank, area = banks.bank, areas.area
    area_codes = frozenset(named.code for named in areas.named)
    matches = directory.find_alike(bank.id, area_codes, reading.core or MAIN_OFFICE)
    alike = tuple(match for match in matches if match.similarity >= LEAST_SIMILARITY)[:MAX_CANDIDATES]
    if not reading.core:
        alike = tuple(replace(match, similarity=0.0) for match in alike)  # offered, but like nothing that was typed
    exact = [match for match in matches if match.similarity == 1.0]
    doubts = _doubts(reading, exact)
    answer = partial(_answer, directory, bank=bank, area=area)
    if not doubts:
        return answer(Decision.AUTO, ("exact-name",), candidates=(exact[0],), branch=exact[0].branch)
    if not alike:
        return answer(Decision.UNKNOWN, (*doubts, "no-branch-alike"))
    return answer(Decision.CONFIRM, doubts, candidates=alike)


def _unreadable(text: str) -> str | None:
    if not text:
        return "empty-text"
    if text.isascii() and text.replace(" ", "").isdigit():
        return "digits-only"
    return "text-too-short" if len(text) == 1 else None


def _doubts(reading: _Reading, exact: list[Match]) -> tuple[str, ...]:
    doubts = []
    if not reading.areas.named:
        doubts.append("city-missing")
    elif reading.areas.area is None:
        doubts.append("two-cities")
    if not reading.core:
        doubts.append("branch-missing")
    elif not exact:
        doubts.append("branch-only-similar")
    elif len(exact) > 1:
        doubts.append("branch-not-unique")
    return tuple(doubts)


def _never_auto(resolution: Resolution, reason: str) -> Resolution:
    """The text's answer beside a clearing code that is wrong: somebody must look."""
    decision = Decision.CONFIRM if resolution.decision is Decision.AUTO else resolution.decision
    return replace(resolution, decision=decision, branch=None, reasons=(reason, *resolution.reasons))


def _unknown(directory: Directory, reason: str) -> Resolution:
    return _answer(directory, Decision.UNKNOWN, (reason,))


def _answer(
    directory: Directory,
    decision: Decision,
    reasons: tuple[str, ...],
    *,
    bank: Bank | None = None,
    area: Area | None = None,
    contradictions: tuple[str, ...] = (),
    candidates: tuple[Match, ...] = (),
    branch: Branch | None = None,
) -> Resolution:
    return Resolution(
        decision, bank, area, branch, candidates, reasons, contradictions, directory.version, directory.kind
    )
