"""Training: from a directory and the noise model to a model artefact with its own measurements.

Branches are split by a digest of their code: a fifth is never trained on and gives the figures of the model card and
the benchmark; of the rest, the ranker, the judge and the calibration each have their own. Every fourth query asks for
a branch that is left out of the directory, so that the judge learns what absence looks like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.routing.artefact import Arrays, pack, unpack
from app.routing.directory import Directory
from app.routing.matching import FEATURES, is_barred
from app.routing.model import SURENESS, Model, order_candidates
from app.routing.samples import ABSENT, Sample, make_samples
from app.routing.trees import Growth, Trees, grow

HELD_OUT = frozenset(range(4))
_RANKER, _JUDGE, _CALIBRATION = range(4, 11), range(11, 16), range(16, 20)
ABSENT_EXPECTED = 0.05  # of the queries that people ask; what calibration is weighted to
_BINS = 80
# Confidence below which somebody is asked, chosen so that of what is accepted at most this share is wrong, and of
# queries for absent branches at most that share is accepted. Less than what is promised: kinds of noise differ.
TARGETS = {"small": (3e-4, 0.008), "medium": (2.5e-4, 0.007), "large": (1e-4, 0.004)}


def train(
    directory: Directory,
    version: str,
    *,
    queries: int = 120_000,
    seed: int = 1,
    growth: Growth = Growth(),  # noqa: B008 - frozen
    say: Callable[[str], None] = lambda text: None,
) -> bytes:
    """A model artefact. The same directory, seed and size give the same bytes."""
    samples = make_samples(directory, queries, seed, {*_RANKER, *_JUDGE})
    say(f"{len(samples)} queries made")
    arrays = _grow_ranker(directory, [s for s in samples if s.fold in _RANKER], growth, seed)
    say("ranker grown")
    ranker = Trees(arrays, "ranker")
    arrays |= _grow_judge(directory, [s for s in samples if s.fold in _JUDGE], ranker, growth, seed)
    say("judge grown")
    return finish(directory, version, arrays, queries=queries, seed=seed)


def finish(directory: Directory, version: str, trees: Arrays, *, queries: int, seed: int) -> bytes:
    """Calibrate grown trees and choose thresholds with as many queries again, for branches of their own; measure with
    a quarter as many, for those that nothing was fitted to. A threshold hangs on a handful of errors, so that few
    queries would make it a matter of chance.
    """
    own = [s for s in make_samples(directory, queries, seed + 1, _CALIBRATION) if s.candidates.found]
    ranker, judge = Trees(trees, "ranker"), Trees(trees, "judge")
    odds, right, barred = _judge(directory, own, ranker, judge)
    absent = np.array([sample.absent for sample in own], bool)
    arrays = trees | calibrate(odds, right, np.where(absent, ABSENT_EXPECTED / ABSENT, 1.0))
    sure = np.where(barred, 0.0, _apply(arrays, odds))
    thresholds = {name: find_threshold(sure, right, absent, *target) for name, target in TARGETS.items()}
    meta = {
        "version": version,
        "features": list(FEATURES),
        "sureness": list(SURENESS),
        "thresholds": thresholds,
        "seed": seed,
        "queries": queries,
        "directory": {"version": directory.version, "kind": directory.kind, "rows": len(directory)},
    }
    model = Model(unpack(pack(meta, arrays)))
    meta["measured"] = measure(directory, model, make_samples(directory, queries // 4, seed + 2, HELD_OUT))
    return pack(meta, arrays)


def _grow_ranker(directory: Directory, samples: list[Sample], growth: Growth, seed: int) -> Arrays:
    samples = [sample for sample in samples if not sample.absent and sample.candidates.found]
    rows = np.concatenate([sample.candidates.features for sample in samples])
    labels = np.concatenate([np.array(sample.labels(directory), bool) for sample in samples])
    return grow(rows, labels, "ranker", growth, seed)


def _first(
    directory: Directory, samples: list[Sample], ranker: Trees
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    facts, right = [], []
    for sample in samples:
        if sample.candidates.found:
            fact, order, _ = order_candidates(directory, sample.candidates, ranker)
            facts.append(fact)
            right.append(sample.labels(directory)[order[0]])
    return np.concatenate(facts), np.array(right, bool)


def _grow_judge(directory: Directory, samples: list[Sample], ranker: Trees, growth: Growth, seed: int) -> Arrays:
    facts, right = _first(directory, samples, ranker)
    return grow(facts, right, "judge", growth, seed + 1)


def _judge(
    directory: Directory, samples: list[Sample], ranker: Trees, judge: Trees
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Log odds of the first places, whether they are right, whether they are never automatic."""
    odds, right, barred = [], [], []
    for sample in samples:
        facts, order, _ = order_candidates(directory, sample.candidates, ranker)
        odds.append(float(judge.log_odds(facts)[0]))
        right.append(sample.labels(directory)[order[0]])
        barred.append(is_barred(directory, [sample.candidates.found[place] for place in order]))
    return np.array(odds), np.array(right, bool), np.array(barred, bool)


