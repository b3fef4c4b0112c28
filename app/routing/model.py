"""The learned part: which candidate is meant, and how sure that is. Loaded by memory map, the same for all workers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.routing.artefact import Artefact, open_file
from app.routing.directory import Directory
from app.routing.matching import FEATURES, Candidate, Candidates
from app.routing.normalise import DATA
from app.routing.trees import Trees

SHIPPED = DATA / "model.artefact"
VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}\Z")
_OF_SECOND = ("edits", "sound_edits", "end", "place", "telling", "row_more")
SURENESS = (
    *FEATURES, "score", "lead", "second_score", "close", "candidates", "alike",
    *(f"second_{name}" for name in _OF_SECOND),
)  # fmt: skip
_SECOND = [FEATURES.index(name) for name in _OF_SECOND]
_NO_SECOND = -12.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates of different branches, the likeliest first, with their log odds, and the confidence in the
    first (from 0 to 1).
    """

    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]
    confidence: float


class Model:
    """Ranker, judge of the first place, calibration and thresholds."""

    def __init__(self, artefact: Artefact) -> None:
        meta: dict[str, Any] = artefact.meta
        self.version: str = meta["version"]
        self.meta = meta
        self.thresholds: dict[str, float] = meta["thresholds"]
        self._ranker = Trees(artefact.arrays, "ranker")
        self._judge = Trees(artefact.arrays, "judge")
        self._odds = artefact.arrays["calibration_odds"].astype(float)
        self._sure = artefact.arrays["calibration_sure"].astype(float)

    def rank(self, directory: Directory, candidates: Candidates) -> Ranked:
        """Order candidates, one row per branch, and say how sure the first is."""
        if not candidates.found:
            return Ranked((), (), 0.0)
        facts, order, scores = order_candidates(directory, candidates, self._ranker)
        odds = float(self._judge.log_odds(facts)[0])
        found = tuple(candidates.found[place] for place in order)
        return Ranked(found, tuple(scores), self.confidence(odds))

    def confidence(self, odds: float) -> float:
        """Calibrated confidence for the judge's log odds."""
        return float(1 / (1 + np.exp(-np.interp(odds, self._odds, self._sure))))


def order_candidates(
    directory: Directory, candidates: Candidates, ranker: Trees
) -> tuple[npt.NDArray[np.float32], list[int], list[float]]:
    """What the judge looks at (one row of SURENESS), the places of the candidates in order, their log odds."""
    odds = ranker.log_odds(candidates.features)
    order: list[int] = []
    seen: set[int] = set()
    for place in np.argsort(-odds, kind="stable").tolist():
        code = int(directory.codes[candidates.found[place].row])
        if code not in seen:
            seen.add(code)
            order.append(place)
    scores = [float(odds[place]) for place in order]
    second = scores[1] if len(scores) > 1 else _NO_SECOND
    close = sum(score > scores[0] - 2 for score in scores)
    core = directory.core(candidates.found[order[0]].row)
    alike = sum(directory.sounds[candidates.found[place].row] == core.sound for place in order[1:])
    of_second = candidates.features[order[1], _SECOND].tolist() if len(order) > 1 else [_NO_SECOND] * len(_SECOND)
    extra = (scores[0], scores[0] - second, second, close, len(scores), alike, *of_second)
    return np.array([[*candidates.features[order[0]].tolist(), *extra]], np.float32), order, scores


@cache
def load_model(path: Path = SHIPPED) -> Model:
    """The model of a file, mapped once per process. Raises FileNotFoundError, InvalidArtefact."""
    return Model(open_file(path))
