"""Bounds on what a file makes its reader do before anything of it is judged, and the one function of it replaced."""

import importlib.util
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfStreamError

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


class CountingStream(BytesIO):
    """How often a reader asks."""

    reads = 0

    def read(self, size=-1):
        self.reads += 1
        return super().read(size)


@pytest.fixture(scope="module")
def stock_reader():
    """pyHanko's own, from a copy of its module that nobody changed."""
    spec = importlib.util.find_spec("pyhanko.pdf_utils.generic")
    untouched = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(untouched)
    return untouched.read_hex_string_from_stream


def test_hexadecimal_strings_are_read_in_blocks_still_unlike_pyhankos_own(stock_reader):
    """Once pyHanko does it too, ours may go."""
    written = b"<" + b"ab" * 16_384 + b">"
    own, stock = CountingStream(written), CountingStream(written)
    assert generic.read_hex_string_from_stream(own).original_bytes == stock_reader(stock).original_bytes
    assert own.reads < 10
    assert stock.reads > 1000


@given(st.text("0123456789abcdefABCDEF \n\r\t", max_size=60), st.binary(max_size=8))
def test_both_read_the_same(stock_reader, digits, behind):
    written = b"<" + digits.encode() + b">" + behind
    own, stock = BytesIO(written), BytesIO(written)
    found = generic.read_hex_string_from_stream(own)
    assert (type(found).__name__, found.original_bytes) == _shape(stock_reader(stock))
    assert own.tell() == stock.tell() == len(written) - len(behind)


def _shape(value):
    return type(value).__name__, value.original_bytes


@pytest.mark.parametrize("broken", [b"<ab", b"<xy>", b"<", b"<a{>"])
def test_what_is_no_hexadecimal_string_is_refused(broken):
    with pytest.raises(PdfStreamError):
        generic.read_hex_string_from_stream(BytesIO(broken))
