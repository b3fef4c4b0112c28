"""Enrolment: leave to have a certificate, handed over as a one-time code, and what the code lets in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.certificates.issuing import Order, issue, issue_batch
from app.certificates.models import CertificateRecord, Enrolment
from app.certificates.problems import EnrolmentCodeInvalid
from app.db import new_id
from app.identity.models import Tenant
from app.oauth.models import Application
from app.problems import InvalidInput, NotFound
from pki import profiles
from pki.authority import Subject, parse_csr
from pki.csr import CheckedCsr
from pki.identifiers import application_urn, organization_identifier, product_urn
from pki.profiles import Custody, Profile

if TYPE_CHECKING:
    from app.wiring import Services

ENROLMENT_LIFETIME = timedelta(days=7)
_REFUSAL = "the enrolment code is unknown, used or expired"


class UnknownEnrolmentCode(EnrolmentCodeInvalid):
    """A code that was never handed out. The answer tells it from no other bad code; only the journal counts it."""


def create_enrolment(
    services: Services,
    session: Session,
    *,
    profile: str,
    tenant_id: str,
    application_id: str | None = None,
    product: str | None = None,
    custody: str | None = None,
    actor: str,
) -> tuple[Enrolment, str]:
    """Leave to enrol: an "api" certificate for an application, or a "product" pair for an enterprise's product.

    Returns the row and the one-time code, which is stored as a digest only. Raises NotFound, InvalidInput,
    InvalidIdentifier.
    """
    if profile == "api":
        application = session.get(Application, application_id) if application_id else None
        if application is None or application.tenant_id != tenant_id:
            raise NotFound("no such application of this platform")
    elif profile == "product":
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or tenant.kind != "enterprise":
            raise NotFound("no such enterprise")
        product_urn(tenant.uscc, product or "")
        if custody not in list(Custody):
            raise InvalidInput("custody is agent, browser or platform")
    else:
        raise InvalidInput("an enrolment is for an api certificate or a product pair")
    now, code = services.clock(), _new_code()
    enrolment = Enrolment(
        id=new_id(),
        code_sha256=_digest(code),
        profile=profile,
        tenant_id=tenant_id,
        application_id=application_id,
        product=product,
        custody=custody,
        created_by=actor,
        created_at=now,
        expires_at=now + ENROLMENT_LIFETIME,
    )
    session.add(enrolment)
    session.flush()
    body = {"profile": profile, "tenant": tenant_id, "application": application_id, "product": product}
    services.journal.append(session, "enrolment-created", subject=enrolment.id, actor=actor, body=body)
    return enrolment, code


def enrol_api(
    services: Services,
    session: Session,
    *,
    code: str,
    csr: bytes,
    tenant_id: str | None = None,
    actor: str | None = None,
) -> CertificateRecord:
    """Issue the API certificate that a code allows. Raises EnrolmentCodeInvalid, InvalidCsr, WeakKey, KeyReused.

    Where somebody has logged in, the code must be one of `tenant_id`, and the journal names the `actor`; by
    program the code stands for itself.
    """
    enrolment = _spend_code(services, session, code, "api", tenant_id)
    application = session.get_one(Application, enrolment.application_id)
    return issue(services, session, api_order(application, parse_csr(csr), actor=actor or enrolment.id))


def enrol_product(
    services: Services,
    session: Session,
    *,
    code: str,
    sign_csr: bytes,
    encrypt_csr: bytes,
    tenant_id: str | None = None,
    actor: str | None = None,
) -> tuple[CertificateRecord, CertificateRecord]:
    """Issue the pair that a code allows, both or none: (signing, encryption). The two keys must differ.

    `tenant_id` and `actor` as in `enrol_api`.
    """
    enrolment = _spend_code(services, session, code, "product", tenant_id)
    tenant = session.get_one(Tenant, enrolment.tenant_id)
    return issue_pair(
        services,
        session,
        tenant,
        enrolment.product or "",
        Custody(enrolment.custody or ""),
        (parse_csr(sign_csr), parse_csr(encrypt_csr)),
        actor=actor or enrolment.id,
    )


def api_order(
    application: Application, csr: CheckedCsr, *, actor: str, renews: CertificateRecord | None = None
) -> Order:
    """What an application's certificate says; the CSR may only agree. Raises InvalidCsr."""
    urn = application_urn(application.client_id)
    subject = _tenant_subject(application.tenant, application.name)
    csr.verify_claims(subject.name(), (urn,), ())
    links = {"tenant_id": application.tenant_id, "application_id": application.id}
    name = renews.x5t_s256 if renews else None
    return Order(profiles.API, csr.public_key, subject, urn, actor, renews=name, links=links)


def issue_pair(
    services: Services,
    session: Session,
    tenant: Tenant,
    product: str,
    custody: Custody,
    csrs: tuple[CheckedCsr, CheckedCsr],
    *,
    actor: str,
    renews: tuple[str, str] | None = None,
) -> tuple[CertificateRecord, CertificateRecord]:
    """A product's two certificates as one object (`pki.dual.ProductPair`), joined by a new pair_id."""
    urn, subject, pair_id = product_urn(tenant.uscc, product), _tenant_subject(tenant, tenant.name), new_id()
    kinds: tuple[Profile, Profile] = (profiles.PRODUCT_SIGN, profiles.PRODUCT_ENCRYPT)
    orders = []
    for profile, csr, earlier in zip(kinds, csrs, renews or (None, None), strict=True):
        csr.verify_claims(subject.name(), (urn,), ())
        links = {"tenant_id": tenant.id, "product": product, "pair_id": pair_id}
        orders.append(Order(profile, csr.public_key, subject, urn, actor, custody=custody, renews=earlier, links=links))
    signing, encryption = issue_batch(services, session, orders)
    return session.get_one(CertificateRecord, signing), session.get_one(CertificateRecord, encryption)


def _spend_code(services: Services, session: Session, code: str, profile: str, tenant_id: str | None) -> Enrolment:
    now, digest = services.clock(), _digest(code)
    owned = [] if tenant_id is None else [Enrolment.tenant_id == tenant_id]
    spent = session.scalar(
        update(Enrolment)
        .where(
            Enrolment.code_sha256 == digest,
            Enrolment.profile == profile,
            Enrolment.used_at.is_(None),
            Enrolment.expires_at > now,
            *owned,
        )
        .values(used_at=now)
        .returning(Enrolment.id)
    )
    if spent is not None:
        return session.get_one(Enrolment, spent)
    if session.scalar(select(Enrolment.id).where(Enrolment.code_sha256 == digest)) is None:
        raise UnknownEnrolmentCode(_REFUSAL)
    raise EnrolmentCodeInvalid(_REFUSAL)


def _tenant_subject(tenant: Tenant, common_name: str) -> Subject:
    return Subject(common_name, tenant.name, organization_identifier(tenant.uscc))


def _new_code() -> str:
    """144 random bits; never with a hyphen in front, which a command would take for an option."""
    while (code := secrets.token_urlsafe(18)).startswith("-"):
        pass
    return code


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.strip().encode()).digest()
