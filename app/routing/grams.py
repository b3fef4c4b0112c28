"""Inverted index over short texts: which rows share pairs of characters and syllables with a query, and how much.

Syllables that speakers of many regions confuse count as one here, so that such a slip does not hide a row.

Rows are ordered so that those of one bank and prefecture stand together; a search is limited to ranges of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from app.routing.artefact import Arrays
from app.routing.sounds import fold_sound

Ints = npt.NDArray[np.int64]
_OPEN, _CLOSE = "^", "$"


def keys_of(text: str, sound: str) -> set[int]:
    """Pairs of characters, pairs of syllables and single syllables, ends marked."""
    written = list(map(ord, f"{_OPEN}{text}{_CLOSE}"))
    heard = list(map(ord, f"{_OPEN}{fold_sound(sound)}{_CLOSE}"))
    keys = {one << 16 | other for one, other in pairwise(written)}
    keys.update(one << 16 | other for one, other in pairwise(heard))
    keys.update(heard[1:-1])
    return keys


def build_grams(texts: Sequence[str], sounds: Sequence[str]) -> Arrays:
    """The arrays of a GramIndex over rows with these texts and sounds."""
    keys, rows = [], []
    for strings, single in ((texts, False), (list(map(fold_sound, sounds)), True)):
        sizes = np.fromiter((len(s) for s in strings), np.int64, len(strings)) + 2
        units = np.frombuffer("".join(f"{_OPEN}{s}{_CLOSE}" for s in strings).encode("utf-16-le"), np.uint16).astype(
            np.uint32
        )
        row = np.repeat(np.arange(len(strings), dtype=np.int64), sizes)
        inside = row[:-1] == row[1:]
        keys.append((units[:-1] << 16 | units[1:])[inside])
        rows.append(row[:-1][inside])
        if single:
            plain = (units != ord(_OPEN)) & (units != ord(_CLOSE))
            keys.append(units[plain])
            rows.append(row[plain])
    pairs = np.unique(np.concatenate(keys).astype(np.uint64) << np.uint64(32) | np.concatenate(rows).astype(np.uint64))
    known, starts = np.unique((pairs >> np.uint64(32)).astype(np.uint32), return_index=True)
    places = np.append(starts, len(pairs)).astype(np.int64)
    postings = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
    rarity = np.log1p(len(texts) / np.diff(places)).astype(np.float32) ** 2
    norms = np.bincount(postings, weights=np.repeat(rarity, np.diff(places)), minlength=len(texts))
    return {
        "gram_keys": known,
        "gram_places": places,
        "gram_rows": postings,
        "gram_rarity": rarity,
        "gram_norms": np.sqrt(np.maximum(norms, 1e-6)).astype(np.float32),
    }


class GramIndex:
    """Search over the arrays of `build_grams`."""

    def __init__(self, arrays: Arrays) -> None:
        self._keys = arrays["gram_keys"]
        self._places = arrays["gram_places"]
        self._rows = arrays["gram_rows"]
        self._rarity = arrays["gram_rarity"]
        self._norms = arrays["gram_norms"]
        self._unseen = float(self._rarity.max()) if len(self._rarity) else 1.0

    def search(self, text: str, sound: str, low: int, high: int, most: int) -> tuple[Ints, npt.NDArray[Any]]:
        """Rows of [low, high) that share something, at most `most`, with their cosine from 0 to 1; unordered."""
        keys = np.fromiter(keys_of(text, sound), np.uint32)
        at = self._keys.searchsorted(keys)
        at[at == len(self._keys)] = 0
        at = at[self._keys[at] == keys]
        weights = self._rarity[at]
        norm = float(weights.sum()) + (len(keys) - len(at)) * self._unseen
        span = np.array((low, high), np.int32)
        parts, counts, values = [], [], []
        begins, ends = self._places[at].tolist(), self._places[at + 1].tolist()
        for begin, end, weight in zip(begins, ends, weights.tolist(), strict=True):
            rows = self._rows[begin:end]
            first, last = rows.searchsorted(span).tolist()
            if last > first:
                parts.append(rows[first:last])
                counts.append(last - first)
                values.append(weight)
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        found = np.concatenate(parts)
        found -= low
        shared = np.bincount(found, weights=np.repeat(values, counts), minlength=high - low)
        hits = shared.nonzero()[0]
        scores = shared[hits] / (self._norms[low:high][hits] * norm**0.5)
        if len(hits) > most:
            best = scores.argpartition(-most)[-most:]
            hits, scores = hits[best], scores[best]
        return hits + low, scores
