import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as oracle

from pki.errors import InvalidIdentifier
from pki.identifiers import (
    USCC_ALPHABET,
    application_urn,
    organization_identifier,
    parse_product_urn,
    parse_uscc,
    product_urn,
    signature_urn,
    uscc_check_digit,
)

REAL = "91110000600037341L"


@st.composite
def first17(draw: st.DrawFn) -> str:
    """Codes whose first two characters are digits: the oracle knows no others."""
    digits = draw(st.text("0123456789", min_size=8, max_size=8))
    return digits + draw(st.text(USCC_ALPHABET, min_size=9, max_size=9))


@given(first17())
def test_the_check_digit_agrees_with_stdnum(head: str) -> None:
    code = head + uscc_check_digit(head)
    assert uscc_check_digit(head) == oracle.calc_check_digit(head)
    assert parse_uscc(code) == parse_uscc(f" {code.lower()} ") == oracle.validate(code)


@given(first17(), st.data())
def test_a_single_wrong_character_is_always_found(head: str, data: st.DataObject) -> None:
    code = head + uscc_check_digit(head)
    place = data.draw(st.integers(0, 17))
    wrong = data.draw(st.sampled_from(USCC_ALPHABET).filter(lambda c: c != code[place]))
    with pytest.raises(InvalidIdentifier):
        parse_uscc(code[:place] + wrong + code[place + 1 :])


@given(st.text(max_size=20))
def test_text_is_a_code_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidIdentifier):
        code = parse_uscc(text)
        assert code[17] == oracle.calc_check_digit(code[:17])


@pytest.mark.parametrize(
    "text", ["", REAL[:-1], REAL + "0", "9111000060003734IL", "９１110000600037341L", "91ﬀ0000600037341L"]
)
def test_malformed_codes_are_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_uscc(text)


def test_names_in_certificates() -> None:
    assert organization_identifier(REAL) == f"NTRCN-{REAL}"
    assert application_urn("app-1") == "urn:yunlian:app:app-1"
    assert product_urn(REAL, "payments") == f"urn:yunlian:enterprise:{REAL}:product:payments"
    assert signature_urn("c1", "s1") == "urn:yunlian:signature:c1:s1"
    assert parse_product_urn(product_urn(REAL, "payments")) == (REAL, "payments")


@pytest.mark.parametrize("bad", ["", "a:b", "a b", "云", "x" * 65, "a\n"])
def test_urn_parts_cannot_smuggle_separators(bad: str) -> None:
    for make in (
        application_urn,
        lambda x: product_urn(REAL, x),
        lambda x: signature_urn(x, "s"),
        lambda x: signature_urn("c", x),
        parse_product_urn,
    ):
        with pytest.raises(InvalidIdentifier):
            make(bad)
    with pytest.raises(InvalidIdentifier):
        parse_product_urn(f"urn:yunlian:enterprise:{REAL.lower()}:product:payments")
