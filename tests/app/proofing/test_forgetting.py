"""Withdrawal destroys the data key: no older copy of database and documents gives back one biometric octet."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.compliance import service as compliance
from app.identity import decisions, persons
from app.identity.models import Account, Person, Role, Tenant
from app.identity.problems import OwnDecision, PersonForgotten
from app.journal import JournalEntry
from app.proofing import forgetting
from app.proofing.models import FaceCapture, FaceCheck
from app.proofing.problems import AlreadyHeld
from app.signing.holds import place_hold
from app.signing.service import deliver_pending
from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut, jpeg
from kyc.errors import SealBroken
from kyc.evidence import parse_evidence
from kyc.sealing import open_sealed
from tests.app.identity.people import People
from tests.flows.ceremony import Ceremony, give_portrait, register_parties, send_contract

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def representative() -> Puppet:
    return Puppet(astronaut())


@pytest.fixture
def signed(app: Flask, services: Services, representative: Puppet) -> Ceremony:
    """A contract that was signed with a face check, sealed and archived."""
    _, person_id = register_parties(services)
    give_portrait(services, person_id, jpeg(astronaut()))
    ceremony = send_contract(app, services, person_id)
    ceremony.sign(representative)
    deliver_pending(services)
    services.journal.seal()
    return ceremony


@pytest.fixture
def officers(app: Flask, services: Services, signed: Ceremony) -> tuple[Account, Account]:
    people = People(app, services)
    with services.reading() as session:
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).one()
    first, second = (people.add_account(name, Role.COMPLIANCE_OFFICER, bank) for name in ("officer1", "officer2"))
    return first, second


def sealed_values(services: Services, person_id: str) -> dict[str, tuple[bytes, str]]:
    """Everything biometric or personal that is sealed for the person: name -> (sealed, what)."""
    with services.reading() as session:
        person = session.get_one(Person, person_id)
        [check] = session.scalars(select(FaceCheck)).all()
        captures = session.scalars(select(FaceCapture)).all()
    pictures = services.documents.get(check.pictures_sha256 or "")
    return {
        "name": (person.name_sealed, "name"),
        "identity number": (person.identity_number_sealed, "identity-number"),
        "portrait": (person.portrait_sealed or b"", "portrait"),
        "evidence leaves": (check.evidence_sealed or b"", f"evidence:{check.id}"),
        "frames": (pictures, f"pictures:{check.id}"),
        **{f"capture {row.id}": (row.hashes_sealed, f"capture:{row.id}") for row in captures},
    }


def open_value(services: Services, person_id: str, sealed: bytes, what: str) -> bytes:
    with services.reading() as session:
        return persons.open_for(services, session, person_id, sealed, what)


def back_up(services: Services, folder: Path) -> None:
    """Database and documents as the deployment notes say: without the store of the data keys."""
    services.engine.dispose()
    shutil.copytree(services.settings.var, folder, ignore=shutil.ignore_patterns("person-keys.db*"))


def restore(services: Services, folder: Path) -> None:
    services.engine.dispose()
    shutil.copytree(folder, services.settings.var, dirs_exist_ok=True)


@on_sqlite
def test_an_older_backup_gives_nothing_back_while_signature_and_root_verify(
    services: Services, signed: Ceremony, tmp_path: Path
) -> None:
    person_id = signed.person_id
    values = sealed_values(services, person_id)
    plain = {name: open_value(services, person_id, *value) for name, value in values.items()}
    assert len(values) >= 6
    frames = [base64.b64decode(picture) for picture in json.loads(plain["frames"])]
    back_up(services, tmp_path / "backup")

    assert forgetting.withdraw_consent(services, person_id, actor=person_id).executed_at
    restore(services, tmp_path / "backup")

    # 1. The rows are back, and not one of them opens: not through the service, not with any key that is left.
    assert sealed_values(services, person_id) == values
    for sealed, what in values.values():
        with pytest.raises(PersonForgotten):
            open_value(services, person_id, sealed, what)
        with pytest.raises(SealBroken):
            open_sealed(services.settings.data_key, sealed, f"{person_id}:{what}")
    with services.reading() as session:
        assert persons.list_persons(services, session) == []
    assert services.portraits.find_portrait(person_id) is None
    # 2. No picture, no capture hash and no salt of a leaf stands anywhere in clear, nor does the wrapped key.
    salts = [bytes.fromhex(leaf["salt"]) for leaf in json.loads(plain["evidence leaves"])["leaves"]]
    hashes = [value for name, value in plain.items() if name.startswith("capture")]
    secrets = [plain["portrait"], *frames, *(value[:32] for value in hashes), *salts]
    needles = {form for value in secrets for form in (value[200:232] or value, value.hex().encode()[:64])}
    for path in (path for path in services.settings.var.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [needle for needle in needles if needle in content], path.name
    assert person_id.encode() not in (services.settings.var / "person-keys.db").read_bytes()
    # 3. The signature is good, and its root is proven by the hashes of the leaves.
    with services.reading() as session:
        assert compliance.verify(services, session, signed.contract_id).good
        [check] = session.scalars(select(FaceCheck)).all()
    evidence = parse_evidence(check.evidence_leaves or {})
    assert evidence.root.hex() == signed.party.face_root
    assert all(leaf.forgotten for leaf in evidence.leaves)


def test_nothing_of_the_person_opens_after_the_withdrawal(services: Services, signed: Ceremony) -> None:
    person_id = signed.person_id
    values = sealed_values(services, person_id)
    forgetting.withdraw_consent(services, person_id, actor=person_id)

    for sealed, what in values.values():
        with pytest.raises(PersonForgotten):
            open_value(services, person_id, sealed, what)
    with services.reading() as session:
        assert session.get_one(Person, person_id).forgotten_at
        assert compliance.verify(services, session, signed.contract_id).good
        assert compliance.export_evidence(services, session, signed.contract_id).startswith(b"PK")


def test_the_journal_keeps_no_name(services: Services, signed: Ceremony) -> None:
    with services.reading() as session:
        facts = persons.get_person_facts(services, session, signed.person_id)
    forgetting.withdraw_consent(services, signed.person_id, actor=signed.person_id)

    with services.reading() as session:
        text = "".join(session.scalars(select(JournalEntry.leaf)))
        kinds = list(session.scalars(select(JournalEntry.kind)))
    assert facts.name not in text
    assert facts.identity_number not in text
    assert kinds.count("consent-withdrawn") == kinds.count("person-forgotten") == 1


@on_sqlite
def test_a_forgotten_person_may_be_registered_again(services: Services, signed: Ceremony) -> None:
    with services.reading() as session:
        facts = persons.get_person_facts(services, session, signed.person_id)
    forgetting.withdraw_consent(services, signed.person_id, actor=signed.person_id)

    with services.transaction() as session:
        again = persons.add_person(services, session, facts.tenant_id, facts.name, facts.identity_number, "test")
    assert again.id != signed.person_id


def test_a_legal_hold_wins_until_two_officers_lift_it(
    services: Services, signed: Ceremony, officers: tuple[Account, Account]
) -> None:
    person_id = signed.person_id
    with services.transaction() as session:
        forgetting.place_hold(services, session, person_id, reason="法院调取", account=officers[0])
    with pytest.raises(AlreadyHeld), services.transaction() as session:
        forgetting.place_hold(services, session, person_id, reason="再次保全", account=officers[0])

    assert forgetting.withdraw_consent(services, person_id, actor=person_id).executed_at is None
    assert forgetting.execute_waiting(services) == 0
    assert services.person_keys.get(person_id)

    with services.transaction() as session:
        decision = forgetting.propose_lifting(services, session, person_id, reason="案件已结", account=officers[0])
    with pytest.raises(OwnDecision), services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[0])
    assert forgetting.execute_waiting(services) == 0
    with services.transaction() as session:
        decisions.confirm(services, session, decision.id, officers[1])

    assert forgetting.execute_waiting(services) == 1
    assert forgetting.execute_waiting(services) == 0
    with pytest.raises(PersonForgotten):
        services.person_keys.get(person_id)


@on_sqlite
def test_a_hold_on_a_contract_keeps_its_signer(
    services: Services, signed: Ceremony, officers: tuple[Account, Account]
) -> None:
    with services.transaction() as session:
        place_hold(services, session, contract_id=signed.contract_id, reason="诉讼", account=officers[0])

    assert forgetting.withdraw_consent(services, signed.person_id, actor=signed.person_id).executed_at is None
    assert services.person_keys.get(signed.person_id)


@on_sqlite
def test_a_crash_between_key_and_note_is_made_good(services: Services, signed: Ceremony) -> None:
    services.person_keys.destroy(signed.person_id)

    assert forgetting.withdraw_consent(services, signed.person_id, actor=signed.person_id).executed_at


@on_sqlite
def test_the_signer_withdraws_on_the_signing_page(services: Services, signed: Ceremony) -> None:
    with signed.browser() as stranger:
        assert "请先在签署页面核实身份" in stranger.get(f"{signed.path}/privacy")
    assert services.person_keys.get(signed.person_id)
