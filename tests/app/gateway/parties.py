"""Two platforms, two enterprises, their certificates and an authorization; clients that speak to the application."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Flask

from app.certificates import service as certificates
from app.certificates.records import x5t_s256
from app.gateway.answers import GatewayAnswer
from app.gateway.protect import protected
from app.identity import service as identity
from app.identity.models import Tenant, TenantKind
from app.oauth import service as oauth
from app.oauth.models import Application, Authorization
from app.oauth.tokens import issue_access_token
from app.security import csrf
from app.wiring import Services
from pki.identifiers import uscc_check_digit
from pki.keys import KeyType, PrivateKey, generate

sys.path.insert(0, str(Path(__file__).parents[3] / "clients" / "python"))

from yunlian import Enterprise, Platform

LIMITS = oauth.Limits(single_minor=1_000_000, daily_minor=9_000_000)
REDIRECT_URI = "https://platform.example/callback"


def uscc(number: int) -> str:
    """A unified social credit code with a true check digit."""
    first17 = f"91330106MA{number:07d}"
    return first17 + uscc_check_digit(first17)


@dataclass
class ApplicationParty:
    """A platform's application with its API key and certificate."""

    services: Services
    application: Application
    key: PrivateKey
    certificate: x509.Certificate

    @property
    def x5t_s256(self) -> str:
        return x5t_s256(self.certificate)

    def client(self, app: Flask) -> Platform:
        """The independent client library over WSGI."""
        return Platform(
            self.services.settings.issuer_url,
            self.application.client_id,
            self.key,
            self.certificate,
            transport=httpx.WSGITransport(app=app),
            clock=self.services.clock,
        )


@dataclass
class EnterpriseParty:
    """An enterprise with the keys and certificates of one product."""

    tenant: Tenant
    sign_key: PrivateKey
    sign_certificate: x509.Certificate
    encrypt_key: PrivateKey
    encrypt_certificate: x509.Certificate

    def client(self) -> Enterprise:
        return Enterprise(self.sign_key, self.sign_certificate, self.encrypt_key)


@dataclass
class Parties:
    """Everybody, and one standing authorization of `enterprise` for `platform`."""

    services: Services
    platform: ApplicationParty
    other_platform: ApplicationParty
    enterprise: EnterpriseParty
    other_enterprise: EnterpriseParty
    authorization: Authorization
    seen: list[Any] = field(default_factory=list)

    def token(self, scope: str = "payments", **changes: Any) -> str:
        """An access token as the token endpoint would issue it."""
        arguments: dict[str, Any] = {
            "application": self.platform.application,
            "scope": frozenset({scope}),
            "certificate_x5t_s256": self.platform.x5t_s256,
            "authorization": self.authorization if scope == "payments" else None,
        }
        return issue_access_token(self.services, **arguments | changes)

    def grant(self, platform: ApplicationParty, enterprise: EnterpriseParty) -> Authorization:
        return _grant(self.services, platform, enterprise)


def make_parties(services: Services, first: int = 1) -> Parties:
    """Enrol everybody, as the organizations of four numbers, through the service's own use cases."""
    platform, enterprise = make_platform(services, first), make_enterprise(services, first + 2)
    return Parties(
        services,
        platform,
        make_platform(services, first + 1, KeyType.ED25519),
        enterprise,
        make_enterprise(services, first + 3),
        _grant(services, platform, enterprise),
    )


def make_platform(
    services: Services, number: int, key_type: KeyType = KeyType.EC_P256, key: PrivateKey | None = None
) -> ApplicationParty:
    """A platform with an application that may have every scope."""
    key = key or generate(key_type)
    with services.transaction() as session:
        tenant = _tenant(services, session, TenantKind.PLATFORM, number)
        application = oauth.register_application(
            services,
            session,
            tenant_id=tenant.id,
            name=f"应用 {number}",
            redirect_uris=[REDIRECT_URI],
            scopes=["payments", "routing"],
            actor="test",
        )
    return certify(services, application, key)


def certify(services: Services, application: Application, key: PrivateKey) -> ApplicationParty:
    """The application with an API certificate for this key."""
    with services.transaction() as session:
        _, code = certificates.create_enrolment(
            services,
            session,
            profile="api",
            tenant_id=application.tenant_id,
            application_id=application.id,
            actor="test",
        )
        record = certificates.enrol_api(services, session, code=code, csr=_csr(key))
    return ApplicationParty(services, application, key, x509.load_der_x509_certificate(record.der))


def make_enterprise(
    services: Services, number: int, custody: str = "agent", tenant_id: str | None = None
) -> EnterpriseParty:
    """An enterprise with a certificate pair for payments."""
    sign_key, encrypt_key = generate(KeyType.EC_P256), generate(KeyType.EC_P256)
    with services.transaction() as session:
        if tenant_id is None:
            tenant = _tenant(services, session, TenantKind.ENTERPRISE, number)
        else:
            tenant = session.get_one(Tenant, tenant_id)
        _, code = certificates.create_enrolment(
            services,
            session,
            profile="product",
            tenant_id=tenant.id,
            product="payments",
            custody=custody,
            actor="test",
        )
        signing, encryption = certificates.enrol_product(
            services, session, code=code, sign_csr=_csr(sign_key), encrypt_csr=_csr(encrypt_key)
        )
    loaded = (x509.load_der_x509_certificate(record.der) for record in (signing, encryption))
    sign_certificate, encrypt_certificate = loaded
    return EnterpriseParty(tenant, sign_key, sign_certificate, encrypt_key, encrypt_certificate)


def add_echo(app: Flask, seen: list[Any]) -> None:
    """Two small protected routes, one with content, one for the platform alone; what they see goes to `seen`."""

    @protected(scope="payments", content=True)
    def echo(verified: Any) -> GatewayAnswer:
        seen.append(verified)
        return GatewayAnswer(200, {"sha256": verified.document_sha256}, {"document": verified.document.decode()})

    @protected(scope="routing", content=False)
    def look_up(verified: Any) -> GatewayAnswer:
        seen.append(verified)
        return GatewayAnswer(200, {"document": verified.document.decode()})

    routes = Blueprint("echo", __name__, url_prefix="/api/v1")
    routes.add_url_rule("/echo", view_func=echo, methods=["POST"])
    routes.add_url_rule("/look-up", view_func=look_up, methods=["GET", "POST"])
    app.register_blueprint(routes)
    csrf.exempt(routes)


def _grant(services: Services, platform: ApplicationParty, enterprise: EnterpriseParty) -> Authorization:
    with services.transaction() as session:
        return oauth.grant_authorization(
            services,
            session,
            application_id=platform.application.id,
            tenant_id=enterprise.tenant.id,
            product="payments",
            limits=LIMITS,
            term_days=30,
            granted_by="account",
        )


def _tenant(services: Services, session: Any, kind: TenantKind, number: int) -> Tenant:
    return identity.create_tenant(
        services, session, kind=kind, name=f"{kind} {number}", uscc=uscc(number), actor="test"
    )


def _csr(key: PrivateKey) -> bytes:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    return request.public_bytes(Encoding.PEM)
