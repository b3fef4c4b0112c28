"""Contracts and their signatures as the pages list them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identity.models import Account, Tenant, TenantKind
from app.problems import NotFound
from app.signing.models import Contract, Signature


def list_contracts(
    session: Session, *, tenant_id: str | None = None, text: str = "", state: str = "", limit: int = 50
) -> list[Contract]:
    """Contracts, newest first; `text` is part of the number, of the enterprise's name or its USCC, or a digest."""
    query = select(Contract).join(Tenant).order_by(Contract.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Contract.tenant_id == tenant_id)
    if state:
        query = query.where(Contract.state == state)
    if text:
        query = query.where(
            Contract.number.contains(text, autoescape=True)
            | Tenant.name.contains(text, autoescape=True)
            | (Tenant.uscc == text)
            | (Contract.prepared_sha256 == text)
            | (Contract.current_sha256 == text)
        )
    return list(session.scalars(query))


def find_bank(session: Session) -> Tenant | None:
    """The bank, once it is registered."""
    return session.scalars(select(Tenant).where(Tenant.kind == TenantKind.BANK)).first()


def get_contract(session: Session, contract_id: str, account: Account | None = None) -> Contract:
    """One contract; for an enterprise's account only its own. Raises NotFound."""
    contract = session.get(Contract, contract_id)
    if contract is None or (
        account is not None and account.tenant.kind != "bank" and contract.tenant_id != account.tenant_id
    ):
        raise NotFound("no such contract")
    return contract


def list_signatures(session: Session, contract_id: str) -> list[Signature]:
    """The parties' signatures of a contract, in their order."""
    return list(session.scalars(select(Signature).where(Signature.contract_id == contract_id).order_by(Signature.id)))
