"""The tables of characters against the libraries they were made from, and how sound and accounts are read."""

from importlib import import_module
from pathlib import Path

import pytest

from app.routing.accounts import find_bank_of_account, mask_account
from app.routing.normalise import TO_SIMPLIFIED, normalise
from app.routing.sounds import fold_sound, read_pinyin, to_sound

SHARED = Path(__file__).parents[3] / "../shared/data/card_bins.csv"


def test_simplified_characters_are_those_of_opencc() -> None:
    convert = import_module("opencc").OpenCC("t2s").convert
    assert len(TO_SIMPLIFIED) > 2500
    wrong = {chr(code): plain for code, plain in TO_SIMPLIFIED.items() if convert(chr(code)) != plain}
    assert wrong == {}


def test_sounds_are_readings_of_pypinyin() -> None:
    pypinyin = import_module("pypinyin")
    for char in "中国工商银行北京上海广州深圳杭州苏州厦门重庆长沙解放路支行分理处营业部":
        readings = pypinyin.pinyin(char, heteronym=True, style=pypinyin.Style.NORMAL)[0]
        assert to_sound(char) in {read_pinyin(reading.replace("ü", "v")) for reading in readings}, char


def test_pinyin_is_read_as_few_syllables() -> None:
    assert read_pinyin("zhongguogongshangyinhang") == to_sound("中国工商银行")
    assert read_pinyin("lvyou") == to_sound("旅游")
    assert read_pinyin("branch") is None


def test_what_accents_confuse_sounds_the_same() -> None:
    assert fold_sound(to_sound("张")) == fold_sound(to_sound("脏"))
    assert fold_sound(to_sound("宁")) == fold_sound(to_sound("林"))
    assert fold_sound(to_sound("山")) != fold_sound(to_sound("东"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("中國工商銀行股份有限公司", "中国工商银行"),
        ("Ｉｃｂｃ　苏州", "icbc苏州"),
        ("汇丰银行（中国）有限公司", "汇丰银行"),
        ("China CITIC Bank Co., Ltd.", "china citic bank"),
        ("招 商 - 银 行", "招商银行"),
    ],
)
def test_one_spelling(text: str, plain: str) -> None:
    assert normalise(text) == plain


def test_cards_name_their_bank_and_masked_ones_too() -> None:
    card = "6222 0212 3456 7890 123"
    bank = find_bank_of_account(card)
    assert bank is not None
    assert bank.id == "icbc"
    assert find_bank_of_account(mask_account(card)) == bank
    assert "567890" not in mask_account(card)
    for number in ("", "6222", "1" * 40, "9999999999999999", "６２２２０２１２３４５６７８９０"):
        assert find_bank_of_account(number) is None
