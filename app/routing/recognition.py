"""From text and clearing code to a bank and a branch, or to saying that one does not know. Pure.

A wrong branch is worse than a question: `auto` needs a confidence above the threshold for the amount and nothing that
speaks against it. Everything else is offered for confirmation, with what distinguishes the candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp

from app.routing.accounts import find_bank_of_account
from app.routing.areas import Area, Place
from app.routing.banks import Bank, BankFinding, find_bank_of_prefix
from app.routing.clearing_code import LENGTH, ClearingCode, InvalidClearingCode, parse_clearing_code
from app.routing.directory import Branch, Directory
from app.routing.matching import Candidate, Candidates, find_candidates, is_twin, telling_difference
from app.routing.model import Model, Ranked
from app.routing.normalise import normalise
from app.routing.reading import TextReading
from app.routing.resolution import MAX_CITY, MAX_TEXT, Decision, Match, Resolution, RoutingQuery, words_of

__all__ = ["MAX_CANDIDATES", "Decision", "FindAlias", "Match", "Recogniser", "Resolution", "RoutingQuery"]
MAX_CANDIDATES = 5
_LEAST = -4.0  # log odds below which a candidate is not worth showing
_SMALL, _LARGE = 5_000_000, 100_000_000  # fen: up to 50,000 yuan, above 1,000,000 yuan
# However likely the model finds it: 中山路 is not 中山北路, and two of one name are two.
_NEVER_AUTO = frozenset({"branch-missing", "branch-not-unique", "two-cities", "branch-differs-by-direction-or-number"})


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    reading: TextReading
    account_bank: Bank | None
    threshold: float
    by_account: bool
    in_full: bool


FindAlias = Callable[[str], str | None]


class Recogniser:
    """One version of the directory and one model; answers any query, however odd, in bounded time.

    `find_alias` gives the clearing code for which words (`words_of`) were confirmed to stand, and is asked only where
    the model is not sure.
    """

    def __init__(
        self, directory: Directory, model: Model, home_bank: str = "", find_alias: FindAlias = lambda words: None
    ) -> None:
        self.directory = directory
        self.model = model
        self.home_bank = home_bank
        self._find_alias = find_alias

    def recognise(self, query: RoutingQuery) -> Resolution:
        """Raises nothing."""
        resolution = self._recognise(query)
        if resolution.decision is Decision.AUTO or resolution.contradictions or query.clearing_code:
            return resolution
        code = self._find_alias(words_of(query))
        branch = self.directory.find_code(code) if code is not None else None
        return resolution if branch is None else self._by_alias(resolution, branch)

    def _by_alias(self, resolution: Resolution, branch: Branch) -> Resolution:
        return replace(
            resolution, decision=Decision.AUTO, bank=self.directory.bank(branch.bank_id),
            area=self.directory.area(branch.area_code), branch=branch, reasons=("confirmed-alias",), confidence=1.0,
            candidates=(Match(branch, 1.0, self._city(branch)),),
        )  # fmt: skip

    def _recognise(self, query: RoutingQuery) -> Resolution:
        if len(query.text) > MAX_TEXT:
            return self._answer(Decision.UNKNOWN, ("text-too-long",))
        text = normalise(query.text)
        given = (query.clearing_code or "").strip()
        if not given and len(text) == LENGTH and text.isascii() and text.isdigit():
            given, text = text, ""
        asked = self._ask(text, query)
        if not given:
            return self._from_text(asked)
        try:
            code = parse_clearing_code(given)
        except InvalidClearingCode as invalid:
            return _never_auto(self._from_text(asked), invalid.reason)
        return self._from_code(code, asked)

    def _ask(self, text: str, query: RoutingQuery) -> _Asked:
        reader = self.directory.reader
        # Whoever gives a code alone says nothing that could be read; where the payee is does not matter then.
        reading = reader.read(text, self._context(query)) if text else reader.nothing
        account_bank = find_bank_of_account(query.account) if query.account else None
        by_account = not reading.banks.named and not reading.banks.unknown_bank and account_bank is not None
        if by_account and account_bank is not None:
            banks = BankFinding(account_bank, (account_bank,), False, reading.banks.rest)
            reading = replace(reading, banks=banks)
        in_full = "公司" in query.text
        return _Asked(text, reading, account_bank, self._threshold(query.amount_minor), by_account, in_full)

    def _context(self, query: RoutingQuery) -> tuple[Place, ...]:
        for words in (query.city, query.payee):
            if words and len(words) <= MAX_CITY and (places := self.directory.gazetteer.find_name(words)):
                return places
        return ()

    def _threshold(self, amount_minor: int | None) -> float:
        if amount_minor is None:
            return self.model.thresholds["medium"]
        size = "small" if amount_minor <= _SMALL else "large" if amount_minor > _LARGE else "medium"
        return self.model.thresholds[size]

    def _from_code(self, code: ClearingCode, asked: _Asked) -> Resolution:
        directory = self.directory
        branch = directory.find_code(code.digits)
        bank = directory.bank(branch.bank_id) if branch else find_bank_of_prefix(code.bank)
        area = directory.area(code.area)
        contradictions = self._contradictions(bank, code, branch, asked)
        if branch is None:
            reasons = ("clearing-code-not-in-directory",)
            return self._answer(Decision.UNKNOWN, reasons, bank=bank, area=area, contradictions=contradictions)
        candidates = (Match(branch, 1.0, self._city(branch)),)
        if "bank" in contradictions or "account" in contradictions:
            reason = "clearing-code-contradicts-bank" if "bank" in contradictions else "account-contradicts-bank"
            return self._answer(
                Decision.CONFIRM, (reason,), area=area, contradictions=contradictions, candidates=candidates
            )
        return self._answer(
            Decision.AUTO, ("clearing-code",), bank=bank, area=area, contradictions=contradictions,
            candidates=candidates, branch=branch, confidence=1.0, threshold=asked.threshold,
        )  # fmt: skip

    def _contradictions(
        self, bank: Bank | None, code: ClearingCode, branch: Branch | None, asked: _Asked
    ) -> tuple[str, ...]:
        found = []
        banks, places = asked.reading.banks, asked.reading.areas.places
        if banks.unknown_bank or (banks.named and bank is not None and bank not in banks.named) or banks.conflict:
            found.append("bank")
        if places and not any(place.holds(int(code.area)) for place in places):
            found.append("city")
        core = asked.reading.readings[0].core.text
        if branch is not None and core and core not in normalise(branch.name):
            found.append("branch")
        if bank is not None and asked.account_bank is not None and asked.account_bank != bank and "bank" not in found:
            found.append("account")
        return tuple(found)

    def _from_text(self, asked: _Asked) -> Resolution:
        rows = self._named(asked.text)
        if rows and self._is_plain(rows, asked):
            return self._from_name(rows, asked)
        banks = asked.reading.banks
        reason = _unreadable(asked.text)
        if reason is None and banks.conflict:
            reason = "two-banks"
        if reason is None and (not banks.named or banks.unknown_bank):
            reason = "bank-not-in-table" if banks.unknown_bank else "no-bank-named"
        if reason is not None:
            return self._answer(Decision.UNKNOWN, (reason,))
        ranked = self.model.rank(self.directory, self._candidates(asked.reading))
        kept = [
            (candidate, score)
            for candidate, score in zip(ranked.candidates, ranked.scores, strict=True)
            if score > _LEAST
        ][:MAX_CANDIDATES]
        owners = {int(self.directory.row_banks[candidate.row]) for candidate, _ in kept}
        # A former name may show a bank that is another's today, and one spelling may be several banks'.
        bank = self.directory.banks[owners.pop()] if len(owners) == 1 else banks.bank
        places = asked.reading.readings[0].places
        area = places[0].area if len({place.area for place in places}) == 1 else None
        doubts = self._doubts(asked, ranked)
        contradictions = ("account",) if asked.account_bank not in (None, *banks.named) else ()
        if not kept:
            reasons = (*doubts, "no-branch-alike")
            return self._answer(Decision.UNKNOWN, reasons, bank=bank, area=area, contradictions=contradictions)
        matches = tuple(self._match(candidate, score) for candidate, score in kept)
        sure = ranked.confidence >= asked.threshold and not contradictions and not asked.by_account
        barred = _NEVER_AUTO.intersection(doubts)
        decision = Decision.AUTO if sure and not barred else Decision.CONFIRM
        first = matches[0]
        if decision is Decision.AUTO:
            reasons = ("exact-name",) if not doubts else ("above-threshold", *doubts)
            area = self.directory.area(first.branch.area_code) or area
            bank = self.directory.bank(first.branch.bank_id)
        else:
            reasons = doubts or ("below-threshold",)
        return self._answer(
            decision, reasons, bank=bank, area=area, contradictions=contradictions, candidates=matches,
            branch=first.branch if decision is Decision.AUTO else None, confidence=ranked.confidence,
            threshold=asked.threshold,
        )  # fmt: skip

    def _from_name(self, rows: list[int], asked: _Asked) -> Resolution:
        """The whole name as the directory has it, or had it: nothing has to be guessed."""
        directory = self.directory
        by_code = {int(directory.codes[row]): row for row in reversed(rows)}
        current = [row for row in rows if not directory.until[row]]
        former = {int(directory.codes[row]): directory.former(row) for row in rows if directory.until[row]}
        kept = list(dict.fromkeys(by_code[int(directory.codes[row])] for row in rows))[:MAX_CANDIDATES]
        found = (self._match(Candidate(row, asked.reading.readings[0], 1.0), 10.0) for row in kept)
        matches = tuple(replace(match, former=former.get(int(match.branch.code))) for match in found)
        first = matches[0].branch
        bank = directory.bank(first.bank_id)
        contradictions = ("account",) if asked.account_bank not in (None, bank) else ()
        unique = len(kept) == 1 and (asked.in_full or not self._has_twin(kept[0], asked.reading))
        sure = unique and not contradictions
        reasons = ("exact-name",) if current else ("exact-name", "former-name")
        return self._answer(
            Decision.AUTO if sure else Decision.CONFIRM,
            reasons if unique else (*reasons, "branch-not-unique"),
            bank=bank, area=directory.area(first.area_code), contradictions=contradictions, candidates=matches,
            branch=first if sure else None, confidence=1.0 / len(kept), threshold=asked.threshold,
        )  # fmt: skip

    def _has_twin(self, row: int, reading: TextReading) -> bool:
        """Whether a branch of the same bank and area is called alike: 崇礼县支行 beside 崇礼支行."""
        directory, found = self.directory, Candidate(row, reading.readings[0], 1.0)
        others = (replace(each, reading=found.reading) for each in self._candidates(reading).found)
        return any(
            is_twin(directory, found, other) and directory.codes[other.row] != directory.codes[row] for other in others
        )

    def _is_plain(self, rows: list[int], asked: _Asked) -> bool:
        """Whether a whole name is no more than that: 工商银行新兴支行 is a name by itself, but for a payee elsewhere
        rather 新兴支行 of that city.
        """
        reading = asked.reading
        if reading.areas.places and reading.readings[0].core.text:
            return True
        return not reading.context or any(
            place.holds(int(self.directory.areas[row])) for place in reading.context for row in rows
        )

    def _named(self, text: str) -> list[int]:
        return self.directory.find_name(text)

    def _candidates(self, reading: TextReading) -> Candidates:
        return find_candidates(self.directory, reading)

    def _doubts(self, asked: _Asked, ranked: Ranked) -> tuple[str, ...]:
        """What is not as it should be, whether or not it is enough to ask somebody."""
        doubts = []
        reading, areas = asked.reading.readings[0], asked.reading.areas
        if asked.by_account:
            doubts.append("bank-from-account")
        if asked.reading.banks.by_sound:
            doubts.append("bank-by-sound")
        if not reading.places:
            doubts.append("city-missing")
        elif areas.also and not (ranked.candidates and self._is_named(ranked.candidates[0])):
            doubts.append("two-cities")
        elif reading.by_context:
            doubts.append("city-from-context")
        if not reading.core.text and not reading.core.end:
            doubts.append("branch-missing")
        if not ranked.candidates:
            return tuple(doubts)
        first = ranked.candidates[0]
        core, end = first.reading.core, self.directory.core(first.row)
        if (core.text, core.end) != (end.text, end.end):
            doubts.append("branch-only-similar")
        if telling_difference(core, end):
            doubts.append("branch-differs-by-direction-or-number")
        if self.directory.until[first.row]:
            doubts.append("former-name")
        if any(is_twin(self.directory, first, other) for other in ranked.candidates[1:]):
            doubts.append("branch-not-unique")
        return tuple(doubts)

    def _is_named(self, candidate: Candidate) -> bool:
        """Whether the second city is a word of the branch's name: 北京朝阳支行."""
        core = candidate.reading.core
        return bool(core.text) and core.sound == self.directory.sounds[candidate.row]

    def _match(self, candidate: Candidate, score: float) -> Match:
        branch = self.directory.branch(candidate.row)
        former = self.directory.former(candidate.row)
        return Match(branch, 1 / (1 + exp(-score)), self._city(branch), self.directory.cores[candidate.row], former)

    def _city(self, branch: Branch) -> str:
        area = self.directory.area(branch.area_code)
        return area.name if area else branch.area_code

    def _answer(
        self,
        decision: Decision,
        reasons: tuple[str, ...],
        *,
        bank: Bank | None = None,
        area: Area | None = None,
        contradictions: tuple[str, ...] = (),
        candidates: tuple[Match, ...] = (),
        branch: Branch | None = None,
        confidence: float = 0.0,
        threshold: float = 1.0,
    ) -> Resolution:
        return Resolution(
            decision, bank, area, branch, candidates, reasons, contradictions, self.directory.version,
            self.directory.kind, self.model.version, confidence, threshold, home_bank=self.home_bank,
            directory_digest=self.directory.content_digest,
        )  # fmt: skip


def _unreadable(text: str) -> str | None:
    if not text:
        return "empty-text"
    if text.isascii() and text.replace(" ", "").isdigit():
        return "digits-only"
    return "text-too-short" if len(text) == 1 else None


def _never_auto(resolution: Resolution, reason: str) -> Resolution:
    """The text's answer beside a clearing code that is wrong: somebody must look."""
    decision = Decision.CONFIRM if resolution.decision is Decision.AUTO else resolution.decision
    return replace(resolution, decision=decision, branch=None, reasons=(reason, *resolution.reasons))
