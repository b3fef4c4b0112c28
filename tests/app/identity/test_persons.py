"""Legal representatives: sealed at rest, found by their number, forgotten with their key."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import MetaData, select

from app.identity import persons
from app.identity.models import Person, TenantKind
from app.identity.problems import PersonExists
from app.problems import NotFound
from kyc.documents import identity_check_character
from kyc.errors import ImageRejected, InvalidIdentityNumber, SealBroken
from kyc.ports import Assurance
from tests.app.identity.people import People

NAME = "欧阳修远"


def number(serial: int) -> str:
    first17 = f"11010119800101{serial:03d}"
    return first17 + identity_check_character(first17)


def portrait() -> bytes:
    pixels = np.random.default_rng(7).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def add(people: People, serial: int = 1, name: str = NAME) -> Person:
    tenant = people.tenants[TenantKind.ENTERPRISE]
    with people.services.transaction() as session:
        return persons.add_person(people.services, session, tenant.id, name, number(serial), "test")


def test_facts_are_opened_and_masked(people: People) -> None:
    person = add(people)
    with people.services.reading() as session:
        facts = persons.get_person_facts(people.services, session, person.id)
    assert (facts.name, facts.identity_number) == (NAME, number(1))
    assert facts.masked_name == "欧***"
    assert facts.masked_number[2:-2] == "*" * 14
    assert NAME not in repr(facts)
    assert number(1) not in repr(facts)
    assert not facts.has_portrait


def test_nothing_personal_is_in_the_database(people: People) -> None:
    person, image = add(people), portrait()
    with people.services.transaction() as session:
        persons.set_portrait(people.services, session, person.id, image, Assurance.HIGH, "test")
    stored = everything_stored(people)
    for secret in (NAME.encode(), number(1).encode(), number(1)[-6:].encode(), image[64:96]):
        for form in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")[:-1]):
            assert form not in stored
    assert NAME.encode("unicode_escape") not in stored


def everything_stored(people: People) -> bytes:
    """Every value of every table, and on SQLite the files themselves."""
    tables = MetaData()
    tables.reflect(people.services.engine)
    values: list[bytes] = []
    with people.services.reading() as session:
        for table in tables.sorted_tables:
            for row in session.execute(select(table)):
                values += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    for file in people.services.settings.var.glob("*.db*"):
        values.append(file.read_bytes())
    return b"\0".join(values)


def test_the_same_number_is_registered_once_per_enterprise(people: People) -> None:
    add(people)
    with pytest.raises(PersonExists):
        add(people, name="另一名字")
    other = people.add_tenant(TenantKind.ENTERPRISE, 88)
    with people.services.transaction() as session:
        persons.add_person(people.services, session, other.id, NAME, number(1), "test")


def test_only_enterprises_have_legal_representatives(people: People) -> None:
    with people.services.transaction() as session, pytest.raises(NotFound):
        persons.add_person(people.services, session, people.tenants[TenantKind.BANK].id, NAME, number(1), "test")


def test_a_wrong_check_character_is_refused(people: People) -> None:
    wrong = number(1)[:-1] + ("0" if number(1)[-1] != "0" else "1")
    with people.services.transaction() as session, pytest.raises(InvalidIdentityNumber):
        persons.add_person(people.services, session, people.tenants[TenantKind.ENTERPRISE].id, NAME, wrong, "test")


def test_found_by_the_end_of_the_number_only_when_one_fits(people: People) -> None:
    add(people, 1)
    person = add(people, 2)
    tenant = people.tenants[TenantKind.ENTERPRISE].id
    with people.services.reading() as session:
        found = persons.find_by_identity(people.services, session, tenant, number(2)[-6:].lower())
        assert found is not None
        assert found.person_id == person.id
        assert persons.find_by_identity(people.services, session, tenant, "999999") is None
        assert persons.find_by_identity(people.services, session, tenant, "") is None


def test_the_portrait_comes_back_from_the_source(people: People) -> None:
    person, image = add(people), portrait()
    source = persons.EmbeddedPortraitSource(people.services)
    assert source.find_portrait(person.id) is None
    with people.services.transaction() as session:
        persons.set_portrait(people.services, session, person.id, image, Assurance.LOW, "test")
    found = source.find_portrait(person.id)
    assert found is not None
    assert (found.image, found.assurance) == (image, Assurance.LOW)
    assert source.find_portrait("nobody") is None


def test_what_is_no_image_is_refused(people: People) -> None:
    person = add(people)
    with people.services.transaction() as session, pytest.raises(ImageRejected):
        persons.set_portrait(people.services, session, person.id, b"not an image", Assurance.HIGH, "test")


def test_sealed_values_cannot_change_places(people: People) -> None:
    one, two = add(people, 1), add(people, 2)
    with people.services.transaction() as session:
        session.get_one(Person, one.id).name_sealed = two.name_sealed
    with people.services.reading() as session, pytest.raises(SealBroken):
        persons.get_person_facts(people.services, session, one.id)


def test_without_the_key_the_person_is_forgotten(people: People) -> None:
    person, kept = add(people, 1), add(people, 2)
    people.services.person_keys.destroy(person.id)
    with people.services.reading() as session:
        with pytest.raises(NotFound):
            persons.get_person_facts(people.services, session, person.id)
        assert [p.person_id for p in persons.list_persons(people.services, session)] == [kept.id]
    assert persons.EmbeddedPortraitSource(people.services).find_portrait(person.id) is None


def test_more_can_be_sealed_for_a_person(people: People) -> None:
    one, two = add(people, 1), add(people, 2)
    services = people.services
    with services.reading() as session:
        sealed = persons.seal_for(services, session, one.id, b"evidence", "face-check:1")
        assert persons.open_for(services, session, one.id, sealed, "face-check:1") == b"evidence"
        for person_id, what in ((one.id, "face-check:2"), (two.id, "face-check:1")):
            with pytest.raises(SealBroken):
                persons.open_for(services, session, person_id, sealed, what)


@pytest.mark.parametrize(("name", "masked"), [("张伟", "张*"), ("张三丰", "张**"), ("柯", "柯*")])
def test_names_keep_their_first_character(name: str, masked: str) -> None:
    assert persons.mask_name(name) == masked
