"""Contracts that were signed by everybody and archived, made without page and camera."""

from __future__ import annotations

import pytest

from app.demonstration import AGREEMENT_TERMS
from app.identity.models import Account, Role
from app.identity.service import create_account
from app.signing import service
from app.signing.models import Contract
from app.wiring import Services
from tests.flows.ceremony import LAST6, register_parties
from tests.flows.quick import QuickSigner


class Archive:
    """A service whose one enterprise signs contracts quickly."""

    def __init__(self, services: Services) -> None:
        self.services = services
        _, self.person_id = register_parties(services)

    def send(self) -> tuple[str, str]:
        """(contract id, link) of a contract that waits for its signature."""
        contract = service.create_contract(
            self.services,
            signers={service.ENTERPRISE: self.person_id},
            template="product-service-agreement",
            terms=AGREEMENT_TERMS | {"start_date": "2026-11-22", "end_date": "2027-11-22"},
            actor="test",
        )
        with self.services.transaction() as session:
            links = service.send(self.services, session, contract_id=contract.id, actor="test")
        return contract.id, links[service.ENTERPRISE]

    def add_contract(self) -> str:
        """A contract that was signed and archived."""
        contract_id, link = self.send()
        QuickSigner(self.services, link, LAST6).sign()
        service.deliver_pending(self.services)
        self.services.journal.seal()
        return contract_id

    def contract(self, contract_id: str) -> Contract:
        """As it is stored now."""
        with self.services.reading() as session:
            return session.get_one(Contract, contract_id)

    def add_officer(self, login: str) -> Account:
        """A compliance officer of the bank."""
        with self.services.transaction() as session:
            bank = service.find_bank(session)
            assert bank is not None
            made = create_account(
                self.services,
                session,
                tenant_id=bank.id,
                login=login,
                name=login,
                role=Role.COMPLIANCE_OFFICER,
                password="a long password of the tests",
                actor="test",
            )
        return made.account

    def journal(self, contract_id: str) -> list[str]:
        """The kinds of the entries about a contract, in their order."""
        with self.services.reading() as session:
            entries = self.services.journal.entries(session, limit=100, text=contract_id)
        return [entry.kind for entry in entries][::-1]


@pytest.fixture
def database_kind() -> str:
    return "sqlite"  # the flows run on both


@pytest.fixture
def archive(services: Services) -> Archive:
    return Archive(services)
