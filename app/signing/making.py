"""A contract is typeset from a template, or made of an accepted upload, as a draft with all its signature fields."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.identity.models import Person, Tenant, TenantKind
from app.identity.persons import PersonFacts
from app.problems import NotFound
from app.proofing.enterprises import examine_signers
from app.signing import tasks
from app.signing.models import Contract, ContractParty
from app.signing.problems import SignersNotFitting
from app.signing.stored import add_revision
from app.signing.tasks import PreparedDocument
from contracts import ceremony as rules
from contracts.ceremony import SigningOrder

if TYPE_CHECKING:
    from app.wiring import Services

INVITATION_LIFETIME = timedelta(days=14)
_KINDS = frozenset({TenantKind.ENTERPRISE, TenantKind.PLATFORM})  # parties that only such an organization can be
ENTERPRISE = "enterprise"  # the party of a contract that only one enterprise signs beside the bank


@dataclass(frozen=True, slots=True)
class Signer:
    """A person who signs for a party, and the organization that the party is."""

    party_id: str
    tenant: Tenant
    person: PersonFacts


def create_contract(
    services: Services,
    *,
    template: str,
    terms: Mapping[str, Any],
    signers: Mapping[str, str],
    actor: str,
    order: SigningOrder = SigningOrder.IN_ORDER,
) -> Contract:
    """Typeset a contract, ready to be sent. `signers` names the person who signs for each party, in signing order.

    The number, the date and what the service knows of the parties and the bank are filled in; `terms` brings the rest.
    Raises NotFound, SignersNotFitting, and what `contracts.render.render` raises.
    """
    number, contract_id = new_number(services)
    with services.reading() as session:
        parties = get_signers(services, session, signers)
        bank = session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).first()
    known = tasks.complete_terms(
        template,
        terms,
        number=number,
        at=services.clock(),
        parties={signer.party_id: (signer.tenant, signer.person.name) for signer in parties},
        bank=bank,
    )
    prepared = services.workshop.run(tasks.make_document, template, known)
    return store_draft(services, prepared, parties, contract_id=contract_id, number=number, order=order, actor=actor)


def get_signers(services: Services, session: Session, signers: Mapping[str, str]) -> list[Signer]:
    """Who signs for which party. Raises NotFound, and SignersNotFitting for another kind of organization."""
    found = []
    for party_id, person_id in signers.items():
        person = session.get(Person, person_id)
        if person is None:
            raise NotFound("no such legal representative")
        if party_id in _KINDS and person.tenant.kind != party_id:
            raise SignersNotFitting(f"the party {party_id} is signed for by a representative of its kind")
        found.append(Signer(party_id, person.tenant, persons.get_person_facts(services, session, person_id)))
    return found


def store_draft(
    services: Services,
    prepared: PreparedDocument,
    parties: list[Signer],
    *,
    contract_id: str,
    number: str,
    order: SigningOrder,
    actor: str,
) -> Contract:
    """Keep a prepared document as a draft.

    Raises SignersNotFitting unless every place has its signer, and EnterpriseNotConfirmed where the register does not
    say that a signer represents the organization.
    """
    if {signer.party_id for signer in parties} != set(prepared.signer_fields):
        raise SignersNotFitting(f"the document has places for {', '.join(sorted(prepared.signer_fields))}")
    examine_signers(services, [signer.person.person_id for signer in parties], actor=actor)
    now = services.clock()
    ceremony = rules.draft(
        contract_id,
        hashlib.sha256(prepared.pdf).hexdigest(),
        [(signer.party_id, prepared.signer_fields[signer.party_id]) for signer in parties],
        order=order,
        expires_at=now + INVITATION_LIFETIME,
        at=now,
    )
    contract = Contract(
        id=contract_id,
        number=number,
        title=prepared.title,
        template=prepared.template,
        template_version=prepared.version,
        tenant_id=parties[0].tenant.id,
        state=ceremony.state,
        ceremony=rules.to_dict(ceremony),
        prepared_sha256=ceremony.document_sha256,
        current_sha256=services.documents.put(prepared.pdf),
        seal_field=prepared.seal_field,
        pages=prepared.pages,
        created_by=actor,
        created_at=now,
        expires_at=ceremony.expires_at,
    )
    contract.parties = [
        ContractParty(
            party_id=signer.party_id, position=position, tenant_id=signer.tenant.id, person_id=signer.person.person_id
        )
        for position, signer in enumerate(parties)
    ]
    with services.transaction() as session:
        session.add(contract)
        session.flush()
        add_revision(session, contract_id, contract.prepared_sha256, "prepared", now)
        body = {
            "template": prepared.template,
            "version": prepared.version,
            "document_sha256": contract.prepared_sha256,
            "parties": [signer.party_id for signer in parties],
            "order": str(order),
        }
        services.journal.append(session, "contract-created", subject=contract_id, actor=actor, body=body)
    with services.reading() as session:
        return session.get_one(Contract, contract_id)  # with its organizations, which a page may show


def new_number(services: Services) -> tuple[str, str]:
    """(contract number, contract id): the number tells the day, and nobody can guess the next one."""
    contract_id = new_id()
    return f"YL{services.clock():%Y%m%d}-{contract_id[-8:].upper()}", contract_id
