"""Seals are one vector page each, the same whenever drawn."""

from datetime import UTC, datetime

import pypdfium2
import pytest

from contracts.errors import MissingGlyph
from contracts.seals import company_and_person_seal, company_seal, person_seal
from contracts.typesetting import typesetter

CODE = "91330106MA2CFLDG4R"
MILLIMETRE = 72 / 25.4


@pytest.mark.parametrize(
    ("seal", "width", "height"),
    [
        (company_seal("杭州云启智造科技有限公司", CODE), 40, 40),
        (company_seal("云", CODE), 40, 40),
        (company_seal("很长" * 20 + "有限公司", CODE), 40, 40),
        (person_seal("李明"), 18, 18),
        (person_seal("阿卜杜拉·买买提"), 18, 18),
        (company_and_person_seal("杭州云启智造科技有限公司", CODE, "张㛃𠮷"), 66, 40),
    ],
)
def test_one_page_of_the_right_size_without_pictures(seal, width, height):
    document = pypdfium2.PdfDocument(seal)
    assert len(document) == 1
    assert document[0].get_size() == pytest.approx((width * MILLIMETRE, height * MILLIMETRE), abs=0.1)
    assert b"/Subtype/Image" not in seal


def test_is_red_in_the_middle_and_shows_name_and_code():
    page = pypdfium2.PdfDocument(company_seal("杭州云启", CODE))[0]
    red, green, blue = page.render(scale=2).to_pil().convert("RGB").getpixel((113, 113))
    assert red > 150
    assert max(green, blue) < 80
    text = "".join(page.get_textpage().get_text_bounded().split())
    assert "杭州云启" in text
    assert CODE in text


def test_missing_glyph_is_named():
    with pytest.raises(MissingGlyph) as caught:
        person_seal("张\ue000")
    assert caught.value.character == "\ue000"


def test_a_real_clock_has_fractions_of_a_second_and_a_file_has_none():
    seal = {"seal": {"kind": "company", "name": "测试", "code": "91110000100001234U", "person": ""}}
    at = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)
    whole, fraction = (
        typesetter("seals/seal.typ").typeset(seal, created_at=moment)[0]
        for moment in (at, at.replace(microsecond=123456))
    )
    assert whole == fraction
