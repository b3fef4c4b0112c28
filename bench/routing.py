"""How well and how fast routing finds branches, against bars held by the 95 % bound: a directory of 170,000 rows made
around real ones, noise that the model was not trained with, branches that nothing was fitted to.

The full size asks 100,000 queries. `--quick` asks 12,000, too few for the bounds: there the figures themselves count.
`--train` trains first, measures that too and writes the model and docs/routing-model.md; `--json` prints for scripts.
The exit status is 1 where a bar is missed.
"""
# ruff: noqa: E402

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not bench/, where this very file is called routing

import argparse
import json
import os
import tempfile
from collections import defaultdict
from dataclasses import replace
from time import perf_counter

import numpy as np

from app.routing import artefact, training
from app.routing.card import write_card
from app.routing.directory import Directory, build_directory
from app.routing.model import SHIPPED, Model
from app.routing.recognition import Decision, Recogniser, RoutingQuery
from app.routing.samples import ABSENT
from bench._routing_bars import Bar, wilson
from bench._routing_directory import make_content, read_shared
from bench._routing_questions import HOME_BANK, NO_CITY, Asked, ask_all
from bench._routing_speed import speed, worker

SIZE = 170_000
CARD = ROOT / "docs" / "routing-model.md"


def quality(asked: list[Asked]) -> list[Bar]:
    """The bars on what was found."""
    present = [a for a in asked if not a.absent]
    with_city = [a for a in present if a.kind not in NO_CITY]
    accepted = [a for a in present if a.answer.decision is Decision.AUTO]
    absent = [a for a in asked if a.absent]
    wrongly = sum(a.answer.decision is Decision.AUTO for a in absent)
    bank = sum(a.answer.bank is not None and a.answer.bank.id == a.bank_id for a in present)
    same = sum(a.answer.is_same_bank(HOME_BANK) == (a.bank_id == HOME_BANK) for a in present)

    def share(name: str, good: int, total: int, bar: float, *, at_most: bool = False) -> Bar:
        return Bar(name, good / max(1, total), wilson(good, total, upper=at_most), bar, at_most)

    return [
        share("first place right, all queries", sum(a.right for a in present), len(present), 0.985),
        share("first place right, city known", sum(a.right for a in with_city), len(with_city), 0.995),
        share("bank right", bank, len(present), 0.9995),
        share("same bank or another", same, len(present), 0.9999),
        share("automatic, of all", len(accepted), len(present), 0.90),
        share("automatic and right", sum(a.right for a in accepted), len(accepted), 0.9995),
        share("absent branch accepted", wrongly, len(absent), 0.01, at_most=True),
        calibration_error(asked),
    ]


def calibration_error(asked: list[Asked]) -> Bar:
    """Expected calibration error over 15 groups of equal size, absent branches weighted to what is expected; its
    bound is the 97.5th percentile of 200 resamplings.
    """
    sure = np.array([a.answer.confidence for a in asked])
    right = np.array([a.right for a in asked], float)
    weight = np.where([a.absent for a in asked], training.ABSENT_EXPECTED / ABSENT, 1.0)
    chance = np.random.default_rng(1)

    def error(rows: np.ndarray) -> float:
        ordered = rows[np.argsort(sure[rows], kind="stable")]
        total = weight[ordered].sum()
        return float(
            sum(abs((weight[part] * (sure[part] - right[part])).sum()) for part in np.array_split(ordered, 15)) / total
        )

    every = np.arange(len(asked))
    drawn = [error(chance.integers(0, len(asked), len(asked))) for _ in range(200)]
    return Bar("expected calibration error", error(every), float(np.quantile(drawn, 0.975)), 0.01, True)


