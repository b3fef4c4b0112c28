"""The learned part: trees, calibration, thresholds, artefacts, and that training gives the same bytes again."""

from pathlib import Path

import numpy as np
import pytest

from app.routing import artefact, training
from app.routing.card import write_card
from app.routing.directory import DirectoryContent, make_directory
from app.routing.model import SHIPPED, Model, load_model
from app.routing.sandbox import generate_sandbox
from app.routing.trees import Growth, Trees, grow

SMALL = Growth(trees=12, depth=3)


def test_trees_learn_a_rule_of_two_features() -> None:
    chance = np.random.default_rng(5)
    rows = chance.random((4000, 4)).astype(np.float32)
    labels = (rows[:, 1] > 0.5) & (rows[:, 3] < 0.25)
    trees = Trees(grow(rows, labels, "rule", Growth(trees=30, depth=3, rate=0.3), seed=1), "rule")
    fresh = chance.random((1000, 4)).astype(np.float32)
    right = (trees.log_odds(fresh) > 0) == ((fresh[:, 1] > 0.5) & (fresh[:, 3] < 0.25))
    assert right.mean() > 0.97
    one = trees.log_odds(fresh[:1])
    assert one == pytest.approx(trees.log_odds(fresh)[:1], abs=1e-4)


def test_calibration_is_monotonic_and_close() -> None:
    chance = np.random.default_rng(7)
    odds = chance.normal(0, 3, 60_000)
    right = chance.random(60_000) < 1 / (1 + np.exp(-0.5 * odds))  # twice too sure of itself
    arrays = training.calibrate(odds, right, np.ones(60_000))
    assert (np.diff(arrays["calibration_sure"]) >= 0).all()
    for at in (-4.0, -1.0, 0.0, 2.0, 5.0):
        sure = 1 / (1 + np.exp(-np.interp(at, arrays["calibration_odds"], arrays["calibration_sure"])))
        assert sure == pytest.approx(1 / (1 + np.exp(-0.5 * at)), abs=0.03)


def test_a_threshold_keeps_both_shares() -> None:
    sure = np.linspace(1, 0, 10_000)
    right = np.ones(10_000, bool)
    right[3000:] = np.arange(7000) % 10 != 0
    absent = np.zeros(10_000, bool)
    threshold = training.find_threshold(sure, right, absent, 0.01, 0.01)
    taken = sure >= threshold
    assert 3000 < taken.sum() < 3500
    assert (~right[taken]).mean() <= 0.01
    assert training.find_threshold(sure, ~right, absent, 0.0, 0.0) == 1.0


def test_the_same_seed_gives_the_same_bytes_and_a_usable_model(tmp_path: Path) -> None:
    directory = make_directory(DirectoryContent("sandbox-1", "sandbox", list(generate_sandbox())))
    first, again = (training.train(directory, "test-1", queries=1500, growth=SMALL) for _ in range(2))
    assert first == again
    assert artefact.is_whole(first)
    artefact.write_file(tmp_path / "model", first)
    model = Model(artefact.open_file(tmp_path / "model"))
    assert model.meta["measured"]["top1"] > 0.9
    assert "test-1" in write_card(first)


def test_a_changed_artefact_is_not_whole(tmp_path: Path) -> None:
    content = SHIPPED.read_bytes()
    assert artefact.is_whole(content)
    assert not artefact.is_whole(content[:-1] + bytes([content[-1] ^ 1]))
    for broken in (b"", b"nothing", content[:64]):
        (tmp_path / "broken").write_bytes(broken)
        with pytest.raises(artefact.InvalidArtefact):
            artefact.open_file(tmp_path / "broken")


def test_the_shipped_model_is_small_and_stricter_for_more_money() -> None:
    assert SHIPPED.stat().st_size < 5 * 1024 * 1024
    thresholds = load_model().thresholds
    assert 0.5 < thresholds["small"] <= thresholds["medium"] <= thresholds["large"] < 1
