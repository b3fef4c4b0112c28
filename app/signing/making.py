"""A contract is typeset from a template and sent to its parties."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import new_id
from app.identity import persons
from app.identity.models import Person, Tenant
from app.problems import NotFound
from app.signing import tasks
from app.signing.models import Contract, Invitation
from app.signing.problems import (
    OwnPortrait,
)
from app.signing.stored import advance, digest, lock_contract
from contracts import ceremony as rules
from contracts.ceremony import CeremonyState

if TYPE_CHECKING:
    from app.wiring import Services

INVITATION_LIFETIME = timedelta(days=14)
SIGNER = "legal-representative"


def create_contract(
    services: Services, *, tenant_id: str, person_id: str, template: str, terms: Mapping[str, Any], actor: str
) -> Contract:
    """Typeset a contract for an enterprise's legal representative and the bank, ready to be sent.

    The number, the date and what the service knows of enterprise and bank are filled in; `terms` brings the rest.
    Raises NotFound, and what `contracts.render.render` raises.
    """
    now = services.clock()
    contract_id = new_id()
    number = f"YL{now:%Y%m%d}-{contract_id[-8:].upper()}"
    with services.reading() as session:
        person = session.get(Person, person_id)
        if person is None or person.tenant_id != tenant_id:
            raise NotFound("no such legal representative of this enterprise")
        facts = persons.get_person_facts(services, session, person_id)
        enterprise = person.tenant
        bank = session.scalars(select(Tenant).where(Tenant.kind == "bank")).first()
    prepared = services.workshop.run(
        tasks.make_document,
        template,
        tasks.complete_terms(template, terms, number=number, at=now, enterprise=enterprise, person=facts, bank=bank),
    )
    ceremony = rules.draft(
        contract_id,
        hashlib.sha256(prepared.pdf).hexdigest(),
        [(SIGNER, prepared.signer_field)],
        expires_at=now + INVITATION_LIFETIME,
        at=now,
    )
    contract = Contract(
        id=contract_id,
        number=number,
        title=prepared.title,
        template=prepared.template,
        template_version=prepared.version,
        tenant_id=tenant_id,
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
    with services.transaction() as session:
        session.add(contract)
        session.flush()
        body = {
            "template": prepared.template,
            "version": prepared.version,
            "document_sha256": contract.prepared_sha256,
        }
        services.journal.append(session, "contract-created", subject=contract_id, actor=actor, body=body)
    return contract


def invite(services: Services, session: Session, *, contract_id: str, person_id: str, actor: str) -> str:
    """Send the contract and return the signing link, which is told once. Raises NotFound, IllegalTransition."""
    contract = lock_contract(session, contract_id)
    now = services.clock()
    ceremony = rules.from_dict(contract.ceremony)
    if ceremony.state is CeremonyState.DRAFT:
        ceremony = rules.send(ceremony, now)
        advance(contract, ceremony)
    person = session.get(Person, person_id)
    if person is None or person.tenant_id != contract.tenant_id or ceremony.state is not CeremonyState.SENT:
        raise NotFound("nobody to invite")
    if person.portrait_set_by == actor:
        raise OwnPortrait("whoever set the portrait does not also send the contract")
    token = secrets.token_urlsafe(24)
    session.add(
        Invitation(
            token_sha256=digest(token),
            contract_id=contract_id,
            party_id=SIGNER,
            person_id=person_id,
            created_at=now,
            expires_at=ceremony.expires_at,
        )
    )
    services.journal.append(session, "contract-sent", subject=contract_id, actor=actor, body={"party": SIGNER})
    return f"{services.settings.people_url}/sign/{token}"