def renames(directory: Directory, model: Model) -> tuple[Bar, int]:
    """Whether every real former name finds its branch and says until when; and how many of those names another
    branch carries today, which then comes first and the renamed one after it.
    """
    recogniser = Recogniser(directory, model, HOME_BANK)
    by_name = {branch.name: branch.code for branch in directory.branches()}
    found, taken, rows = 0, 0, read_shared("cnaps_renames.csv")
    for rename in rows:
        answer = recogniser.recognise(RoutingQuery(rename["old_name"]))
        for place, match in enumerate(answer.candidates):
            if match.former is not None and match.branch.code == by_name[rename["new_name"]]:
                found += match.former.until.isoformat() >= rename["date"]
                taken += place > 0
                break
    return Bar(
        "real renames found by the old name, with the day", found / len(rows), found / len(rows), 1.0, False
    ), taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--speed", action="store_true", help="time and memory alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = perf_counter()
        (folder / "directory").write_bytes(build_directory(make_content(SIZE)))
        built = perf_counter() - start
        directory = Directory(artefact.open_file(folder / "directory"))
        bars = []
        if options.train:
            start, worked = perf_counter(), _processor_time()
            content = training.train(directory, SHIPPED_VERSION, say=lambda text: print(text, file=sys.stderr))
            took, worked = (perf_counter() - start) / 60, (_processor_time() - worked) / 60
            bars += [Bar("training", took, took, 5.0, True, "min")]
            bars += [Bar("the same in processor time", worked, worked, 5.0, True, "min")]
            artefact.write_file(SHIPPED, content)
            CARD.write_text(_replace_card(CARD.read_text(encoding="utf-8"), write_card(content)), encoding="utf-8")
        (folder / "model").write_bytes(SHIPPED.read_bytes())
        model = Model(artefact.open_file(folder / "model"))
        asked, taken = [], 0
        if not options.speed:
            asked = ask_all(directory, model, 12_000 if options.quick else 100_000, seed=12)
            known, taken = renames(directory, model)
            found = [*quality(asked), known]
            bars += [replace(bar, bound=bar.value) for bar in found] if options.quick else found
        bars += [*speed(directory, model), *worker(folder)]
    if options.json:
        print(json.dumps([{"name": b.name, "value": b.value, "bound": b.bound, "met": b.met} for b in bars]))
    else:
        print(f"{len(directory):,} rows, built in {built:.0f} s; model {model.version}; {len(asked):,} queries\n")
        show(bars, asked, taken)
    return 0 if all(bar.met for bar in bars) else 1


def _processor_time() -> float:
    """Seconds of this process and those that it started and that have ended."""
    return sum(os.times()[:4])


SHIPPED_VERSION = "shipped-3"
_BEGIN, _END = "<!-- card -->", "<!-- end of card -->"


def _replace_card(text: str, card: str) -> str:
    return f"{text[: text.index(_BEGIN)]}{_BEGIN}\n{card}{_END}{text[text.index(_END) + len(_END) :]}"


def show(bars: list[Bar], asked: list[Asked], taken: int) -> None:
    """Tables for people."""
    for bar in bars:
        form = "{:.3%}" if not bar.unit and bar.name != "expected calibration error" else "{:.4g}"
        value, bound, limit = (form.format(number) + bar.unit for number in (bar.value, bar.bound, bar.bar))
        sign = "≤" if bar.at_most else "≥"
        print(
            f"{'met   ' if bar.met else 'MISSED'} {bar.name:52s} {value:>12s}  95 %: {bound:>12s}  bar {sign} {limit}"
        )
    if not asked:
        return
    print(f"\nOf the former names {taken} are carried by another branch today; that one comes first.")
    kinds: dict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        kinds[each.kind].append(each)
    print(
        f"\n{'noise':22s} {'first right':>12s} {'automatic':>10s} {'wrong':>6s} {'absent taken':>13s} {'not said':>9s}"
    )
    for kind, own in sorted(kinds.items()):
        present = [a for a in own if not a.absent]
        auto = [a for a in present if a.answer.decision is Decision.AUTO]
        absent = [a for a in own if a.absent]
        taken_absent = sum(a.answer.decision is Decision.AUTO for a in absent)
        print(
            f"{kind:22s} {sum(a.right for a in present) / len(present):12.3%} {len(auto) / len(present):10.2%} "
            f"{sum(not a.right for a in auto):6d} {taken_absent / max(1, len(absent)):13.2%} "
            f"{sum(not a.determined for a in present) / len(present):9.2%}"
        )
    undecided = [a for a in asked if not a.determined and not a.absent]
    wrong = sum(a.answer.decision is Decision.AUTO and not a.right for a in undecided)
    present = [a for a in asked if not a.absent]
    best = sum(1 / a.alike for a in present) / len(present)
    print(
        "\n'not said': several branches fit what was typed equally well, so that the text does not say which is meant. "
        f"Of those {len(undecided)} queries {wrong} were answered automatically and wrong. Whoever reads these "
        f"texts can have {best:.3%} of all first places right."
    )


if __name__ == "__main__":
    raise SystemExit(main())
