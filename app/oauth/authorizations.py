"""The authorization as a record: granted once, read on every request, ended by its day or by its enterprise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session, lazyload

from app.certificates.models import CertificateRecord, CertificateState
from app.db import new_id
from app.gateway.cache import caches_of
from app.identity.models import Tenant
from app.oauth.details import MAX_TERM_DAYS, Limits
from app.oauth.models import Application, Authorization, RefreshToken
from app.oauth.problems import ApplicationDisabled, NoProductCertificate
from app.oauth.scopes import PRODUCT_SCOPES
from app.problems import InvalidInput, NotFound
from pki.profiles import Custody

if TYPE_CHECKING:
    from app.wiring import Services

# A platform that also holds the product key proves both identities by one break-in, hence so little.
PLATFORM_CUSTODY_LIMITS = Limits(single_minor=500_000, daily_minor=5_000_000)


_STANDING = (
    select(Authorization)
    .options(lazyload(Authorization.application))
    .where(
        Authorization.id == bindparam("id"),
        Authorization.revoked_at.is_(None),
        Authorization.expires_at > bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True)
class StandingAuthorization:
    """What a request may rely on; `limits` are {"single_minor", "daily_minor"} in fen.

    It was neither ended nor revoked when it was read, and `expires_at` is checked at each use.
    """

    id: str
    application_id: str
    uscc: str
    enterprise_tenant_id: str
    product: str
    limits: Mapping[str, int]
    custody: Custody
    product_x5t_s256: str
    expires_at: datetime


def find_product_certificate(
    services: Services, session: Session, tenant_id: str, product: str
) -> CertificateRecord | None:
    """The newest good signing certificate of an enterprise's product."""
    return session.scalars(
        select(CertificateRecord)
        .where(
            CertificateRecord.tenant_id == tenant_id,
            CertificateRecord.product == product,
            CertificateRecord.profile == "product-sign",
            CertificateRecord.state == CertificateState.GOOD,
            CertificateRecord.not_after > services.clock(),
        )
        .order_by(CertificateRecord.issued_at.desc())
        .limit(1)
    ).first()


def effective_limits(asked: Limits, custody: Custody) -> Limits:
    """What may be granted of what was asked for, given who holds the product key."""
    return asked.at_most(PLATFORM_CUSTODY_LIMITS) if custody is Custody.PLATFORM else asked


def grant_authorization(
    services: Services,
    session: Session,
    *,
    application_id: str,
    tenant_id: str,
    product: str,
    limits: Limits,
    term_days: int,
    granted_by: str,
    contract_id: str | None = None,
    consent_sha256: str | None = None,
    face_check_id: str | None = None,
) -> Authorization:
    """Let an application use one product of the enterprise `tenant_id`; `granted_by` is the account that consents.

    `consent_sha256` is the digest of what it agreed to, `face_check_id` the face check that confirmed it.

    A standing authorization of the same application for the same product is replaced. Raises NotFound,
    InvalidInput, ApplicationDisabled, NoProductCertificate.
    """
    # Of two grants at once the second sees the first's, and replaces it: else both would stand, each with its limits.
    one_at_a_time = {"of": Application, "key_share": True}
    application = session.get(Application, application_id, populate_existing=True, with_for_update=one_at_a_time)
    enterprise = session.get(Tenant, tenant_id)
    if application is None or enterprise is None or enterprise.kind != "enterprise":
        raise NotFound("no such application or enterprise")
    if application.disabled_at is not None:
        raise ApplicationDisabled("the application is switched off")
    if product not in PRODUCT_SCOPES or not 1 <= term_days <= MAX_TERM_DAYS:
        raise InvalidInput("an unknown product or a term outside 1 to 366 days")
    certificate = find_product_certificate(services, session, tenant_id, product)
    if certificate is None:
        raise NoProductCertificate("the enterprise has no good certificate for this product")
    standing = select(Authorization.id).where(
        Authorization.application_id == application_id,
        Authorization.tenant_id == tenant_id,
        Authorization.product == product,
        Authorization.revoked_at.is_(None),
    )
    for earlier_id in session.scalars(standing.order_by(Authorization.id)).all():
        revoke_authorization(services, session, earlier_id, actor=granted_by)
    now = services.clock()
    granted = effective_limits(limits, Custody(certificate.custody or ""))
    authorization = Authorization(
        id=new_id(),
        application=application,
        tenant_id=tenant_id,
        uscc=enterprise.uscc,
        product=product,
        limits=granted.model_dump(),
        product_x5t_s256=certificate.x5t_s256,
        granted_by=granted_by,
        contract_id=contract_id,
        consent_sha256=consent_sha256,
        face_check_id=face_check_id,
        granted_at=now,
        expires_at=now + timedelta(days=term_days),
        revoked_at=None,
    )
    session.add(authorization)
    session.flush()
    services.journal.append(
        session,
        "authorization-granted",
        subject=authorization.id,
        actor=granted_by,
        body={
            "application": application_id,
            "enterprise": tenant_id,
            "product": product,
            "limits": granted.model_dump(),
            "product_x5t_s256": certificate.x5t_s256,
            "contract": contract_id,
            "consent_sha256": consent_sha256,
            "face_check": face_check_id,
            "expires_at": authorization.expires_at.isoformat(),
        },
    )
    return authorization


