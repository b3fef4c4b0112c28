"""Renewal and re-key by the holder, and the warning before a certificate ends.

The same key may be certified again for the same holder until `issuing.KEY_LIFETIME` after its first certificate
(renewal); a new key is always welcome (re-key, RFC 7030 §4.2.2). The earlier certificate stays good to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.certificates.enrolment import api_order, issue_pair
from app.certificates.issuing import issue
from app.certificates.linked import follow_renewal
from app.certificates.models import CertificateRecord, CertificateState, ExpiryWarning
from app.certificates.problems import KeyCompromised, NotRenewable
from app.certificates.queries import get_certificate
from app.identity.models import Tenant
from app.oauth.models import Application
from pki.authority import parse_csr
from pki.csr import CheckedCsr
from pki.keys import spki_sha256
from pki.profiles import Custody

if TYPE_CHECKING:
    from app.wiring import Services

WARNING_DAYS = (1, 7, 30)  # ascending: what is urgent is not announced twice at once
_WARNED_PROFILES = ("api", "product-sign", "product-encrypt")
_BATCH = 500


def renew_api(services: Services, session: Session, *, x5t_s256: str, csr: bytes, actor: str) -> CertificateRecord:
    """A successor for an application's good API certificate; the caller authenticated its holder.

    Raises NotFound, NotRenewable, InvalidCsr, WeakKey, KeyReused, KeyTooOld, KeyCompromised.
    """
    earlier = _renewable(services, session, x5t_s256, "api")
    request = _checked(session, csr)
    application = session.get_one(Application, earlier.application_id)
    if application.disabled_at is not None:
        raise NotRenewable("the application is switched off")
    return issue(services, session, api_order(application, request, actor=actor, renews=earlier))


def renew_product(
    services: Services, session: Session, *, x5t_s256: str, sign_csr: bytes, encrypt_csr: bytes, actor: str
) -> tuple[CertificateRecord, CertificateRecord]:
    """A successor for a good pair, named by its signing certificate: (signing, encryption), both or none.

    Custody stays what it was, and standing authorizations follow to the new pair in the same transaction. Raises as
    `renew_api`.
    """
    signing = _renewable(services, session, x5t_s256, "product-sign")
    encryption = session.scalars(
        select(CertificateRecord).where(
            CertificateRecord.pair_id == signing.pair_id, CertificateRecord.profile == "product-encrypt"
        )
    ).one()
    if encryption.state != CertificateState.GOOD:
        raise NotRenewable("the pair's encryption certificate is not good")
    pair = issue_pair(
        services,
        session,
        session.get_one(Tenant, signing.tenant_id),
        signing.product or "",
        Custody(signing.custody or ""),
        (_checked(session, sign_csr), _checked(session, encrypt_csr)),
        actor=actor,
        renews=(signing.x5t_s256, encryption.x5t_s256),
    )
    follow_renewal(services, session, signing, pair[0], actor)
    return pair


def warn_before_expiry(services: Services) -> int:
    """Write down, once each, that a certificate without successor ends in 30, 7 or 1 days. Returns how many.

    A job; pages show the rows through `list_warnings`, and each is a line of the journal.
    """
    done = 0
    for days in WARNING_DAYS:
        while warned := _warn(services, days):
            done += warned
    return done


def list_warnings(
    session: Session, *, tenant_id: str | None = None, limit: int = 50
) -> list[tuple[CertificateRecord, ExpiryWarning]]:
    """Certificates about to end with their latest warning, the most urgent first."""
    query = select(CertificateRecord, ExpiryWarning).join(
        ExpiryWarning, ExpiryWarning.x5t_s256 == CertificateRecord.x5t_s256
    )
    if tenant_id is not None:
        query = query.where(CertificateRecord.tenant_id == tenant_id)
    rows = session.execute(query.order_by(CertificateRecord.not_after, ExpiryWarning.days).limit(limit * 3))
    latest: dict[str, tuple[CertificateRecord, ExpiryWarning]] = {}
    for record, warning in rows:
        if record.state != CertificateState.REVOKED:
            latest.setdefault(record.x5t_s256, (record, warning))
    return list(latest.values())[:limit]


def _renewable(services: Services, session: Session, x5t_s256: str, profile: str) -> CertificateRecord:
    record = get_certificate(session, x5t_s256)
    if record.profile != profile:
        raise NotRenewable(f"a {record.profile} certificate is not renewed here")
    if record.state != CertificateState.GOOD or record.not_after <= services.clock():
        raise NotRenewable("only a good certificate is renewed; ask for an enrolment code instead")
    return record


def _checked(session: Session, csr: bytes) -> CheckedCsr:
    request = parse_csr(csr)
    compromised = session.scalars(
        select(CertificateRecord.x5t_s256)
        .where(
            CertificateRecord.spki_sha256 == spki_sha256(request.public_key),
            CertificateRecord.revocation_reason == "key_compromise",
        )
        .limit(1)
    ).first()
    if compromised is not None:
        raise KeyCompromised("this key was reported as compromised")
    return request


def _warn(services: Services, days: int) -> int:
    now = services.clock()
    successor, told = aliased(CertificateRecord), aliased(ExpiryWarning)
    with services.transaction() as session:
        due: Sequence[CertificateRecord] = session.scalars(
            select(CertificateRecord)
            .outerjoin(successor, successor.renews == CertificateRecord.x5t_s256)
            .outerjoin(told, (told.x5t_s256 == CertificateRecord.x5t_s256) & (told.days <= days))
            .where(
                CertificateRecord.profile.in_(_WARNED_PROFILES),
                CertificateRecord.state != CertificateState.REVOKED,
                CertificateRecord.not_after > now,
                CertificateRecord.not_after <= now + timedelta(days=days),
                successor.x5t_s256.is_(None),
                told.x5t_s256.is_(None),
            )
            .order_by(CertificateRecord.not_after)
            .limit(_BATCH)
        ).all()
        for record in due:
            session.add(ExpiryWarning(x5t_s256=record.x5t_s256, days=days, warned_at=now))
            body = {"days": days, "not_after": record.not_after.isoformat(), "tenant": record.tenant_id}
            services.journal.append(session, "certificate-expiring", subject=record.x5t_s256, actor="system", body=body)
        return len(due)
