"""Amounts as bills and contracts write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.amounts import capital_amount, format_amount

VALUES = {"零": 0, **{c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", 1)}}
PLACES = {"拾": 10, "佰": 100, "仟": 1000}


def read_back(text):
    """Fen from capital numerals."""
    yuan, _, cents = text.partition("元") if "元" in text else ("", "", text)
    total = group = digit = 0
    for character in yuan:
        if character in VALUES:
            digit = VALUES[character]
        elif character in PLACES:
            group, digit = group + digit * PLACES[character], 0
        elif character == "万":
            total, group, digit = total + (group + digit) * 10**4, 0, 0
        else:
            total, group, digit = (total + group + digit) * 10**8, 0, 0
    fen = (total + group + digit) * 100
    for position, unit in ((10, "角"), (1, "分")):
        if unit in cents:
            fen += VALUES[cents[cents.index(unit) - 1]] * position
    return fen


@pytest.mark.parametrize(
    ("fen", "capital", "figures"),
    [
        (0, "零元整", "0.00"),
        (5, "伍分", "0.05"),
        (100_203, "壹仟零贰元零叁分", "1,002.03"),
        (5_000_000, "伍万元整", "50,000.00"),
        (160_750, "壹仟陆佰零柒元伍角整", "1,607.50"),
        (10_000_100_000, "壹亿零壹仟元整", "100,001,000.00"),
    ],
)
def test_known_amounts(fen, capital, figures):
    assert (capital_amount(fen), format_amount(fen)) == (capital, figures)


@given(st.integers(0, 10**13 - 1))
def test_capital_numerals_read_back(fen):
    assert read_back(capital_amount(fen)) == fen


@pytest.mark.parametrize("fen", [-1, 10**18])
def test_absurd_amounts_are_refused(fen):
    with pytest.raises(ValueError, match="amount"):
        capital_amount(fen)
