"""The model card: what a model was trained on, how sure it must be, and what was measured."""

from __future__ import annotations

from typing import Any

from app.routing.artefact import unpack

_KINDS = {
    "official": "full name", "casual": "short name of the bank", "spaced": "spaces and punctuation anywhere",
    "traditional": "traditional characters", "no-end": "支行 left out", "homophone": "one character by its homophone",
    "another-character": "one character by any other", "missing-character": "one character missing",
    "extra-character": "one character too many", "another-end": "支行 for 分理处 and so on",
    "swapped-characters": "two neighbours exchanged", "province": "province and city in full",
    "bank-misspelt": "one character of the bank by its homophone",
    "district-inserted": "a district between city and branch",
    "city-by-context": "city known from the payee only", "city-dropped": "no city known at all",
    "reordered": "city or bank elsewhere", "pinyin": "all in pinyin", "slip-no-end": "a slip, and 支行 left out",
    "slip-city-by-context": "a slip, city known from the payee only",
    "slip-city-dropped": "a slip, no city known at all",
}  # fmt: skip


def write_card(artefact: bytes) -> str:
    """The card of a model in Markdown."""
    opened = unpack(artefact)
    meta: dict[str, Any] = opened.meta
    measured, directory = meta["measured"], meta["directory"]
    size = sum(array.nbytes for array in opened.arrays.values())
    lines = [
        f"### Model `{meta['version']}`",
        "",
        f"{size / 1024:.0f} KiB, SHA-256 of its arrays `{opened.sha256}`.",
        f"Trained on {meta['queries']:,} queries (seed {meta['seed']}) made from {directory['rows']:,} rows of the "
        f"directory `{directory['version']}` ({directory['kind']}).",
        "",
        "Thresholds, and what they give on branches that nothing was fitted to, with the training's kinds of noise:",
        "",
        "| amount | threshold | automatic | of those right | absent branches accepted |",
        "|---|---|---|---|---|",
    ]
    for name, words in (("small", "to 50,000 yuan"), ("medium", "to 1,000,000, or not said"), ("large", "above")):
        got = measured[name]
        lines.append(
            f"| {words} | {meta['thresholds'][name]:.5f} | {got['coverage']:.2%} | {got['precision']:.3%} "
            f"| {got['absent_accepted']:.2%} |"
        )
    lines += ["", f"First place right in {measured['top1']:.2%} of {measured['queries']:,} queries; by kind:", ""]
    lines += ["| noise | first place right |", "|---|---|"]
    lines += [f"| {_KINDS.get(kind, kind)} | {share:.2%} |" for kind, share in measured["by_kind"].items()]
    return "\n".join([*lines, ""])
