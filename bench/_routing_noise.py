"""Kinds of noise that the model was not trained with, for `bench/routing.py`."""

from __future__ import annotations

import random
import re

from app.routing.areas import short_name
from app.routing.noise import Characters, Kind, Parts, Typed, casual_bank, pinyin_of, plain, traditional
from app.routing.sounds import fold_sound, to_sound

# Characters that look alike: slips of handwriting and of recognition from pictures.
_ALIKE = (
    "未末 土士 己已 日曰 天夫 大太 人入 八入 千干 王玉 田由 甲申 木本 西酉 万方 今令 牛午 石右 白自 目且 贝见 东车 "
    "马乌 兰三 江汪 河何 湖胡 海诲 洋样 泉帛 沙砂 清请 阳阴 陵陆 城诚 坡披 塘糖 桥侨 杨扬 柳抑 林材 松忪 梅海 桂佳 "
    "枫讽 樟漳 华毕 光先 明朋 时对 新亲 兴关 安女 宁宇 和知 平苹 丰三 福副 园圆 圃铺 苑宛 花化 莲连 荷苛 金全 银很 "
    "铜钢 铁轶 锦绵 龙尤 凤风 鹤鹰 虎虚 狮师 建健 设没 解懈 放肪 民氏 胜姓 利刺 文交 武式 学字 开井 发友 科料 技枝 "
    "创抢 业亚 商高 贸留 港巷 湾弯 滨宾 岭领 峰蜂 岗冈 坪评 站战"
)
_LOOKS = {pair[a]: pair[b] for pair in _ALIKE.split() for a, b in ((0, 1), (1, 0))}
_NOTES = ("（对公）", " 电话0571-88886666", "，请核对", "（基本户）", " 行号请查", "。", "（加急处理）", " 收")


def _change(parts: Parts, chance: random.Random, core: str) -> Typed:
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.city}{core}{parts.end}")


def looks_alike(parts: Parts, chance: random.Random) -> Typed:
    """One character replaced by one that looks alike."""
    places = [at for at, char in enumerate(parts.core) if char in _LOOKS]
    if not places:
        return Typed(plain(parts, chance))
    at = chance.choice(places)
    return _change(parts, chance, parts.core[:at] + _LOOKS[parts.core[at]] + parts.core[at + 1 :])


def accent(characters: Characters) -> Kind:
    """One character replaced by one that speakers of another region pronounce alike (z and zh, n and l, in and ing)."""
    by_sound: dict[str, list[str]] = {}
    for char in sorted(set(characters.all)):
        by_sound.setdefault(fold_sound(to_sound(char)), []).append(char)

    def kind(parts: Parts, chance: random.Random) -> Typed:
        if not parts.core:
            return Typed(plain(parts, chance))
        at = chance.randrange(len(parts.core))
        own = parts.core[at]
        others = [char for char in by_sound.get(fold_sound(to_sound(own)), ()) if to_sound(char) != to_sound(own)]
        return _change(
            parts, chance, parts.core[:at] + (chance.choice(others) if others else own) + parts.core[at + 1 :]
        )

    return kind


def stutter(parts: Parts, chance: random.Random) -> Typed:
    """One character twice."""
    text = plain(parts, chance)
    at = chance.randrange(len(text) - len(parts.end) - len(parts.core), len(text)) if parts.core else len(text) - 1
    return Typed(text[: at + 1] + text[at:])


def hierarchical(parts: Parts, chance: random.Random) -> Typed:
    """The city's branch named before the sub-branch."""
    city = parts.place.area.name if parts.place.area and chance.random() < 0.5 else parts.city
    level = "分行" if city and parts.core else ""
    return Typed(f"{casual_bank(parts.bank, chance)}{city}{level}{parts.core}{parts.end}")


def annotated(parts: Parts, chance: random.Random) -> Typed:
    """Something that is no name behind it, or a label in front."""
    lead = chance.choice(("", "开户行：", "收款行:", "开户银行 "))
    return Typed(f"{lead}{plain(parts, chance)}{chance.choice(_NOTES)}")


def separated(parts: Parts, chance: random.Random) -> Typed:
    """Parts with separators, as from a form or a spreadsheet."""
    sign = chance.choice(("-", "/", "|", " > ", "、", "_", "\t"))
    words = (casual_bank(parts.bank, chance), parts.city, parts.core + parts.end)
    return Typed(sign.join(word for word in words if word))


def shortened(parts: Parts, chance: random.Random) -> Typed:
    """The word that says what kind of place it is left out: 中山 for 中山路."""
    core = re.sub(r"(?<=..)(?:路|街|大街|大道|镇|新区|开发区|工业园|广场)$", "", parts.core)
    return _change(parts, chance, core)


def mixed_scripts(parts: Parts, chance: random.Random) -> Typed:
    """The bank by its English name or letters where it has any, the city in pinyin, the rest in Chinese."""
    bank = chance.choice(parts.bank.english) if parts.bank.english else casual_bank(parts.bank, chance)
    city = pinyin_of(parts.city).replace(" ", "").title()
    return Typed(f"{bank} {city} {parts.core}{parts.end}")


def twice_the_city(parts: Parts, chance: random.Random) -> Typed:
    """The prefecture's name with 市 and the county's with its own suffix."""
    area = parts.place.area
    if area is None:
        return Typed(plain(parts, chance))
    return Typed(f"{area.name}{casual_bank(parts.bank, chance)}{area.name}{parts.core}{parts.end}")


def company_in_city(parts: Parts, chance: random.Random) -> Typed:
    """No city in the text; the payee's name has it."""
    area = parts.place.area
    if area is None:
        return Typed(plain(parts, chance))
    text = f"{casual_bank(parts.bank, chance)}{parts.core}{parts.end}"
    return Typed(text, f"{short_name(area.name)}青禾贸易")


def two_slips(parts: Parts, chance: random.Random) -> Typed:
    """Traditional characters, spaces and no 支行 at once."""
    text = traditional(parts, chance).text.removesuffix("支行") if parts.core else plain(parts, chance)
    return Typed("".join(char + chance.choice(("", "", " ")) for char in text))


def city_and_end_dropped(parts: Parts, chance: random.Random) -> Typed:
    """Neither city nor 支行, nothing known of the payee."""
    if not parts.core:
        return Typed(plain(parts, chance))
    return Typed(f"{casual_bank(parts.bank, chance)}{parts.core}")


def in_capitals(parts: Parts, chance: random.Random) -> Typed:
    """Full-width capitals of the bank's letters where it has any, everything apart by dots."""
    letters = [name for name in parts.bank.english if name.isupper()]
    bank = chance.choice(letters) if letters else casual_bank(parts.bank, chance)
    wide = "".join(chr(ord(char) + 0xFEE0) if char.isascii() else char for char in bank)
    return Typed(f"{wide}·{parts.city}·{parts.core}{parts.end}")


def held_out_kinds(characters: Characters) -> dict[str, Kind]:
    """All kinds by name."""
    return {
        "looks-alike": looks_alike,
        "accent": accent(characters),
        "stutter": stutter,
        "hierarchical": hierarchical,
        "annotated": annotated,
        "separated": separated,
        "shortened": shortened,
        "mixed-scripts": mixed_scripts,
        "twice-the-city": twice_the_city,
        "company-in-city": company_in_city,
        "two-slips": two_slips,
        "city-and-end-dropped": city_and_end_dropped,
        "in-capitals": in_capitals,
    }
