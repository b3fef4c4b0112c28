from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.documents import InvalidJson, canonical, parse_object

SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"))
DOCUMENTS = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
    ),
)


@given(DOCUMENTS)
def test_canonical_text_keeps_the_meaning_and_is_its_own_canonical_text(document: dict) -> None:
    text = canonical(document)
    assert parse_object(text) == document
    assert canonical(parse_object(text)) == text


@given(DOCUMENTS, st.integers(0, 4))
def test_spelling_does_not_change_the_canonical_text(document: dict, indent: int) -> None:
    spelled = json.dumps(document, indent=indent, ensure_ascii=bool(indent % 2)).encode()
    assert canonical(parse_object(spelled)) == canonical(document)


def test_names_are_sorted_by_utf16_code_units() -> None:
    # RFC 8785 §3.2.3: U+1F600 is written with surrogates (D83D …), which sort before U+FB33.
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_ambiguous_or_broken_json_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidJson):
        parse_object(octets)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (b'{"a":{"b/c":1.5}}', "/a/b~1c"),
        (b'{"a":[0,9007199254740992]}', "/a/1"),
        (b'{"a":"\\ud800"}', "/a"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "/a" + "/0" * 32),
    ],
)
def test_what_other_languages_would_read_differently_is_refused_with_its_place(text: bytes, pointer: str) -> None:
    with pytest.raises(InvalidJson) as refusal:
        canonical(parse_object(text))
    assert refusal.value.pointer == pointer
