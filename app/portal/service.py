"""What the areas of enterprises and platforms need beside the features' own use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState
from app.identity import decisions
from app.identity.models import Account, DecisionState, Role, Tenant
from app.oauth import service as oauth
from app.oauth.models import Application, Authorization
from app.payments.models import PaymentInstruction
from app.problems import NotFound
from app.signing.models import Contract

if TYPE_CHECKING:
    from app.wiring import Services

Figure = tuple[str, str, int]  # Chinese, English, how many


def count_for(services: Services, session: Session, account: Account) -> list[Figure]:
    """The few figures of a role's start page."""
    own, now = account.tenant_id, services.clock()
    match account.role:
        case Role.OPERATOR:
            return [
                ("机构", "Organizations", _count(session, select(Tenant.id))),
                ("待签署合同", "Contracts to be signed", _count(session, _contracts().where(Contract.state == "sent"))),
                _open_decisions(session, account),
            ]
        case Role.CERTIFICATE_OFFICER:
            good = CertificateRecord.state == CertificateState.GOOD
            return [
                ("有效证书", "Good certificates", _count(session, _certificates().where(good))),
                _open_decisions(session, account),
            ]
        case Role.COMPLIANCE_OFFICER:
            return [
                ("合同", "Contracts", _count(session, _contracts())),
                ("已签署", "Signed", _count(session, _contracts().where(Contract.signed_at.is_not(None)))),
            ]
        case Role.ENTERPRISE_USER:
            standing = select(Authorization.id).where(
                Authorization.tenant_id == own, Authorization.revoked_at.is_(None), Authorization.expires_at > now
            )
            payments = select(PaymentInstruction.id).where(PaymentInstruction.tenant_id == own)
            return [
                ("合同", "Contracts", _count(session, _contracts().where(Contract.tenant_id == own))),
                ("有效授权", "Standing authorizations", _count(session, standing)),
                ("付款指令", "Payments", _count(session, payments)),
            ]
        case Role.PLATFORM_USER:
            applications = select(Application.id).where(Application.tenant_id == own)
            certificates = _certificates().where(
                CertificateRecord.tenant_id == own, CertificateRecord.state == CertificateState.GOOD
            )
            return [
                ("应用", "Applications", _count(session, applications)),
                ("有效 API 证书", "Good API certificates", _count(session, certificates)),
            ]
        case _:
            return []


def revoke_own_authorization(services: Services, session: Session, authorization_id: str, account: Account) -> None:
    """End an authorization that the account's own enterprise granted. Raises NotFound for anybody else's."""
    authorization = session.get(Authorization, authorization_id)
    if authorization is None or authorization.tenant_id != account.tenant_id:
        raise NotFound("no such authorization of this enterprise")
    oauth.revoke_authorization(services, session, authorization_id, actor=account.id)


def list_payments(session: Session, *, tenant_id: str, limit: int = 100) -> list[PaymentInstruction]:
    """The enterprise's payment instructions, newest first."""
    query = select(PaymentInstruction).where(PaymentInstruction.tenant_id == tenant_id)
    return list(session.scalars(query.order_by(PaymentInstruction.received_at.desc()).limit(limit)))


def _contracts() -> Select[str]:
    return select(Contract.id)


def _certificates() -> Select[str]:
    return select(CertificateRecord.x5t_s256)


def _count(session: Session, query: Select[str]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _open_decisions(session: Session, account: Account) -> Figure:
    rows = decisions.list_decisions(session, account)
    waiting = sum(decision.state == DecisionState.PROPOSED for decision, _, _ in rows)
    return ("待复核", "To be decided", waiting)
