"""Demonstration data for development: tenants, log-ins for every role, accounts with money, and a contract to sign.

Names, codes and numbers are invented; their check digits are real. Production never calls this.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyotp
from sqlalchemy.orm import Session

from app.identity import persons
from app.identity import service as identity
from app.identity.models import Role, Tenant, TenantKind
from app.payments.account_number import luhn_digit
from app.payments.service import open_account
from app.proofing.registers import enter_enterprise
from app.routing.service import load_sandbox_directory
from app.settings import Settings
from app.signing import service as signing
from app.wiring import Services
from kyc.ports import EnterpriseElements

ACTOR = "demonstration"
LOG_INS = "log-ins.json"
BANK = ("云联银行股份有限公司", "91110000MA01YL0AB9")
ENTERPRISE = ("杭州青禾软件有限公司", "91330106MA2QH8K3XK")
PLATFORM = ("上海云帆企业服务有限公司", "91310115MA1YF5T7KD")
REPRESENTATIVE = ("柯琳", "110101195611190027")

PAYER_ACCOUNT = "621700001000000001" + luhn_digit("621700001000000001")

_ACCOUNTS = (
    (TenantKind.BANK, "operator", "运营 王岚", Role.OPERATOR),
    (TenantKind.BANK, "operator2", "运营 赵清", Role.OPERATOR),
    (TenantKind.BANK, "compliance", "合规 陈默", Role.COMPLIANCE_OFFICER),
    (TenantKind.BANK, "compliance2", "合规 林峤", Role.COMPLIANCE_OFFICER),
    (TenantKind.BANK, "certificates", "证书 李越", Role.CERTIFICATE_OFFICER),
    (TenantKind.BANK, "certificates2", "证书 孙远", Role.CERTIFICATE_OFFICER),
    (TenantKind.BANK, "auditor", "审计 周正", Role.AUDITOR),
    (TenantKind.ENTERPRISE, "enterprise", "青禾 柯琳", Role.ENTERPRISE_USER),
    (TenantKind.PLATFORM, "platform", "云帆 开发者", Role.PLATFORM_USER),
)

AGREEMENT_TERMS: dict[str, Any] = {
    "enterprise_address": "浙江省杭州市西湖区文三路 90 号",
    "products": [
        {
            "product": "payments",
            "name": "银企云付款",
            "single_limit": 50_000_00,
            "daily_limit": 500_000_00,
            "custody": "agent",
        }
    ],
    "fees": [{"item": "跨行转账手续费", "unit": "每笔", "amount": 50}],
    "dispute": {"method": "court", "body": "乙方所在地人民法院"},
}


@dataclass(frozen=True, slots=True)
class LogIn:
    """A demonstration log-in; the second factor's codes come from `totp_secret`."""

    login: str
    role: str
    password: str = field(repr=False)
    totp_secret: str = field(repr=False)

    def code(self) -> str:
        """The six digits of now."""
        return pyotp.TOTP(self.totp_secret).now()


def fill(services: Services, folder: Path, *, with_contract: bool = True) -> list[LogIn]:
    """Create everything once; a second call only reads the log-ins back from `folder`/log-ins.json."""
    path = folder / LOG_INS
    if path.exists():
        return read_log_ins(folder)
    with services.transaction() as session:
        tenants = {
            kind: identity.create_tenant(services, session, kind=kind, name=name, uscc=uscc, actor=ACTOR)
            for kind, (name, uscc) in zip(TenantKind, (BANK, ENTERPRISE, PLATFORM), strict=True)
        }
        log_ins = [
            _create_account(services, session, tenants[kind], login, name, role)
            for kind, login, name, role in _ACCOUNTS
        ]
        enterprise = tenants[TenantKind.ENTERPRISE]
        enter_enterprise(services, session, EnterpriseElements(*ENTERPRISE, *REPRESENTATIVE), actor=ACTOR)
        _open_accounts(services, session, enterprise)
        load_sandbox_directory(services, session)
    if with_contract:
        _send_contract(services, enterprise, folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(json.dumps([asdict(log_in) for log_in in log_ins], indent=1), encoding="utf-8")
    return log_ins


def read_log_ins(folder: Path) -> list[LogIn]:
    """The demonstration log-ins of a folder; none where there are none."""
    path = folder / LOG_INS
    return [LogIn(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def summary(settings: Settings, log_ins: Iterable[LogIn], folder: Path) -> str:
    """Where to look and how to log in, in Chinese and English."""
    lines = [
        "",
        "  云联 Yunlian",
        f"  people     {settings.people_url}   (登录 log in, 签署 sign, 合规 audit)",
        f"  platforms  {settings.issuer_url}   (OAuth 2.0, /api/v1)",
        f"  pki        {settings.pki_url}/pki   (CRL, OCSP, RFC 3161)",
        "",
        "  log-in          role                  password                 code (now)",
        *(f"  {entry.login:15} {entry.role:21} {entry.password:24} {entry.code()}" for entry in log_ins),
        "",
        "  later codes: .venv/bin/flask --env-file var/development.env identity code LOGIN",
        "  The browser warns once: the TLS certificate of this machine is your own.",
    ]
    invitation = folder / "invitation.txt"
    if invitation.exists():
        lines += [
            f"  待签合同 to sign: {invitation.read_text(encoding='utf-8').strip()}",
            f"  (证件号后六位 last six: {REPRESENTATIVE[1][-6:]}; first, as operator, upload your own portrait",
            "  as the reference portrait of 柯琳: the face check compares with it)",
        ]
    return "\n".join([*lines, "", ""])


def _create_account(services: Services, session: Session, tenant: Tenant, login: str, name: str, role: Role) -> LogIn:
    password = secrets.token_urlsafe(12)
    created = identity.create_account(
        services,
        session,
        tenant_id=tenant.id,
        login=login,
        name=name,
        role=role,
        password=password,
        actor=ACTOR,
    )
    return LogIn(login, role, password, created.totp_secret)


def _open_accounts(services: Services, session: Session, enterprise: Tenant) -> None:
    open_account(
        services,
        session,
        tenant_id=enterprise.id,
        number=PAYER_ACCOUNT,
        name=enterprise.name,
        balance_minor=1_000_000_00,
    )


def _send_contract(services: Services, enterprise: Tenant, folder: Path) -> None:
    with services.transaction() as session:
        person = persons.add_person(services, session, enterprise.id, *REPRESENTATIVE, ACTOR)
    today = services.clock().date()
    contract = signing.create_contract(
        services,
        signers={signing.ENTERPRISE: person.id},
        template="product-service-agreement",
        terms={
            **AGREEMENT_TERMS,
            "start_date": today.isoformat(),
            "end_date": today.replace(year=today.year + 1, day=min(today.day, 28)).isoformat(),
        },
        actor=ACTOR,
    )
    with services.transaction() as session:
        link = signing.send(services, session, contract_id=contract.id, actor=ACTOR)[signing.ENTERPRISE]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "invitation.txt"
    path.touch(mode=0o600)
    path.write_text(link + "\n", encoding="utf-8")
