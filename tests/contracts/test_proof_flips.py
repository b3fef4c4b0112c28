"""Every byte of a signed contract counts: whichever is changed, the file is not VALID with a different rendering.

About 2,500 bytes by default: everything near the signature, and a sample of the rest. With YUNLIAN_PROOF=full all
bytes of the file, on every core.
"""

import multiprocessing
import os
import random
import re
from collections import Counter

import pypdfium2
import pytest

from contracts.report import Verdict
from contracts.validation import validate

FULL = os.environ.get("YUNLIAN_PROOF") == "full"
SAMPLE = 2_500


def picture(pdf):
    """What every page shows; None where nothing can be shown."""
    try:
        with pypdfium2.PdfDocument(pdf) as document:
            document.init_forms()
            return [document[page].render(scale=1).to_numpy().tobytes() for page in range(len(document))]
    except pypdfium2.PdfiumError:
        return None


def interesting(pdf):
    """Offsets: all of them, or those around the signature, the start of every object, and a sample."""
    if FULL:
        return range(len(pdf))
    chance = random.Random(20261122)
    before, after = map(int, re.search(rb"/ByteRange \[0 (\d+) (\d+) \d+\]", pdf[pdf.rindex(b"/ByteRange") :]).groups())
    cms_end = before + len(pdf[before : after - 1].rstrip(b"0"))
    near = [*range(before - 200, before + 40), *range(after - 40, len(pdf))]
    objects = [match.start() + shift for match in re.finditer(rb"\d+ 0 obj", pdf) for shift in (0, 3, 9)]
    chosen = {*near, *objects, *chance.sample(range(before, cms_end), 800)}
    chosen |= set(chance.sample(range(len(pdf)), SAMPLE - min(SAMPLE - 500, len(chosen))))
    return sorted(chosen)


def flip(pdf, offset):
    changed = bytearray(pdf)
    changed[offset] ^= random.Random(offset).randrange(1, 256)
    return bytes(changed)


STAGE = {}  # inherited by forked workers: certificates cannot be pickled


def judge(offsets):
    pdf, trust, now, records, original = STAGE["work"]
    outcomes, accepted = Counter(), []
    for offset in offsets:
        changed = flip(pdf, offset)
        verdict = validate(changed, trust, now, revocation=records).verdict
        outcomes[verdict] += 1
        if verdict is Verdict.VALID and picture(changed) != original:
            accepted.append(offset)
    return outcomes, accepted


@pytest.mark.parametrize("state", ["once"] if FULL else ["once", "archived"])
def test_proof_no_changed_byte_is_accepted(contract, hierarchy, now, records, state):
    pdf = getattr(contract, state)
    original, offsets = picture(pdf), list(interesting(pdf))
    assert validate(pdf, hierarchy.trust, now, revocation=records).verdict is Verdict.VALID
    STAGE["work"] = pdf, hierarchy.trust, now, records, original
    shares = [offsets[share::64] for share in range(64)]
    if FULL:
        with multiprocessing.get_context("fork").Pool() as pool:
            results = pool.map(judge, shares, chunksize=1)
    else:
        results = [judge(share) for share in shares]
    outcomes = sum((outcome for outcome, _ in results), Counter())
    assert sum(outcomes.values()) == len(offsets)
    assert [offset for _, accepted in results for offset in accepted] == []
    assert outcomes[Verdict.VALID] == 0  # stricter than asked: no byte is beyond what somebody vouches for
