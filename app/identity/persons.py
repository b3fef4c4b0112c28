"""Legal representatives as the bank knows them.

Name, identity number and portrait are each sealed with a key of the person's own (`app/identity/person_keys.py`).
Destroying that key forgets all three, in the database and in every copy of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity.models import Person, Tenant, TenantKind
from app.identity.problems import PersonExists
from app.problems import NotFound
from kyc.documents import parse_identity_number
from kyc.images import decode_image
from kyc.ports import Assurance, Portrait
from kyc.sealing import open_sealed, seal

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What is known of a person, opened. The clear name and number never show in a repr."""

    person_id: str
    tenant_id: str
    name: str = field(repr=False)
    identity_number: str = field(repr=False)
    masked_name: str
    masked_number: str
    has_portrait: bool
    portrait_assurance: Assurance | None


def add_person(
    services: Services, session: Session, tenant_id: str, name: str, identity_number: str, actor: str
) -> Person:
    """Register a legal representative of an enterprise or of a platform.

    Raises InvalidIdentityNumber (GB 11643), NotFound (no such organization), PersonExists.
    """
    number = parse_identity_number(identity_number.strip(), services.clock().date()).digits
    tenant = session.get(Tenant, tenant_id)
    if tenant is None or tenant.kind == TenantKind.BANK:
        raise NotFound("no such enterprise or platform")
    person_id = new_id()
    # In a transaction of its own: when this one fails, a key remains that sealed nothing.
    key = services.person_keys.create(person_id)
    person = Person(
        id=person_id,
        tenant_id=tenant.id,
        identity_lookup=_lookup(services, number),
        name_sealed=seal(key, name.strip().encode(), _context(person_id, "name")),
        identity_number_sealed=seal(key, number.encode(), _context(person_id, "identity-number")),
        created_at=services.clock(),
    )
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError as exc:
        services.person_keys.destroy(person_id)
        raise PersonExists("this person is registered") from exc
    body = {"tenant": tenant.id}
    services.journal.append(session, "person-added", subject=person_id, actor=actor, body=body)
    return person


def set_portrait(
    services: Services, session: Session, person_id: str, image_bytes: bytes, assurance: Assurance, actor: str
) -> None:
    """Seal the reference portrait (JPEG or PNG), replacing an earlier one. Raises NotFound, ImageRejected."""
    decode_image(image_bytes)
    person = _get(session, person_id)
    key = services.person_keys.get(person_id)
    person.portrait_sealed = seal(key, image_bytes, _context(person_id, "portrait"))
    person.portrait_assurance = Assurance(assurance)
    person.portrait_set_by = actor
    # Not even the digest of the image: it would tell whoever has the photograph whose it is.
    services.journal.append(
        session, "portrait-set", subject=person_id, actor=actor, body={"assurance": person.portrait_assurance}
    )


def get_person_facts(services: Services, session: Session, person_id: str) -> PersonFacts:
    """Open what is sealed. Raises NotFound (also when the person was forgotten), SealBroken."""
    return _open(_get(session, person_id), services.person_keys.get(person_id))


def find_by_identity(services: Services, session: Session, tenant_id: str, last6: str) -> PersonFacts | None:
    """The one person of this enterprise whose number ends so; None when nobody or more than one does."""
    matches = [
        facts
        for facts in list_persons(services, session, tenant_id=tenant_id)
        if hmac.compare_digest(facts.identity_number[-6:].encode(), last6.strip().upper().encode())
    ]
    return matches[0] if len(matches) == 1 else None


def lock_person(session: Session, person_id: str) -> Person:
    """The person as it stands now, forgotten or not, for one act after the other. Raises NotFound.

    The lock lets rows that refer to it be added (FOR NO KEY UPDATE).
    """
    query = select(Person).where(Person.id == person_id).with_for_update(of=Person, key_share=True)
    person = session.scalars(query, execution_options={"populate_existing": True}).first()
    if person is None:
        raise NotFound("no such person")
    return person


