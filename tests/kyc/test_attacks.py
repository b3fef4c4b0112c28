"""The attack kit: one of every species, and the full-size count as a proof (`make prove`)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kyc.errors import FaceCheckFailed
from kyc.facecheck import check_face
from kyc.liveness import STANDARD_FLASH
from tests.attacks import species

ROOT = Path(__file__).parents[2]
ATTACKS = species.PHOTOGRAPHS_AND_REPLAYS | species.PUPPETS


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name: str):
    for seed in (1, 2):
        with pytest.raises(FaceCheckFailed):
            check_face(ATTACKS[name](STANDARD_FLASH, np.random.default_rng(seed)))


def test_the_person_is_not():
    assert check_face(species.genuine(STANDARD_FLASH, np.random.default_rng(5))).match.passed


def test_an_attack_follows_from_its_seed():
    first, second = (species.screen_replay(STANDARD_FLASH, np.random.default_rng(6)) for _ in range(2))
    assert first == second


@pytest.mark.skipif(os.environ.get("YUNLIAN_PROOF") != "full", reason="full-size proof: make prove")
def test_proof_of_the_error_rates():
    done = subprocess.run(
        [sys.executable, "bench/liveness.py", "--json"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, json.loads(done.stdout)