def calibrate(odds: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64]) -> Arrays:
    """Isotonic regression (pool adjacent violators) over groups of neighbours, kept as points of log odds."""
    order = np.argsort(odds, kind="stable")
    groups = [
        [float((values[part] * weights[part]).sum()) for values in (odds, right, np.ones(len(odds)))]
        for part in np.array_split(order, _BINS)
        if len(part)
    ]
    pooled: list[list[float]] = []
    for group in groups:
        pooled.append(group)
        while len(pooled) > 1 and pooled[-2][1] * pooled[-1][2] >= pooled[-1][1] * pooled[-2][2]:
            last = pooled.pop()
            pooled[-1] = [a + b for a, b in zip(pooled[-1], last, strict=True)]
    points = [(at / weight, (good + 0.5) / (weight + 1.0)) for at, good, weight in pooled]
    at = [point for point, _ in points]
    sure = [float(np.log(chance / (1 - chance))) for _, chance in points]
    # Beyond the last group the judge's own odds go on, so that sure and surer can still be told apart.
    at, sure = [at[0] - 6, *at, at[-1] + 6], [sure[0] - 3, *sure, sure[-1] + 3]
    return {"calibration_odds": np.array(at), "calibration_sure": np.array(sure)}


def _apply(arrays: Arrays, odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.interp(odds, arrays["calibration_odds"], arrays["calibration_sure"])))


def find_threshold(
    sure: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    absent: npt.NDArray[np.bool_],
    wrong_share: float,
    absent_share: float,
) -> float:
    """The lowest confidence above which both shares hold."""
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(~right[order] & ~absent[order]) / np.maximum(1, np.cumsum(~absent[order]))
    taken = np.cumsum(absent[order]) / max(1, int(absent.sum()))
    good = np.flatnonzero((wrong <= wrong_share) & (taken <= absent_share))
    return float(sure[order[good[-1]]]) if len(good) else 1.0


def measure(directory: Directory, model: Model, samples: list[Sample]) -> dict[str, Any]:
    """Figures on samples that nothing was fitted to."""
    present = [sample for sample in samples if not sample.absent]
    facts = [(sample, model.rank(directory, sample.candidates)) for sample in samples]
    right = {
        id(s): bool(r.candidates) and not s.absent and int(directory.codes[r.candidates[0].row]) == s.code
        for s, r in facts
    }
    figures: dict[str, Any] = {
        "queries": len(present),
        "top1": sum(right[id(s)] for s in present) / max(1, len(present)),
        "by_kind": {},
    }
    for kind in sorted({s.kind for s in present}):
        own = [s for s in present if s.kind == kind]
        figures["by_kind"][kind] = sum(right[id(s)] for s in own) / len(own)
    for name, threshold in model.thresholds.items():
        taken = [(s, r.confidence >= threshold and not is_barred(directory, r.candidates)) for s, r in facts]
        accepted = [s for s, automatic in taken if automatic and not s.absent]
        absent = [automatic for s, automatic in taken if s.absent]
        figures[name] = {
            "coverage": len(accepted) / max(1, len(present)),
            "precision": sum(right[id(s)] for s in accepted) / max(1, len(accepted)),
            "absent_accepted": sum(absent) / max(1, len(absent)),
        }
    return figures
