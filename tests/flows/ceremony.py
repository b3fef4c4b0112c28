"""One contract that waits for its legal representative, and the phones that open its link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from flask import Flask

from app.demonstration import AGREEMENT_TERMS, ENTERPRISE, PLATFORM, REPRESENTATIVE
from app.identity import persons
from app.identity.models import Tenant, TenantKind
from app.identity.service import create_tenant
from app.proofing.registers import enter_enterprise
from app.signing import service
from app.signing.models import Contract
from app.wiring import Services
from clients.demo.browser import Browser
from clients.demo.puppet import Puppet
from clients.demo.signer import Signer
from contracts import ceremony as rules
from contracts.ceremony import Party, SigningOrder
from kyc.ports import Assurance, EnterpriseElements

LAST6 = REPRESENTATIVE[1][-6:]
PLATFORM_REPRESENTATIVE = ("霍普", "110101197001010032")
PLATFORM_LAST6 = PLATFORM_REPRESENTATIVE[1][-6:]
BANK = ("测试银行股份有限公司", "91110000MA01YL0AB9")


@dataclass
class Ceremony:
    """A contract that was sent, as the tests see it: through its link, and as it is stored."""

    app: Flask
    services: Services
    contract_id: str
    person_id: str
    link: str
    party_id: str = service.ENTERPRISE
    last6: str = LAST6

    @property
    def path(self) -> str:
        """The link without the door's address."""
        return self.link.removeprefix(self.services.settings.people_url)

    @property
    def contract(self) -> Contract:
        """As it is stored now."""
        with self.services.reading() as session:
            return session.get_one(Contract, self.contract_id)

    @property
    def party(self) -> Party:
        """This signer's part of the stored ceremony."""
        return rules.from_dict(self.contract.ceremony).party(self.party_id)

    def stored_document(self) -> bytes:
        """The newest revision."""
        return self.services.documents.get(self.contract.current_sha256)

    def journal(self) -> list[str]:
        """The kinds of the entries about this contract, in their order."""
        with self.services.reading() as session:
            entries = self.services.journal.entries(session, limit=200, text=self.contract_id)
            return [entry.kind for entry in entries][::-1]

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        """Another phone, with cookies of its own."""
        transport = httpx.WSGITransport(app=self.app)
        with Browser(self.services.settings.people_url, transport=transport) as browser:
            yield browser

    @contextmanager
    def phone(self) -> Iterator[Signer]:
        """Another phone that has the link open."""
        with self.browser() as browser:
            yield Signer(browser, self.path)

    def agree(self, phone: Signer) -> dict[str, Any]:
        """Identification, reading and consent; the face check is next."""
        return phone.consent(phone.read(phone.identify(self.last6)))

    def sign(self, puppet: Puppet) -> bytes:
        """The whole way on one phone; the document as the representative gets it."""
        with self.phone() as phone:
            self.agree(phone)
            phone.show_face(puppet)
            phone.sign()
            return phone.signed_document()


def register_parties(services: Services) -> tuple[Tenant, str]:
    """The bank, the enterprise and its representative, whose portrait is still missing: (enterprise, person)."""
    with services.transaction() as session:
        bank, enterprise = (
            create_tenant(services, session, kind=kind, name=name, uscc=uscc, actor="test")
            for kind, (name, uscc) in ((TenantKind.BANK, BANK), (TenantKind.ENTERPRISE, ENTERPRISE))
        )
        assert bank.id != enterprise.id
        person = persons.add_person(services, session, enterprise.id, *REPRESENTATIVE, "test")
        enter_enterprise(services, session, EnterpriseElements(*ENTERPRISE, *REPRESENTATIVE), actor="test")
    return enterprise, person.id


def register_platform(services: Services) -> str:
    """A platform and its representative, who is another person with another portrait still to be set."""
    with services.transaction() as session:
        name, uscc = PLATFORM
        platform = create_tenant(services, session, kind=TenantKind.PLATFORM, name=name, uscc=uscc, actor="test")
        enter_enterprise(services, session, EnterpriseElements(*PLATFORM, *PLATFORM_REPRESENTATIVE), actor="test")
        return persons.add_person(services, session, platform.id, *PLATFORM_REPRESENTATIVE, "test").id


def send_three_party_contract(
    app: Flask, services: Services, enterprise_person: str, platform_person: str, order: SigningOrder
) -> tuple[Ceremony, Ceremony]:
    """Enterprise, platform and bank: the enterprise's and the platform's view of one contract."""
    contract = service.create_contract(
        services,
        signers={"enterprise": enterprise_person, "platform": platform_person},
        template="product-service-agreement",
        terms=AGREEMENT_TERMS | {"start_date": "2026-11-22", "end_date": "2027-11-22"},
        order=order,
        actor="test",
    )
    with services.transaction() as session:
        links = service.send(services, session, contract_id=contract.id, actor="test")
    return (
        Ceremony(app, services, contract.id, enterprise_person, links["enterprise"]),
        Ceremony(app, services, contract.id, platform_person, links["platform"], "platform", PLATFORM_LAST6),
    )


def send_contract(app: Flask, services: Services, person_id: str) -> Ceremony:
    """Typeset the demonstration's agreement for this representative and send it."""
    terms = AGREEMENT_TERMS | {"start_date": "2026-11-22", "end_date": "2027-11-22"}
    contract = service.create_contract(
        services,
        signers={service.ENTERPRISE: person_id},
        template="product-service-agreement",
        terms=terms,
        actor="test",
    )
    with services.transaction() as session:
        links = service.send(services, session, contract_id=contract.id, actor="test")
    return Ceremony(app, services, contract.id, person_id, links[service.ENTERPRISE])


def give_portrait(services: Services, person_id: str, picture: bytes) -> None:
    """What the bank holds of the representative."""
    with services.transaction() as session:
        persons.set_portrait(services, session, person_id, picture, Assurance.HIGH, "another operator")
