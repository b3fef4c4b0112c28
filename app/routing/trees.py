"""Boosted oblivious trees with logistic loss, in numpy: every level of a tree asks one question of all its rows.

Such trees are quick to apply to a handful of rows (three array operations for the whole ensemble) and are small: a
question per level and a value per leaf. After Prokhorenkova et al., CatBoost (2018), without its ordered statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.routing.artefact import Arrays

Floats = npt.NDArray[np.float32]
_BINS = 64


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown. `share` of the rows is drawn for each; `ridge` shrinks leaves with little evidence."""

    trees: int = 160
    depth: int = 5
    rate: float = 0.15
    share: float = 0.5
    ridge: float = 4.0


class Trees:
    """An ensemble: features and thresholds (tree, level), leaf values (tree, leaf), and a start value; log odds."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.features: npt.NDArray[np.int16] = arrays[f"{name}_features"]
        self.thresholds: Floats = arrays[f"{name}_thresholds"]
        self.leaves: Floats = arrays[f"{name}_leaves"]
        self.start = float(arrays[f"{name}_start"][0])
        count, depth = self.features.shape
        self._flat = np.ascontiguousarray(self.features.reshape(-1)).astype(np.intp)
        self._steps = np.ascontiguousarray(self.thresholds.reshape(-1))
        self._powers = (1 << np.arange(depth)).astype(np.float32)
        self._offsets = np.arange(count, dtype=np.intp) * self.leaves.shape[1]
        self._values = np.ascontiguousarray(self.leaves.reshape(-1))
        self._shape = (count, depth)

    def log_odds(self, rows: Floats) -> Floats:
        """Log odds for rows of features (float32, n by features)."""
        answers = (rows.take(self._flat, axis=1) > self._steps).reshape(len(rows), *self._shape)
        leaves = (answers @ self._powers).astype(np.intp) + self._offsets
        found: Floats = self._values.take(leaves).sum(axis=1) + np.float32(self.start)
        return found


def grow(rows: Floats, labels: npt.NDArray[np.bool_], name: str, growth: Growth, seed: int) -> Arrays:
    """The arrays of Trees, named with `name`, fitted to labelled rows. The same seed gives the same trees."""
    chance = np.random.default_rng(seed)
    edges = [_cuts(rows[:, feature]) for feature in range(rows.shape[1])]
    binned = np.stack([np.searchsorted(e, rows[:, f], side="left") for f, e in enumerate(edges)]).astype(np.int64)
    rate = labels.mean()
    start = float(np.log(rate / (1 - rate)))
    odds = np.full(len(rows), start, np.float64)
    features = np.zeros((growth.trees, growth.depth), np.int16)
    thresholds = np.full((growth.trees, growth.depth), np.inf, np.float32)
    leaves = np.zeros((growth.trees, 1 << growth.depth), np.float32)
    for tree in range(growth.trees):
        drawn = np.flatnonzero(chance.random(len(rows)) < growth.share)
        chances = 1 / (1 + np.exp(-odds[drawn]))
        slope, curve = labels[drawn] - chances, chances * (1 - chances)
        some = binned[:, drawn]
        leaf = np.zeros(len(drawn), np.int64)
        whole = np.zeros(len(rows), np.int64)
        for level in range(growth.depth):
            feature, cut = _best_question(some, leaf, 1 << level, slope, curve, edges, growth.ridge)
            features[tree, level] = feature
            thresholds[tree, level] = edges[feature][cut]
            leaf += (some[feature] > cut).astype(np.int64) << level
            whole += (binned[feature] > cut).astype(np.int64) << level
        size = 1 << growth.depth
        up = np.bincount(leaf, weights=slope, minlength=size)
        down = np.bincount(leaf, weights=curve, minlength=size)
        leaves[tree] = growth.rate * up / (down + growth.ridge)
        odds += leaves[tree][whole]
    return {
        f"{name}_features": features,
        f"{name}_thresholds": thresholds,
        f"{name}_leaves": leaves,
        f"{name}_start": np.array([start], np.float32),
    }


def _cuts(values: Floats) -> npt.NDArray[np.float64]:
    """Cuts between quantiles of a feature, so that a threshold never equals a value."""
    levels = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]).astype(np.float64))
    around = np.concatenate([levels[:1] - 1, levels, levels[-1:] + 1])
    cuts: npt.NDArray[np.float64] = (around[:-1] + around[1:]) / 2
    return cuts


def _best_question(
    binned: npt.NDArray[np.int64],
    leaf: npt.NDArray[np.int64],
    leaves: int,
    slope: npt.NDArray[np.float64],
    curve: npt.NDArray[np.float64],
    edges: list[npt.NDArray[np.float64]],
    ridge: float,
) -> tuple[int, int]:
    """The feature and cut that, asked of every leaf at once, gain most."""
    best = (-1.0, 0, 0)
    for feature, cuts in enumerate(edges):
        width = len(cuts) + 1
        if width < 3:
            continue
        cells = leaf * width + binned[feature]
        up = np.bincount(cells, weights=slope, minlength=leaves * width).reshape(leaves, width).cumsum(axis=1)
        down = np.bincount(cells, weights=curve, minlength=leaves * width).reshape(leaves, width).cumsum(axis=1)
        left = up[:, :-1] ** 2 / (down[:, :-1] + ridge)
        right = (up[:, -1:] - up[:, :-1]) ** 2 / (down[:, -1:] - down[:, :-1] + ridge)
        gains = (left + right).sum(axis=0)
        cut = int(gains.argmax())
        if gains[cut] > best[0]:
            best = (float(gains[cut]), feature, cut)
    return best[1], best[2]
