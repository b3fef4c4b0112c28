"""Registers of enterprises: four elements as one, silence is no answer, files are entered whole or not at all."""

from __future__ import annotations

import json
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.identity.models import TenantKind
from app.problems import InvalidInput
from app.proofing import enterprises, registers
from app.proofing.records import RegisterEntry
from app.wiring import Services
from kyc.errors import EnterpriseNotConfirmed, InvalidIdentityNumber
from kyc.ports import EnterpriseElements, RegistryAnswer
from pki.errors import InvalidIdentifier
from tests.app.identity.people import People, uscc
from tests.app.proofing.conftest import NUMBER

QINGHE = EnterpriseElements("杭州青禾（集团）有限公司", uscc(500), "柯琳", NUMBER)
OTHER_NUMBER = "110101197001010032"


def enter(services: Services, elements: EnterpriseElements = QINGHE) -> None:
    with services.transaction() as session:
        registers.enter_enterprise(services, session, elements, actor="test")


def changed(**values: str) -> EnterpriseElements:
    return EnterpriseElements(**{**{name: getattr(QINGHE, name) for name in QINGHE.__slots__}, **values})


def test_all_four_elements_are_confirmed(services: Services) -> None:
    enter(services)
    assert services.registry.compare(QINGHE) is RegistryAnswer.CONFIRMED
    assert services.registry.compare(changed(name="杭州青禾(集团)有限公司 ")) is RegistryAnswer.CONFIRMED


@pytest.mark.parametrize(
    "wrong",
    [{"name": "杭州青禾有限公司"}, {"legal_representative": "柯林"}, {"identity_number": OTHER_NUMBER}],
)
def test_one_other_element_is_refused(services: Services, wrong: dict[str, str]) -> None:
    enter(services)
    assert services.registry.compare(changed(**wrong)) is RegistryAnswer.REFUSED


def test_an_enterprise_that_is_not_there_is_unknown(services: Services) -> None:
    enter(services)
    assert services.registry.compare(changed(uscc=uscc(501))) is RegistryAnswer.UNKNOWN


def test_a_new_entry_takes_the_place_of_the_old(services: Services) -> None:
    enter(services)
    enter(services, changed(legal_representative="霍普", identity_number=OTHER_NUMBER))
    assert services.registry.compare(QINGHE) is RegistryAnswer.REFUSED


def test_the_register_keeps_nothing_readable_of_the_person(services: Services) -> None:
    enter(services)
    enter(services, changed(uscc=uscc(502)))
    with services.reading() as session:
        one, two = session.scalars(select(RegisterEntry).order_by(RegisterEntry.uscc)).all()
    for entry in (one, two):
        stored = b"".join(value for value in vars(entry).values() if isinstance(value, bytes))
        assert NUMBER.encode() not in stored
        assert "柯琳".encode() not in stored
    assert one.identity_lookup != two.identity_lookup


def test_bad_elements_are_not_entered(services: Services) -> None:
    with pytest.raises(InvalidIdentifier):
        enter(services, changed(uscc="91330106MA2QH8K3X0"))
    with pytest.raises(InvalidIdentityNumber):
        enter(services, changed(identity_number="110101195611190028"))


# --- files ---


def csv_of(*lines: str) -> str:
    return "\n".join([",".join(registers.COLUMNS), *lines, ""])


GOOD = f"{QINGHE.uscc},{QINGHE.name},{QINGHE.legal_representative},{NUMBER}"


def import_text(services: Services, text: str) -> int:
    with services.transaction() as session:
        return registers.import_register(services, session, text, actor="test")


def test_a_file_is_entered(services: Services) -> None:
    assert import_text(services, "\ufeff" + csv_of(GOOD, GOOD.replace(QINGHE.uscc, uscc(503)))) == 2
    assert services.registry.compare(QINGHE) is RegistryAnswer.CONFIRMED


@pytest.mark.parametrize(
    "bad",
    ["", "91330106MA2QH8K3X0,企业,柯琳," + NUMBER, GOOD.replace(NUMBER, "123"), GOOD + ",extra", "a,b", '"' + GOOD],
)
def test_one_bad_line_and_nothing_is_entered(services: Services, bad: str) -> None:
    text = csv_of(GOOD, bad) if bad else "name,uscc\n"
    with pytest.raises(InvalidInput) as refusal:
        import_text(services, text)
    assert NUMBER not in str(refusal.value.faults)
    with services.reading() as session:
        assert session.scalars(select(RegisterEntry)).all() == []


