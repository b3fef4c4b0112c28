"""The commands of operators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from app.routing import service
from app.routing.clearing_code import check_digit
from app.routing.recognition import RoutingQuery
from app.wiring import Services


def code(first11: str) -> str:
    return first11 + check_digit(first11)


LAKE = code("10533100001")
FIRST = f"code,name,city,province\n{LAKE},中国建设银行股份有限公司杭州西湖支行,杭州市,浙江省\n1,坏,杭州市,浙江省\n"
SECOND = f"code,name,city,province\n{LAKE},中国建设银行股份有限公司杭州湖滨支行,杭州市,浙江省\n"


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def test_import_difference_and_export(run: FlaskCliRunner, tmp_path: Path) -> None:
    first, second, areas = tmp_path / "first.csv", tmp_path / "second.csv", tmp_path / "areas.csv"
    first.write_text(FIRST, encoding="utf-8")
    second.write_text(SECOND, encoding="utf-8")
    areas.write_text("area_code,city,province\n3310,杭州市,浙江省\n", encoding="utf-8")
    done = run.invoke(args=["routing", "import", str(first), "--on", "2026-11-01", "--areas", str(areas)])
    assert "official-2026-11-01: 1 branches, 1 new" in done.output
    assert "line 3: clearing-code-form" in done.output
    assert "1 renamed" in run.invoke(args=["routing", "import", str(second), "--on", "2026-11-08"]).output
    changes = run.invoke(args=["routing", "diff", "2026-11-01", "2026-11-08"]).output
    assert f"renamed,{LAKE},中国建设银行股份有限公司杭州湖滨支行,中国建设银行股份有限公司杭州西湖支行" in changes
    exported = run.invoke(args=["routing", "export", "--on", "2026-11-02"]).output
    assert exported.splitlines()[1].startswith(f"{LAKE},中国建设银行股份有限公司杭州西湖支行,杭州")
    found = run.invoke(args=["routing", "resolve", "建行杭州西湖支行", "--on", "2026-11-02"])
    assert json.loads(found.output)["candidates"][0]["former_name"] is None


def test_former_names_are_added(run: FlaskCliRunner, tmp_path: Path) -> None:
    table, renames = tmp_path / "table.csv", tmp_path / "renames.csv"
    table.write_text(SECOND, encoding="utf-8")
    run.invoke(args=["routing", "import", str(table)])
    renames.write_text(
        "date,old_name,new_name\n2026-03-16,中国建设银行股份有限公司杭州断桥支行,中国建设银行股份有限公司杭州湖滨支行\n",
        encoding="utf-8",
    )
    assert "1 former names added" in run.invoke(args=["routing", "import-renames", str(renames)]).output


def test_a_decision_is_replayed(run: FlaskCliRunner, sandboxed: Services) -> None:
    query = RoutingQuery("建行杭州分行营业部")
    with sandboxed.transaction() as session:
        found = service.resolve(sandboxed, session, query)
        decision_id = service.record(sandboxed, session, [(query, found)], "app-1")[0].decision_id
    result = run.invoke(args=["routing", "replay", str(decision_id)])
    assert (result.exit_code, json.loads(result.output)["same"]) == (0, True)


def test_a_model_is_trained_and_put_in_force(run: FlaskCliRunner, sandboxed: Services, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    train = ["routing", "train", "--queries", "1500", "--version", "own-1", "--card", str(card)]
    assert "own-1 stored" in run.invoke(args=train).output
    assert "own-1" in card.read_text(encoding="utf-8")
    resolve = ["routing", "resolve", "建行杭州分行营业部"]
    assert json.loads(run.invoke(args=resolve).output)["model_version"] != "own-1"
    assert "in force" in run.invoke(args=["routing", "use-model", "own-1"]).output
    assert json.loads(run.invoke(args=resolve).output)["model_version"] == "own-1"
    assert run.invoke(args=train).exit_code != 0  # there is one of that name


@pytest.mark.parametrize("arguments", [["import", __file__], ["diff", "yesterday"], ["export"], ["replay", "0"]])
def test_what_cannot_be_done_ends_with_a_failure(run: FlaskCliRunner, arguments: list[str]) -> None:
    assert run.invoke(args=["routing", *arguments]).exit_code != 0
