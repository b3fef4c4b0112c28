"""The directory that the service makes up."""

from app.routing.banks import BANKS
from app.routing.clearing_code import parse_clearing_code
from app.routing.sandbox import generate_sandbox


def test_every_code_is_good_and_used_once() -> None:
    branches = list(generate_sandbox())
    assert len({branch.code for branch in branches}) == len(branches)
    assert {branch.bank_id for branch in branches} == {bank.id for bank in BANKS}
    for branch in branches:
        assert parse_clearing_code(branch.code).area == branch.area_code


def test_it_is_the_same_every_time() -> None:
    assert list(generate_sandbox()) == list(generate_sandbox())
