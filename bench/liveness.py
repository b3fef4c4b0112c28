"""How many attacks pass the face check, and how many people it turns away: the attack kit of the tests, counted.

    python bench/liveness.py [--quick | --each N] [--first N] [--kinds NAME,...] [--policy NAME] [--processes N]
                             [--figures] [--json]

APCER is the share of a species' attacks that were accepted, BPCER the share of genuine sessions refused (ISO/IEC
30107-3), each with the upper bound of its 95 % interval (Clopper-Pearson, one-sided). `--figures` prints the
quantiles of every figure, from which the thresholds of kyc.liveness are taken: on sessions of their own
(`--first 10000`), not on those that are counted. Ends with 1 when a bar is missed.

Everybody here is a puppet of two photographs. The numbers say how well figures separate these attacks from these
people; they do not replace a test with people and a laboratory. A puppet that is also relit as a head would be is
the same generator as a genuine session here: it passes, is printed, and is held to no bar. Against it stand what
happens before the camera - the page's integrity, the device - and duplicate detection for what was seen before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kyc.errors import FaceCheckFailed
from kyc.facecheck import measure_face
from kyc.judgement import Check
from kyc.liveness import get_liveness_policy
from tests.attacks import species

FULL, QUICK = 300, 4
APCER_BAR, PUPPET_BAR, BPCER_BAR = 0.01, 0.05, 0.05
GENUINE, RELIT = "genuine", "relit puppet (no bar)"
GENERATORS: dict[str, species.Generator] = {
    GENUINE: species.genuine,
    **species.PHOTOGRAPHS_AND_REPLAYS,
    **species.PUPPETS,
    RELIT: species.relit_puppet,
}


@dataclass(frozen=True)
class Outcome:
    """One session: why it was refused (None: accepted) and what was measured."""

    kind: str
    refusal: str | None
    figures: dict[str, float]


def play(kind: str, policy: str, seed: int) -> Outcome:
    dice = np.random.default_rng([seed, list(GENERATORS).index(kind)])
    request = GENERATORS[kind](get_liveness_policy(policy, production=True), dice)
    try:
        figures = measure_face(request)
    except FaceCheckFailed as refusal:
        return Outcome(kind, refusal.code, {})
    match = Check("match", figures.match.distance, figures.match.threshold, at_least=False)
    checks = (*figures.liveness.checks, match)
    refusal_name = next((check.name for check in checks if not check.passed), None)
    return Outcome(kind, refusal_name, {check.name: check.figure for check in checks})


def upper_bound(hits: int, total: int) -> float:
    """The largest rate that would still give so few hits in one of twenty runs."""
    low, high = hits / total, 1.0
    for _ in range(50):
        rate = (low + high) / 2
        if _at_most(hits, total, rate) > 0.05:
            low = rate
        else:
            high = rate
    return high


def _at_most(hits: int, total: int, rate: float) -> float:
    """The probability of `hits` or fewer."""
    term, terms = (1 - rate) ** total, 0.0
    for count in range(hits + 1):
        terms += term
        term *= (total - count) / (count + 1) * rate / max(1 - rate, 1e-300)
    return terms


@dataclass(frozen=True)
class Row:
    kind: str
    total: int
    errors: int
    bar: float | None
    refusals: dict[str, int]

    @property
    def rate(self) -> float:
        return self.errors / self.total

    @property
    def missed(self) -> bool:
        return self.bar is not None and self.rate > self.bar

    def to_json(self) -> dict[str, object]:
        bound = upper_bound(self.errors, self.total)
        return {
            "species": self.kind,
            "measure": "BPCER" if self.kind == GENUINE else "APCER",
            "sessions": self.total,
            "errors": self.errors,
            "rate": self.rate,
            "upper_bound_95": bound,
            "bar": self.bar,
            "refused_by": self.refusals,
        }


def row_of(kind: str, outcomes: Sequence[Outcome]) -> Row:
    refusals = Counter(outcome.refusal for outcome in outcomes if outcome.refusal)
    refused = sum(refusals.values())
    errors = refused if kind == GENUINE else len(outcomes) - refused
    bars = {GENUINE: BPCER_BAR, RELIT: None, **dict.fromkeys(species.PUPPETS, PUPPET_BAR)}
    return Row(kind, len(outcomes), errors, bars.get(kind, APCER_BAR), dict(refusals.most_common()))


def print_table(rows: Sequence[Row]) -> None:
    print(f"{'':24}{'':8}{'sessions':>9}{'errors':>8}{'rate':>9}{'95 % <=':>9}{'bar':>8}  refused by")
    for row in rows:
        measure = "BPCER" if row.kind == GENUINE else "APCER"
        bar = "-" if row.bar is None else f"{row.bar:.0%}" + ("  MISSED" if row.missed else "")
        why = ", ".join(f"{name} {count}" for name, count in list(row.refusals.items())[:4])
        bound = upper_bound(row.errors, row.total)
        print(f"{row.kind:24}{measure:8}{row.total:9}{row.errors:8}{row.rate:9.2%}{bound:9.2%}{bar:>8}  {why}")
    held = [row for row in rows if row.kind != GENUINE and row.bar is not None]
    if held:
        worst = max(held, key=lambda row: row.rate)
        print(f"worst species: {worst.kind}, APCER {worst.rate:.2%}")


def print_figures(outcomes: Sequence[Outcome]) -> None:
    quantiles = (0.005, 0.025, 0.05, 0.5, 0.95, 0.975, 0.995)
    print(f"\n{'figure':26}{'species':24}" + "".join(f"{q:>10.1%}" for q in quantiles))
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))
    for name in names:
        for kind in GENERATORS:
            values = [o.figures[name] for o in outcomes if o.kind == kind and name in o.figures]
            if values:
                print(f"{name:26}{kind:24}" + "".join(f"{v:10.3f}" for v in np.quantile(values, quantiles)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} sessions of each kind")
    parser.add_argument("--each", type=int, default=FULL, help="sessions of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first session: others are other people")
    parser.add_argument("--kinds", default="", help="only these, separated by commas")
    parser.add_argument("--policy", default="standard-flash")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--figures", action="store_true", help="quantiles of every figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    each = QUICK if options.quick else options.each
    started = time.monotonic()
    kinds = [kind for kind in GENERATORS if not options.kinds or kind in options.kinds.split(",")]
    seeds = range(options.first, options.first + each)
    jobs = [(kind, options.policy, seed) for seed in seeds for kind in kinds]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(play, *zip(*jobs, strict=True), chunksize=len(kinds)))
    rows = [row_of(kind, [outcome for outcome in outcomes if outcome.kind == kind]) for kind in kinds]
    if options.json:
        print(json.dumps([row.to_json() for row in rows], indent=1))
    else:
        print(f"policy {options.policy}, {each} sessions of each kind, {time.monotonic() - started:.0f} s")
        print_table(rows)
        if options.figures:
            print_figures(outcomes)
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
