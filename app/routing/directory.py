"""The bank directory in memory: branches by clearing code, and by what is particular in their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from app.routing.areas import AREAS_BY_CODE, find_areas
from app.routing.banks import BANKS_BY_ID, find_banks
from app.routing.normalise import normalise

_GENERIC_END = re.compile(r"(?:支行|分理处|营业所|储蓄所|分行|sub ?branch|branch)+$")


@dataclass(frozen=True, slots=True)
class Branch:
    """One row of the directory."""

    code: str
    name: str
    bank_id: str
    area_code: str

    @property
    def bank_name(self) -> str:
        """The short name of the bank."""
        return BANKS_BY_ID[self.bank_id].name

    @property
    def city(self) -> str:
        """The city's name, or its area code where the gazetteer does not know it."""
        area = AREAS_BY_CODE.get(self.area_code)
        return area.name if area else self.area_code


@dataclass(frozen=True, slots=True)
class Match:
    """A branch and how alike its particular part is to the query's, from 0 to 1 (Sørensen-Dice over
    character bigrams).
    """

    branch: Branch
    similarity: float


def core_of(rest: str) -> str:
    """What is left of a branch's name without bank, city and the generic end: 中山路 of
    工商银行苏州中山路支行.
    """
    return _GENERIC_END.sub("", rest.replace(" ", ""))


def bigrams(core: str) -> frozenset[str]:
    """Character bigrams with the ends marked, so that single characters and ends count too."""
    padded = f"^{core}$"
    return frozenset(padded[place : place + 2] for place in range(len(padded) - 1))


class Directory:
    """One version of the directory, immutable. `kind` is `sandbox` for what the service made up itself."""

    def __init__(self, version: str, kind: str, branches: Iterable[Branch]) -> None:
        self.version = version
        self.kind = kind
        self.branches = tuple(branches)
        self._by_code = {branch.code: branch for branch in self.branches}

    def find_code(self, code: str) -> Branch | None:
        """The branch with this clearing code."""
        return self._by_code.get(code)

    def find_alike(self, bank_id: str, area_codes: frozenset[str], core: str) -> list[Match]:
        """Branches of the bank (in the areas, where any are given), best first; those with nothing in
        common are left out.
        """
        wanted = bigrams(core)
        matches = [
            Match(branch, 2 * len(wanted & grams) / (len(wanted) + len(grams)))
            for branch, grams in self._by_bank.get(bank_id, ())
            if not area_codes or branch.area_code in area_codes
        ]
        return sorted(
            (match for match in matches if match.similarity > 0),
            key=lambda match: (-match.similarity, match.branch.code),
        )

    @cached_property
    def _by_bank(self) -> dict[str, list[tuple[Branch, frozenset[str]]]]:
        index: defaultdict[str, list[tuple[Branch, frozenset[str]]]] = defaultdict(list)
        for branch in self.branches:
            rest = find_banks(normalise(branch.name)).rest
            index[branch.bank_id].append((branch, bigrams(core_of(find_areas(rest).rest))))
        return dict(index)
