from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.oauth.details import InvalidAuthorizationDetails, Limits, parse_authorization_details
from tests.app.gateway.parties import uscc

GOOD = {
    "type": "product_access",
    "uscc": uscc(3),
    "product": "payments",
    "limits": {"single_minor": 1, "daily_minor": 2},
}
AMOUNTS = st.tuples(st.integers(1, 10**14), st.integers(1, 10**14)).map(sorted)


def test_one_product_access_is_read() -> None:
    details = parse_authorization_details(json.dumps([GOOD]))
    assert (details.uscc, details.limits.daily_minor, details.term_days) == (uscc(3), 2, 365)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "other"},
        {"uscc": "91330106MA00000031"},
        {"uscc": None},
        {"product": "gold"},
        {"limits": {"single_minor": 0, "daily_minor": 1}},
        {"limits": {"single_minor": 2, "daily_minor": 1}},
        {"limits": {"single_minor": 1.0, "daily_minor": 1}},
        {"limits": {"single_minor": "1", "daily_minor": 1}},
        {"limits": {"single_minor": 1}},
        {"term_days": 0},
        {"term_days": 367},
        {"unknown": 1},
    ],
)
def test_product_access_is_strict(changes: dict) -> None:
    with pytest.raises(InvalidAuthorizationDetails):
        parse_authorization_details(json.dumps([GOOD | changes]))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", '[],"x":[]', json.dumps([GOOD, GOOD]), "\ud800"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidAuthorizationDetails):
        parse_authorization_details(text)


@given(AMOUNTS, AMOUNTS)
def test_a_cap_never_raises_a_limit(asked: list[int], cap: list[int]) -> None:
    wanted, most = (Limits(single_minor=pair[0], daily_minor=pair[1]) for pair in (asked, cap))
    granted = wanted.at_most(most)
    assert granted.single_minor <= min(asked[0], cap[0])
    assert granted.daily_minor == min(asked[1], cap[1])
