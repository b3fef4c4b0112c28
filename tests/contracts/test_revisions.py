"""Bounds on what a file makes its reader do before anything of it is judged."""

import pytest

from contracts.report import Verdict
from contracts.revisions import MAX_OBJECTS, read
from contracts.validation import validate


@pytest.mark.parametrize("entries", [f"/Size {MAX_OBJECTS + 1}", f"/Size 3/Index[0 2 7 {MAX_OBJECTS + 1}]"])
def test_a_cross_reference_stream_of_too_many_entries_is_not_walked(entries, hierarchy, now):
    pdf = f"%PDF-1.7\n1 0 obj\n<</Type/XRef{entries}/W[1 1 1]/Length 0>>stream\n\nendstream endobj\n".encode()
    with pytest.raises(ValueError, match="too many objects"):
        read(pdf)
    assert validate(pdf, hierarchy.trust, now).verdict is not Verdict.VALID


def test_numbers_of_any_length_are_bounded_too():
    with pytest.raises(ValueError, match="too many objects"):
        read(b"%PDF-1.7\n/Size " + b"9" * 10_000)
