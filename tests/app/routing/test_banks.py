"""Finding the bank that a text names."""

import csv
from pathlib import Path

import pytest

from app.routing.banks import BANKS, SHARED_PREFIXES, BankLexicon, find_bank_of_prefix, find_banks, named_bank
from app.routing.normalise import normalise

DATA = Path(__file__).parents[3] / "../shared/data/cnaps_branches.csv"


@pytest.mark.parametrize(
    ("text", "bank_id"),
    [
        ("中国工商银行股份有限公司", "icbc"),
        ("工行北京朝阳支行", "icbc"),
        ("ICBC Beijing Branch", "icbc"),
        ("Industrial and Commercial Bank of China Limited", "icbc"),
        ("中國建設銀行", "ccb"),
        ("ＣＣＢ", "ccb"),
        ("Bank of China", "boc"),
        ("上海浦东发展银行", "spdb"),
        ("浦发", "spdb"),
        ("上海银行", "bosc"),
        ("广东发展银行", "cgb"),
        ("邮储银行苏州分行", "psbc"),
        ("工商银行平安大街支行", "icbc"),
        ("招 商 银 行", "cmb"),
        ("汇丰银行（中国）有限公司上海分行", "hsbc"),
        ("农行 光大路支行", "abc"),
    ],
)
def test_one_bank_is_found(text: str, bank_id: str) -> None:
    bank = find_banks(normalise(text)).bank
    assert bank is not None
    assert bank.id == bank_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "苏州市人民政府",
        "工商银行或建设银行",
        "浙江稠州商业银行",
        "北京密云汇丰村镇银行",
        "工行 农行",
        "Deutsche Bank",
        "boccaccio",
    ],
)
def test_no_bank_is_guessed(text: str) -> None:
    assert find_banks(normalise(text)).bank is None


def test_a_county_or_a_cooperative_in_the_text_is_no_second_bank() -> None:
    assert find_banks(normalise("兴业县交行兴业县支行")).named == (find_banks("交通银行").bank,)
    rural = [named_bank("402", name) for name in ("错那农村商业银行", "武平农村信用社")]
    found = BankLexicon([*BANKS, *rural]).find("错那农商银行武平信用社")
    assert (found.bank, found.rest) == (rural[0], "|武平信用社")


def test_the_table_is_consistent() -> None:
    assert len(BANKS) >= 40
    assert len({bank.id for bank in BANKS}) == len(BANKS)
    alone = [bank.prefix for bank in BANKS if bank.prefix not in SHARED_PREFIXES]
    assert len(alone) == len(set(alone))
    spellings = [normalise(name) for bank in BANKS for name in (bank.name, *bank.aliases, *bank.english)]
    assert len(spellings) == len(set(spellings))


def test_real_names_name_the_bank_of_their_code() -> None:
    if not DATA.exists():
        pytest.skip("the shared directory of real branches is not here")
    with DATA.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = []
    for row in rows:
        by_code = find_bank_of_prefix(row["code"][:3])
        by_name = find_banks(normalise(row["name"])).bank
        if by_code is not None and by_name is not by_code:
            wrong.append(row["name"])
        if by_code is None and by_name is not None and by_name.prefix != row["code"][:3]:
            wrong.append(row["name"])
    assert wrong == []
