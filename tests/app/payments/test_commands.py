"""The commands of operators for payments and routing."""

import json

import pytest
from flask import Flask
from sqlalchemy import update

from app.payments.models import LedgerAccount
from tests.app.payments.world import CCB_HANGZHOU, PAYER, Bank


def test_the_ledger_is_checked_to_the_fen(app: Flask, bank: Bank) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["payments", "check-ledger"]).exit_code == 0
    with bank.services.transaction() as session:
        session.execute(update(LedgerAccount).where(LedgerAccount.number == PAYER).values(balance_minor=1))
    result = runner.invoke(args=["payments", "check-ledger"])
    assert result.exit_code == 1
    assert PAYER in result.output
    assert runner.invoke(args=["payments", "dispatch"]).output == "0 messages of the clearing\n"


@pytest.mark.usefixtures("bank")
def test_the_sandbox_is_loaded_and_asked(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert "branches added" in runner.invoke(args=["routing", "load-sandbox"]).output
    result = runner.invoke(args=["routing", "resolve", CCB_HANGZHOU])
    assert json.loads(result.output)["decision"] == "auto"