def list_persons(services: Services, session: Session, *, tenant_id: str | None = None) -> list[PersonFacts]:
    """Everyone who is not forgotten, or those of one enterprise, newest first."""
    query = select(Person).where(Person.forgotten_at.is_(None)).order_by(Person.id.desc())
    if tenant_id is not None:
        query = query.where(Person.tenant_id == tenant_id)
    return _open_all(services, session, query)


def list_same_identity(services: Services, session: Session, identity_lookup: bytes) -> list[PersonFacts]:
    """The persons, of whatever enterprise, who have this identity number and are not forgotten."""
    return _open_all(
        services, session, select(Person).where(Person.identity_lookup == identity_lookup).order_by(Person.id)
    )


def find_facts(services: Services, session: Session, person_ids: Collection[str]) -> dict[str, PersonFacts]:
    """What is known of those of these persons who are not forgotten, by identifier."""
    found = _open_all(services, session, select(Person).where(Person.id.in_(person_ids)))
    return {facts.person_id: facts for facts in found}


def mask_name(name: str) -> str:
    """Keep the family name's first character: 张三丰 becomes 张**."""
    return name[:1] + "*" * max(1, len(name) - 1)


def mask_number(number: str) -> str:
    """Keep the first and the last two of the 18 characters."""
    return number[:2] + "*" * (len(number) - 4) + number[-2:]


def seal_for(services: Services, session: Session, person_id: str, plaintext: bytes, what: str) -> bytes:
    """Seal more about a person (evidence of a face check) with the person's key. `what` names it; NotFound."""
    return seal(services.person_keys.get(person_id), plaintext, _context(person_id, what))


def open_for(services: Services, session: Session, person_id: str, sealed: bytes, what: str) -> bytes:
    """What `seal_for` was given. Raises NotFound (also when the person was forgotten), SealBroken."""
    return open_sealed(services.person_keys.get(person_id), sealed, _context(person_id, what))


def get_portrait(services: Services, session: Session, person_id: str) -> Portrait:
    """The reference portrait that the bank holds. Raises NotFound when there is none or the person was forgotten."""
    person = _get(session, person_id)
    if person.portrait_sealed is None or person.portrait_assurance is None:
        raise NotFound("the bank holds no portrait of this person")
    image = open_for(services, session, person_id, person.portrait_sealed, "portrait")
    return Portrait(image, Assurance(person.portrait_assurance))


class EmbeddedPortraitSource:
    """`kyc.ports.PortraitSource` over the portraits that the bank itself holds."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def find_portrait(self, person_id: str) -> Portrait | None:
        """The portrait held for this person; None when there is none or the person was forgotten."""
        with self._services.reading() as session:
            try:
                return get_portrait(self._services, session, person_id)
            except NotFound:
                return None


def _get(session: Session, person_id: str) -> Person:
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("no such person")
    return person


def _open_all(services: Services, session: Session, query: Select[Person]) -> list[PersonFacts]:
    """Those of the persons who are not forgotten."""
    people = list(session.scalars(query))
    keys = services.person_keys.find_many(person.id for person in people)
    return [_open(person, keys[person.id]) for person in people if person.id in keys]


def _open(person: Person, key: bytes) -> PersonFacts:
    name = open_sealed(key, person.name_sealed, _context(person.id, "name")).decode()
    number = open_sealed(key, person.identity_number_sealed, _context(person.id, "identity-number")).decode()
    return PersonFacts(
        person_id=person.id,
        tenant_id=person.tenant_id,
        name=name,
        identity_number=number,
        masked_name=mask_name(name),
        masked_number=mask_number(number),
        has_portrait=person.portrait_sealed is not None,
        portrait_assurance=Assurance(person.portrait_assurance) if person.portrait_assurance else None,
    )


def _context(person_id: str, what: str) -> str:
    return f"{person_id}:{what}"


def _lookup(services: Services, number: str) -> bytes:
    # Keyed: all 10^14 possible numbers could be tried against a plain digest.
    key = hashlib.sha256(b"yunlian identity lookup" + services.settings.data_key).digest()
    return hmac.digest(key, number.encode(), "sha256")