def revoke_authorization(services: Services, session: Session, authorization_id: str, *, actor: str) -> None:
    """End an authorization and its refresh tokens. The epoch moves, so every gate closes within half a second.

    Raises NotFound where it does not stand any more or never did.
    """
    services.epoch.bump(session)
    now = services.clock()
    ended = session.scalar(
        update(Authorization)
        .where(Authorization.id == authorization_id, Authorization.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(Authorization.id)
    )
    if ended is None:
        raise NotFound("no such standing authorization")
    session.execute(
        update(RefreshToken)
        .where(RefreshToken.authorization_id == authorization_id, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    services.journal.append(session, "authorization-revoked", subject=authorization_id, actor=actor, body={})


def list_authorizations(
    session: Session, *, tenant_id: str | None = None, application_id: str | None = None, limit: int = 100
) -> list[Authorization]:
    """Authorizations of an enterprise or for an application, newest first, ended ones included."""
    query = select(Authorization).order_by(Authorization.granted_at.desc(), Authorization.id.desc())
    if tenant_id is not None:
        query = query.where(Authorization.tenant_id == tenant_id)
    if application_id is not None:
        query = query.where(Authorization.application_id == application_id)
    return list(session.scalars(query.limit(limit)))


def find_standing(services: Services, session: Session, authorization_id: str) -> Authorization | None:
    """The authorization if it stands now."""
    return session.scalars(_STANDING, {"id": authorization_id, "now": services.clock()}).first()


def get_standing_cached(services: Services, authorization_id: str) -> StandingAuthorization:
    """As `find_standing`, from this worker's memory while the revocation epoch stays. Raises NotFound."""
    standing = caches_of(services).authorizations.get_or_make(
        services.epoch.current(), authorization_id, lambda: _read(services, authorization_id)
    )
    if standing.expires_at <= services.clock():
        raise NotFound("the authorization has ended")
    return standing


def _read(services: Services, authorization_id: str) -> StandingAuthorization:
    with services.reading() as session:
        row = find_standing(services, session, authorization_id)
        certificate = session.get(CertificateRecord, row.product_x5t_s256) if row else None
    if row is None or certificate is None:
        raise NotFound("no such standing authorization")
    return StandingAuthorization(
        id=row.id,
        application_id=row.application_id,
        uscc=row.uscc,
        enterprise_tenant_id=row.tenant_id,
        product=row.product,
        limits=MappingProxyType(Limits.model_validate(row.limits).model_dump()),
        custody=Custody(certificate.custody or ""),
        product_x5t_s256=row.product_x5t_s256,
        expires_at=row.expires_at,
    )
