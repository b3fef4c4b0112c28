"""Contracts come out of their terms the same every time, with every character or not at all."""

import hashlib
import re

import pypdfium2
import pytest

from contracts import fonts
from contracts.errors import FontMissing, InvalidTerms, MissingGlyph, UnknownTemplate
from contracts.inspection import inspect
from contracts.render import get_template, list_templates, render

TEMPLATE = "product-service-agreement"


def text_of(pdf):
    document = pypdfium2.PdfDocument(pdf)
    return "".join(document[page].get_textpage().get_text_bounded() for page in range(len(document)))


def test_same_terms_same_bytes(terms):
    first, second = render(TEMPLATE, terms), render(TEMPLATE, {**terms, "contract_number": "YL-2026-000129"})
    assert render(TEMPLATE, terms) == first
    assert first.sha256 == hashlib.sha256(first.pdf).hexdigest() != second.sha256


def test_prints_the_terms(terms):
    text = text_of(render(TEMPLATE, terms).pdf)
    for expected in ("产品服务协议", "张㛃𠮷", "伍万元整", "50,000.00", "2027 年 11 月 30 日", "电子签名法"):
        assert expected in re.sub(r"\s+", lambda m: " " if " " in m[0] else "", text), expected


def test_claims_pdfa_and_is_safe_to_sign(terms):
    rendered = render(TEMPLATE, terms)
    assert b"pdfaid" in rendered.pdf
    assert inspect(rendered.pdf).sha256 == rendered.sha256


def test_places_lie_on_their_page(terms):
    two = render(TEMPLATE, terms).places
    three = render(TEMPLATE, {**terms, "platform": terms["bank"]}).places
    assert [place.name for place in two] == ["enterprise-legal-representative", "bank-seal"]
    assert [place.party for place in three] == ["enterprise", "bank", "platform"]
    for place in (*two, *three):
        assert 0 < place.x < place.x + place.width < 595.3
        assert 0 < place.y < place.y + place.height < 841.9
    assert len({place.page for place in two}) == 1


@pytest.mark.parametrize("name", ["张㛃", "𠮷田", "䶮祎", "阿卜杜拉·买买提"])
def test_rare_characters_print(terms, name):
    terms["enterprise"]["legal_representative"] = name
    assert name in text_of(render(TEMPLATE, terms).pdf)


@pytest.mark.parametrize("character", ["\ue000", "\U000f0000", "𱍐", "😀"])
def test_a_missing_glyph_is_named(terms, character):
    terms["enterprise"]["legal_representative"] = f"张{character}三"
    with pytest.raises(MissingGlyph) as caught:
        render(TEMPLATE, terms)
    assert character in caught.value.character


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("enterprise", "uscc"), "91330106MA2CFLDG40"),
        (("enterprise", "uscc"), 5),
        (("enterprise", "name"), "甲\u202e乙"),
        (("enterprise", "name"), "甲\u200b乙"),
        (("enterprise", "name"), " 甲"),
        (("products",), []),
        (("end_date",), "2020-01-01"),
        (("end_date",), "tomorrow"),
        (("notice_days",), "30"),
        (("unknown",), 1),
        (("products", 0, "daily_limit"), 1),
        (("products", 0, "single_limit"), 1.5),
        (("products", 0, "custody"), "platform"),
    ],
)
def test_terms_that_do_not_fit_are_refused(terms, path, value):
    *parents, last = path
    target = terms
    for step in parents:
        target = target[step]
    target[last] = value
    with pytest.raises(InvalidTerms) as caught:
        render(TEMPLATE, terms)
    assert caught.value.faults


def test_text_is_never_markup(terms):
    terms["enterprise"]["address"] = '#panic("x") *b* $x$ <l> \\ `c`'
    assert '#panic("x") *b* $x$' in text_of(render(TEMPLATE, terms).pdf)


def test_templates_are_found_by_name_and_version():
    assert get_template(TEMPLATE) in list_templates()
    assert get_template(TEMPLATE, "1").json_schema()["additionalProperties"] is False
    for name, version in (("nothing", None), (TEMPLATE, "0")):
        with pytest.raises(UnknownTemplate):
            get_template(name, version)


def test_says_what_to_install_where_no_font_is_found(monkeypatch):
    monkeypatch.setattr(fonts, "SERIF_FAMILIES", ())
    monkeypatch.setattr(fonts, "SANS_FAMILIES", ())
    fonts.font_choice.cache_clear()
    try:
        with pytest.raises(FontMissing, match="fonts-noto-cjk"):
            fonts.font_choice()
    finally:
        fonts.font_choice.cache_clear()
