"""What the bank's staff do: open accounts, have certificates revoked (both with four eyes), send contracts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app.certificates import service as certificates
from app.certificates.models import CertificateState
from app.certificates.problems import StateNotFitting
from app.identity import decisions
from app.identity import service as identity
from app.identity.models import Account, Decision, Role, Tenant, TenantKind
from app.operations.contract_forms import ContractForm
from app.operations.messages import NewAccount, Revocation
from app.problems import NotFound
from app.signing import service as signing
from app.signing.models import Contract

if TYPE_CHECKING:
    from app.wiring import Services

REVOKE = "revoke-certificate"
REVOCABLE = frozenset({"api", "product-sign", "product-encrypt"})  # the bank's own have a procedure of their own
OPEN_ACCOUNT = "open-bank-account"


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """A new account; `decision` is what a colleague still has to confirm, for the bank's own staff."""

    new: identity.NewAccount
    decision: Decision | None


def open_account(services: Services, session: Session, message: NewAccount, account: Account) -> OpenedAccount:
    """Create an account for an enterprise or a platform; for the bank's own staff propose it.

    Otherwise one operator could make the second person of every four-eyes decision.
    Raises NotFound, RoleNotFitting, WeakPassword, LoginTaken.
    """
    tenant = session.get(Tenant, message.tenant_id)
    if tenant is None:
        raise NotFound("no such tenant")
    prepared = identity.prepare_account(services, session, **message.model_dump(), provisional=True)
    if tenant.kind != TenantKind.BANK:
        identity.add_account(services, session, prepared.account, actor=account.id)
        return OpenedAccount(prepared, None)
    made = prepared.account
    payload = {
        "id": made.id,
        "tenant_id": made.tenant_id,
        "login": made.login,
        "name": made.name,
        "role": str(made.role),
        "password_hash": made.password_hash,
        "totp_sealed": made.totp_sealed.hex(),
        "provisional": made.provisional,
    }
    reason = f"{made.name} ({made.role})"
    return OpenedAccount(prepared, decisions.propose(services, session, OPEN_ACCOUNT, payload, reason, account))


@decisions.carries_out(OPEN_ACCOUNT, by=(Role.OPERATOR,), secret=("password_hash", "totp_sealed"))
def _open_account(services: Services, session: Session, decision: Decision) -> Account:
    made = Account(
        **{**decision.payload, "totp_sealed": bytes.fromhex(decision.payload["totp_sealed"])},
        created_at=services.clock(),
    )
    identity.add_account(services, session, made, actor=decision.decided_by or "")
    return made


def propose_revocation(
    services: Services, session: Session, x5t_s256: str, message: Revocation, account: Account
) -> Decision:
    """Ask a second certificate officer to revoke a certificate for ever. Raises NotFound, Conflict, NotAllowed."""
    record = certificates.get_certificate(session, x5t_s256)
    if record.state == CertificateState.REVOKED or record.profile not in REVOCABLE:
        raise StateNotFitting(f"a {record.profile} certificate that is {record.state}")
    payload = {"x5t_s256": record.x5t_s256, "subject": record.subject, "code": message.code}
    return decisions.propose(services, session, REVOKE, payload, message.reason, account)


@decisions.carries_out(REVOKE, by=(Role.CERTIFICATE_OFFICER,))
def _revoke(services: Services, session: Session, decision: Decision) -> None:
    certificates.revoke(
        services,
        session,
        decision.payload["x5t_s256"],
        decision.payload["code"],
        decision.decided_by or "",
        decision.reason,
    )


@dataclass(frozen=True, slots=True)
class SentContract:
    """A contract on its way; the links, by party, are told once."""

    contract: Contract
    links: dict[str, str] = field(repr=False)


def send_contract(services: Services, message: ContractForm, account: Account) -> SentContract:
    """Typeset a contract from the operator's form and invite the representatives.

    Opens its own transactions, because typesetting holds none. Raises NotFound and ContractError.
    """
    contract = signing.create_contract(
        services,
        signers=message.signers(),
        template=message.template,
        terms=message.terms(),
        order=message.order,
        actor=account.id,
    )
    with services.transaction() as session:
        links = signing.send(services, session, contract_id=contract.id, actor=account.id)
        return SentContract(signing.get_contract(session, contract.id), links)
