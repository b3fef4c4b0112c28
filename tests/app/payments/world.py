"""An enterprise with accounts, and requests as the gateway hands them over once it has proven both identities."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from app.db import new_id
from app.gateway.answers import GatewayAnswer
from app.gateway.documents import canonical
from app.gateway.verify import VerifiedRequest
from app.identity.models import Tenant, TenantKind
from app.oauth.authorizations import StandingAuthorization
from app.payments import service
from app.payments.account_number import luhn_digit
from app.payments.service import open_account
from app.wiring import Services
from pki.profiles import Custody

OPENING = 1_900_000_00  # little enough that risk control lets all of it go to a new payee on a Sunday


def account_number(body: str) -> str:
    return body + luhn_digit(body)


PAYER = account_number("622200000000000001")
SUPPLIER = account_number("622200000000000002")
STRANGER = account_number("622200000000000003")
# The sandbox directory has this branch: the main office of China Construction Bank in Hangzhou.
CCB_HANGZHOU = "中国建设银行股份有限公司杭州分行营业部"


@dataclass(frozen=True)
class Bank:
    """The service under test, the enterprise that pays, and its authorization."""

    services: Services
    enterprise: str
    authorization: StandingAuthorization

    def pay(self, document: dict[str, Any] | bytes, **changes: Any) -> GatewayAnswer:
        """Pay one document in a transaction of its own."""
        with self.services.transaction() as session:
            return service.pay(self.services, session, self.request(document, **changes))

    def status(self, **document: Any) -> GatewayAnswer:
        """Ask for an instruction."""
        with self.services.reading() as session:
            return service.status(self.services, session, self.request(document))

    def request(self, document: dict[str, Any] | bytes, **changes: Any) -> VerifiedRequest:
        data = document if isinstance(document, bytes) else canonical(document)
        fields: dict[str, Any] = {
            "request_id": new_id(),
            "client_id": "platform",
            "application_id": self.authorization.application_id,
            "platform_tenant_id": "platform-tenant",
            "scope": frozenset({"payments"}),
            "api_x5t_s256": "a" * 43,
            "authorization": self.authorization,
            "product_x5t_s256": self.authorization.product_x5t_s256,
            "content_jti": secrets.token_urlsafe(16),
            "document": data,
            "document_sha256": hashlib.sha256(data).hexdigest(),
            "received_at": self.services.clock(),
        }
        return VerifiedRequest(**(fields | changes))


def payment(**changes: Any) -> dict[str, Any]:
    """A document that pays the supplier, who has an account at the same bank."""
    payee = {"name": "苏州供应商有限公司", "account": SUPPLIER} | changes.pop("payee", {})
    document = {
        "instruction_id": "P-1",
        "amount_minor": 123_45,
        "currency": "CNY",
        "payer_account": PAYER,
        "payee": payee,
        "purpose": "货款",
    }
    return document | changes


def make_bank(services: Services, **authorization: Any) -> Bank:
    """Three customers with ten million yuan each; the first is the enterprise that pays. No directory is loaded."""
    with services.transaction() as session:
        tenants = []
        for number, name in enumerate(("杭州付款企业有限公司", "苏州供应商有限公司", "别家企业有限公司")):
            tenant = Tenant(
                id=new_id(), kind=TenantKind.ENTERPRISE, name=name, uscc=f"TEST-{number}", created_at=services.clock()
            )
            session.add(tenant)
            tenants.append(tenant)
        session.flush()
        for tenant, number in zip(tenants, (PAYER, SUPPLIER, STRANGER), strict=True):
            open_account(services, session, tenant_id=tenant.id, number=number, name=tenant.name, balance_minor=OPENING)
    fields: dict[str, Any] = {
        "id": new_id(),
        "application_id": new_id(),
        "uscc": "TEST-0",
        "enterprise_tenant_id": tenants[0].id,
        "product": "payments",
        "limits": {"single_minor": OPENING, "daily_minor": 2 * OPENING},
        "custody": Custody.AGENT,
        "product_x5t_s256": "p" * 43,
        "expires_at": services.clock().replace(year=2027),
    }
    return Bank(services, tenants[0].id, StandingAuthorization(**(fields | authorization)))
