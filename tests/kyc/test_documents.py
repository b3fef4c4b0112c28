from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from kyc.documents import Sex, identity_check_character, parse_identity_number
from kyc.errors import InvalidIdentityNumber, KycError, ObsoleteIdentityNumber

TODAY = date(2026, 3, 2)


def test_the_parts_of_a_number():
    number = parse_identity_number("11010519491231002x", TODAY)
    assert number.digits == "11010519491231002X"
    assert (number.area, number.birth_date, number.sex) == ("110105", date(1949, 12, 31), Sex.FEMALE)


def test_a_number_does_not_show_itself_in_logs():
    number = parse_identity_number("11010519491231002X", TODAY)
    assert "19491231" not in f"{number} {number!r}"


def test_fifteen_digits_are_refused_for_their_own_reason():
    with pytest.raises(ObsoleteIdentityNumber):
        parse_identity_number("110105491231002", TODAY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1101051949123100",
        "110105194912310021",  # check character
        "99010519491231002X",  # no such province
        "110105194902300021",  # 30 February
        "11010519491231002X ",
        "1101051949123100ⅩX",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105-9491231002X",
        "X" * 18,
    ],
)
def test_what_is_not_a_number(text: str):
    with pytest.raises(InvalidIdentityNumber):
        parse_identity_number(text, TODAY)


def test_nobody_is_born_tomorrow_or_in_the_century_before_last():
    for birth in ("20260303", "18991231"):
        first17 = "110105" + birth + "002"
        with pytest.raises(InvalidIdentityNumber):
            parse_identity_number(first17 + identity_check_character(first17), TODAY)


@given(st.dates(date(1900, 1, 1), TODAY), st.integers(0, 999))
def test_agrees_with_python_stdnum_on_good_numbers(birth: date, sequence: int):
    first17 = f"110105{birth:%Y%m%d}{sequence:03d}"
    number = parse_identity_number(first17 + identity_check_character(first17), TODAY)
    assert ric.validate(number.digits) == number.digits
    assert ric.get_birth_date(number.digits) == number.birth_date == birth


@given(st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_changed_character_never_passes(position: int, character: str):
    good = "11010519491231002X"
    bad = good[:position] + character + good[position + 1 :]
    if bad != good:
        with pytest.raises(InvalidIdentityNumber):
            parse_identity_number(bad, TODAY)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_typed_error(text: str):
    with suppress(KycError):
        parse_identity_number(text, TODAY)
