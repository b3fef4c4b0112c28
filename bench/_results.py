"""What the benchmarks measured, against their bars: a line each as it comes, or JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Result:
    """One line: what was measured, in which unit, against which bar; `goal` is what is aimed at beyond the bar."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = True
    goal: float | None = None

    @property
    def passed(self) -> bool:
        return self.bar is None or self._reaches(self.bar)

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        if not self.passed:
            return "MISSED"
        return "goal" if self.goal is not None and self._reaches(self.goal) else "ok"

    def _reaches(self, mark: float) -> bool:
        return self.value >= mark if self.at_least else self.value <= mark


def report(results: Iterable[Result], *, as_json: bool) -> int:
    """Print the results; returns the exit status, 1 where a bar is missed."""
    seen = []
    for result in results:
        seen.append(result)
        if not as_json:
            _print_line(result)
    if as_json:
        print(
            json.dumps(
                [asdict(result) | {"passed": result.passed, "verdict": result.verdict} for result in seen], indent=2
            )
        )
    return 0 if all(result.passed for result in seen) else 1


def _print_line(result: Result) -> None:
    bar = "" if result.bar is None else f"{'≥' if result.at_least else '≤'} {result.bar:,} {result.unit}"
    bar += "" if result.goal is None else f", goal {result.goal:,}"
    print(f"{result.name:<54} {_number(result.value):>12} {result.unit:<6} {bar:>24}  {result.verdict}", flush=True)


def _number(value: float) -> str:
    if value < 0.01:
        return f"{value:.2g}"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
