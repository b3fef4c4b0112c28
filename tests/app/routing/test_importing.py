"""Checking the official table line by line."""

from pathlib import Path

import pytest

from app.routing.areas import Area
from app.routing.clearing_code import check_digit
from app.routing.importing import NotADirectory, parse_areas, parse_directory, parse_renames

SHARED = Path(__file__).parents[3] / "../shared/data"


def code(first11: str) -> str:
    return first11 + check_digit(first11)


GOOD = code("10233100001")


def faults(text: str) -> list[tuple[int, str]]:
    return [(fault.line, fault.reason) for fault in parse_directory(text.encode()).faults]


def test_every_fault_has_its_line_and_the_rest_is_kept() -> None:
    text = (
        f"code,name,city,province\n{GOOD},中国工商银行杭州分行,杭州市,浙江省\n{GOOD},又一个,杭州市,浙江省\n"
        f"10233100001,短,杭州市,浙江省\n{GOOD[:-1]}{(int(GOOD[-1]) + 1) % 10},错,杭州市,浙江省\n"
        f"{code('10233100002')},,杭州市,浙江省\n{code('10299990001')},中国工商银行某处支行,,\n"
    )
    assert faults(text) == [
        (3, "duplicate-code"),
        (4, "clearing-code-form"),
        (5, "clearing-code-check-digit"),
        (6, "name"),
        (7, "unknown-area"),
    ]
    assert [branch.bank_id for branch in parse_directory(text.encode()).branches] == ["icbc"]


def test_an_unknown_area_is_kept_with_the_city_of_its_line_and_noted() -> None:
    text = f"code,name,city,province\n{code('10299990001')},中国工商银行某处支行,某处县,浙江省\n"
    parsed = parse_directory(text.encode())
    assert [area.name for area in parsed.areas if area.code == "9999"] == ["某处县"]
    assert [note.reason for note in parsed.notes] == ["unknown-area"]


def test_known_areas_are_told() -> None:
    areas = parse_areas("area_code,city,province\n9999,某处县,浙江省\nx,y,z\n".encode())
    assert areas == (Area("9999", "某处县", "浙江省"),)
    text = f"code,name\n{code('10299990001')},中国工商银行某处支行\n"
    assert parse_directory(text.encode(), areas).faults == ()


def test_old_chinese_encodings_are_read() -> None:
    text = f"行号,行名\n{GOOD},中国工商银行杭州分行\n"
    assert parse_directory(text.encode("gb18030")).branches == parse_directory(text.encode("utf-8-sig")).branches


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", b"a,b\n1,2\n", b'code,name\n"' + b"x" * 200_000])
def test_what_is_no_table_is_said(data: bytes) -> None:
    with pytest.raises(NotADirectory):
        parse_directory(data)


def test_renames_are_in_order_of_their_days() -> None:
    renames, wrong = parse_renames("date,old_name,new_name\n2026-03-16,乙,丙\n2025-05-13,甲,乙\n1-1-1,a,b\n".encode())
    assert [rename.old for rename in renames] == ["甲", "乙"]
    assert [fault.reason for fault in wrong] == ["date"]


def test_the_real_rows_are_good() -> None:
    if not SHARED.exists():
        pytest.skip("the shared real rows are not here")
    areas = parse_areas((SHARED / "cnaps_areas.csv").read_bytes())
    parsed = parse_directory((SHARED / "cnaps_branches.csv").read_bytes(), areas)
    assert len(parsed.branches) == 4175
    assert [fault.reason for fault in parsed.faults] == ["unknown-area"]  # its line names no city either
    assert {note.reason for note in parsed.notes} == {"unknown-area", "duplicate-name"}