def test_the_command_enters_a_file(app: Flask, services: Services, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(csv_of(GOOD), encoding="utf-8")
    bad.write_text(csv_of(GOOD.replace(NUMBER, "123")), encoding="utf-8")
    runner = app.test_cli_runner()

    assert "1 enterprises" in runner.invoke(args=["registry", "import", str(good)]).output
    refused = runner.invoke(args=["registry", "import", str(bad)])
    assert refused.exit_code == 1
    assert services.registry.compare(QINGHE) is RegistryAnswer.CONFIRMED


# --- an authority's register ---


def test_an_authority_is_asked_for_all_four() -> None:
    asked = []

    def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
        asked.append((url, json.loads(body), headers["Authorization"]))
        return b'{"answer": "confirmed"}'

    register = registers.HttpRegistry("https://register.example/compare", "token", post)

    assert register.compare(QINGHE) is RegistryAnswer.CONFIRMED
    assert asked == [
        (
            "https://register.example/compare",
            {
                "name": QINGHE.name,
                "uscc": QINGHE.uscc,
                "legal_representative": "柯琳",
                "identity_number": NUMBER,
            },
            "Bearer token",
        )
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"yes",
        b"null",
        b"[]",
        b'{"answer": true}',
        b'{"answer": "CONFIRMED"}',
        b'{"answer": ["confirmed"]}',
        b"\xff",
        TimeoutError(),
        ConnectionRefusedError(),
        RemoteDisconnected(),
        ValueError("status 302"),
    ],
)
def test_anything_but_an_agreed_answer_is_no_answer(answer: bytes | Exception) -> None:
    def post(url: str, body: bytes, headers: dict[str, str]) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert registers.HttpRegistry("https://r.example/", "t", post).compare(QINGHE) is RegistryAnswer.UNKNOWN


def test_plain_http_is_not_used() -> None:
    with pytest.raises(ValueError, match="https alone"):
        registers.post_https("http://r.example/", b"{}", {})


# --- what a contract needs ---


def elements_of(people: People) -> EnterpriseElements:
    tenant = people.tenants[TenantKind.ENTERPRISE]
    return EnterpriseElements(tenant.name, tenant.uscc, "柯琳", NUMBER)


def require(services: Services, person_id: str) -> None:
    with services.reading() as session:
        enterprises.require_confirmed(session, person_id)


def test_no_answer_is_never_a_yes(services: Services, person_id: str) -> None:
    with pytest.raises(EnterpriseNotConfirmed):
        require(services, person_id)
    assert enterprises.examine_enterprise(services, person_id, actor="test") is RegistryAnswer.UNKNOWN
    with pytest.raises(EnterpriseNotConfirmed):
        require(services, person_id)


def test_a_confirmed_enterprise_may_sign_until_the_register_changes(
    services: Services, people: People, person_id: str
) -> None:
    enter(services, elements_of(people))
    enterprises.examine_enterprise(services, person_id, actor="test")
    require(services, person_id)

    changed_hands = elements_of(people)
    enter(services, EnterpriseElements(changed_hands.name, changed_hands.uscc, "霍普", OTHER_NUMBER))
    enterprises.examine_enterprise(services, person_id, actor="test")
    with pytest.raises(EnterpriseNotConfirmed):
        require(services, person_id)


def test_an_officer_may_know_better_than_the_register(services: Services, people: People, person_id: str) -> None:
    stale = elements_of(people)
    enter(services, EnterpriseElements(stale.name, stale.uscc, "霍普", OTHER_NUMBER))
    enterprises.examine_enterprise(services, person_id, actor="test")
    officer = people.accounts["compliance-officer"].id
    with services.transaction() as session:
        enterprises.accept_enterprise(services, session, person_id, reason="登记库未及时变更", actor=officer)

    enterprises.examine_enterprise(services, person_id, actor="test")  # refuses as before: nothing new
    require(services, person_id)


def test_an_officers_decision_stands_until_the_register_refuses(
    services: Services, people: People, person_id: str
) -> None:
    enterprises.examine_enterprise(services, person_id, actor="test")
    officer = people.accounts["compliance-officer"].id
    with services.transaction() as session:
        enterprises.accept_enterprise(services, session, person_id, reason="已核对营业执照原件", actor=officer)

    enterprises.examine_enterprise(services, person_id, actor="test")
    require(services, person_id)
    other = elements_of(people)
    enter(services, EnterpriseElements(other.name, other.uscc, "霍普", OTHER_NUMBER))
    enterprises.examine_enterprise(services, person_id, actor="test")
    with pytest.raises(EnterpriseNotConfirmed):
        require(services, person_id)
