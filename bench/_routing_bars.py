"""Figures with the bounds that count and the bars that they must meet, for `bench/routing.py`."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with the bound that counts and the bar that it must meet."""

    name: str
    value: float
    bound: float
    bar: float
    at_most: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.bound <= self.bar if self.at_most else self.bound >= self.bar


def wilson(good: int, total: int, *, upper: bool) -> float:
    """One side of the two-sided 95 % interval (Wilson 1927) of a share."""
    if total == 0:
        return 1.0 if upper else 0.0
    z, share = 1.96, good / total
    middle = share + z * z / (2 * total)
    around = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle + around if upper else middle - around) / (1 + z * z / total)
