"""Contracts and their signatures as the pages list them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord
from app.identity.models import Account, Tenant, TenantKind
from app.problems import NotFound
from app.signing.models import Contract, ContractHold, ContractParty, Revision, Signature

PAGE = 25


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a contract is looked for by; empty members do not restrict. Days are Beijing's, the last one included."""

    text: str = ""
    """Part of the number or of any party's name, a party's USCC, or the digest of any revision."""
    state: str = ""
    template: str = ""
    certificate: str = ""
    """x5t#S256 or serial number (hexadecimal) of a signer's certificate."""
    signed_from: date | None = None
    signed_until: date | None = None
    held: bool = False


def find_contracts(
    session: Session, criteria: Criteria, *, page: int = 1, size: int = PAGE
) -> tuple[list[Contract], int]:
    """(the contracts of one page, newest first; how many pages there are)."""
    query = _matching(criteria)
    total = session.scalar(select(func.count()).select_from(query.with_only_columns(Contract.id).subquery())) or 0
    pages = max(1, -(-total // size))
    found = session.scalars(query.order_by(Contract.id.desc()).offset((min(page, pages) - 1) * size).limit(size))
    return list(found), pages


def _matching(criteria: Criteria) -> Select[Contract]:
    query = select(Contract)
    if criteria.text:
        query = query.where(_text_matches(criteria.text))
    if criteria.state:
        query = query.where(Contract.state == criteria.state)
    if criteria.template:
        query = query.where(Contract.template == criteria.template)
    if criteria.signed_from is not None:
        query = query.where(Contract.signed_at >= _beijing_midnight(criteria.signed_from))
    if criteria.signed_until is not None:
        query = query.where(Contract.signed_at < _beijing_midnight(criteria.signed_until + timedelta(days=1)))
    if criteria.certificate:
        signed_with = select(Signature.contract_id).join(
            CertificateRecord, CertificateRecord.x5t_s256 == Signature.x5t_s256
        )
        serial = criteria.certificate.lower().replace(":", "").lstrip("0")
        query = query.where(
            Contract.id.in_(
                signed_with.where((Signature.x5t_s256 == criteria.certificate) | (CertificateRecord.serial == serial))
            )
        )
    if criteria.held:
        query = query.where(Contract.id.in_(select(ContractHold.contract_id).where(ContractHold.lifted_at.is_(None))))
    return query


def _text_matches(text: str) -> ColumnElement[bool]:
    parties = select(ContractParty.contract_id).join(Tenant, Tenant.id == ContractParty.tenant_id)
    named = parties.where(Tenant.name.contains(text, autoescape=True) | (Tenant.uscc == text.upper()))
    revisions = select(Revision.contract_id).where(Revision.sha256 == text.lower())
    return Contract.number.contains(text.upper(), autoescape=True) | Contract.id.in_(named) | Contract.id.in_(revisions)


def _beijing_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone(timedelta(hours=8)))


def list_contracts(session: Session, *, tenant_id: str | None = None, limit: int = 50) -> list[Contract]:
    """Contracts, newest first; of one organization, those that it is any party of."""
    query = select(Contract).order_by(Contract.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Contract.id.in_(_contracts_of(tenant_id)))
    return list(session.scalars(query))


def _contracts_of(tenant_id: str) -> Select[str]:
    return select(ContractParty.contract_id).where(ContractParty.tenant_id == tenant_id)


def find_bank(session: Session) -> Tenant | None:
    """The bank, once it is registered."""
    return session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).first()


def get_contract(session: Session, contract_id: str, account: Account | None = None) -> Contract:
    """One contract; for an account that is not the bank's only what its organization is a party of. Raises NotFound."""
    contract = session.get(Contract, contract_id)
    if contract is None or not (account is None or _may_see(account, contract)):
        raise NotFound("no such contract")
    return contract


def list_signatures(session: Session, contract_id: str) -> list[Signature]:
    """The parties' signatures of a contract, in their order."""
    return list(session.scalars(select(Signature).where(Signature.contract_id == contract_id).order_by(Signature.id)))


def _may_see(account: Account, contract: Contract) -> bool:
    return account.tenant.kind == TenantKind.BANK or account.tenant_id in {p.tenant_id for p in contract.parties}
