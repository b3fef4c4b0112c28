"""Clearing codes: form, check digit, and the real ones of the shared directory."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.clearing_code import InvalidClearingCode, check_digit, parse_clearing_code

DATA = Path(__file__).parents[3] / "../shared/data/cnaps_branches.csv"
elevens = st.text("0123456789", min_size=11, max_size=11)


@given(elevens)
def test_a_code_with_its_check_digit_is_good(first11: str) -> None:
    code = parse_clearing_code(first11 + check_digit(first11))
    assert (code.bank, code.area) == (first11[:3], first11[3:7])


@given(elevens, st.integers(0, 11), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(first11: str, place: int, by: int) -> None:
    digits = first11 + check_digit(first11)
    wrong = digits[:place] + str((int(digits[place]) + by) % 10) + digits[place + 1 :]
    with pytest.raises(InvalidClearingCode) as raised:
        parse_clearing_code(wrong)
    assert raised.value.reason == "clearing-code-check-digit"


@given(st.text(max_size=20).filter(lambda text: not (len(text) == 12 and text.isascii() and text.isdigit())))
def test_anything_else_has_the_wrong_form(text: str) -> None:
    with pytest.raises(InvalidClearingCode) as raised:
        parse_clearing_code(text)
    assert raised.value.reason == "clearing-code-form"


def test_full_width_digits_are_not_digits_here() -> None:
    with pytest.raises(InvalidClearingCode):
        parse_clearing_code("１０２１０００００００１")


def test_every_real_code_is_good() -> None:
    if not DATA.exists():
        pytest.skip("the shared directory of real branches is not here")
    with DATA.open(encoding="utf-8") as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    assert len(codes) > 4000
    for code in codes:
        parse_clearing_code(code)
