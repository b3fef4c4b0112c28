"""The dual certificate as one linked object: API certificate, product pair, and the authorizations between them.

`pki.dual` says which fact closes the gate and what a revocation does; here is what that means for rows. A suspension
changes no authorization: every gate looks at the certificates' own state, so a release resumes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord
from app.certificates.status import state_of
from app.oauth.models import Authorization
from app.problems import NotFound
from pki.dual import DualLink, LinkedCertificate, ProductPair
from pki.revocation import GOOD, RevocationState

if TYPE_CHECKING:
    from app.wiring import Services


def close_authorizations(
    services: Services, session: Session, revoked: Sequence[CertificateRecord], actor: str
) -> list[str]:
    """End every standing authorization in which one of these certificates took part; returns their ids.

    An application's API certificate takes part in all that the application holds; a product certificate in those
    that name its pair.
    """
    from app.oauth.authorizations import revoke_authorization  # noqa: PLC0415 - oauth reads certificates' models

    conditions: list[ColumnElement[bool]] = []
    applications = {record.application_id for record in revoked if record.profile == "api"}
    if applications:
        conditions.append(Authorization.application_id.in_(applications))
    pairs = {record.pair_id for record in revoked if record.pair_id is not None}
    if pairs:
        signing = select(CertificateRecord.x5t_s256).where(CertificateRecord.pair_id.in_(pairs))
        conditions.append(Authorization.product_x5t_s256.in_(signing))
    if not conditions:
        return []
    standing = session.scalars(
        select(Authorization.id)
        .where(or_(*conditions), Authorization.revoked_at.is_(None), Authorization.expires_at > services.clock())
        .order_by(Authorization.id)
    ).all()
    for authorization_id in standing:
        revoke_authorization(services, session, authorization_id, actor=actor)
    return list(standing)


def follow_renewal(
    services: Services, session: Session, earlier: CertificateRecord, successor: CertificateRecord, actor: str
) -> int:
    """Let standing authorizations name the renewed pair's signing certificate; returns how many.

    Access tokens that name the earlier one end with it, within minutes; refresh tokens bring the new one.
    """
    standing = (
        Authorization.product_x5t_s256 == earlier.x5t_s256,
        Authorization.revoked_at.is_(None),
        Authorization.expires_at > services.clock(),
    )
    if session.scalars(select(Authorization.id).where(*standing).limit(1)).first() is None:
        return 0
    services.epoch.bump(session)
    moved = session.scalars(
        update(Authorization).where(*standing).values(product_x5t_s256=successor.x5t_s256).returning(Authorization.id)
    ).all()
    for authorization_id in sorted(moved):
        body = {"product_x5t_s256": successor.x5t_s256, "before": earlier.x5t_s256}
        services.journal.append(session, "authorization-follows", subject=authorization_id, actor=actor, body=body)
    return len(moved)


def read_link(services: Services, session: Session, authorization_id: str) -> DualLink:
    """The dual certificate of an authorization, with the state of each part. Raises NotFound."""
    authorization = _get(session, authorization_id)
    pair = {record.profile: record for record in _pair_of(session, authorization)}
    api = _api_certificates(services, session, authorization)
    if not api or len(pair) != 2:
        raise NotFound("the authorization has no dual certificate")
    revoked = authorization.revoked_at
    return DualLink(
        authorization_id=authorization.id,
        authorization=RevocationState(revoked, x509.ReasonFlags.cessation_of_operation) if revoked else GOOD,
        authorized_until=authorization.expires_at,
        api=_linked(api[0]),
        product=ProductPair(_linked(pair["product-sign"]), _linked(pair["product-encrypt"])),
    )


def certificates_of_link(services: Services, session: Session, authorization_id: str) -> list[CertificateRecord]:
    """All certificates of one dual certificate: the application's unexpired API ones and the pair."""
    authorization = _get(session, authorization_id)
    return [*_api_certificates(services, session, authorization), *_pair_of(session, authorization)]


def _get(session: Session, authorization_id: str) -> Authorization:
    authorization = session.get(Authorization, authorization_id)
    if authorization is None:
        raise NotFound("no such authorization")
    return authorization


def _api_certificates(
    services: Services, session: Session, authorization: Authorization
) -> Sequence[CertificateRecord]:
    """Newest first, the good ones before the others."""
    return session.scalars(
        select(CertificateRecord)
        .where(
            CertificateRecord.application_id == authorization.application_id,
            CertificateRecord.profile == "api",
            CertificateRecord.not_after > services.clock(),
        )
        .order_by(CertificateRecord.state != "good", CertificateRecord.issued_at.desc())
    ).all()


def _pair_of(session: Session, authorization: Authorization) -> Sequence[CertificateRecord]:
    pair_id = (
        select(CertificateRecord.pair_id)
        .where(CertificateRecord.x5t_s256 == authorization.product_x5t_s256)
        .scalar_subquery()
    )
    return session.scalars(select(CertificateRecord).where(CertificateRecord.pair_id == pair_id)).all()


def _linked(record: CertificateRecord) -> LinkedCertificate:
    return LinkedCertificate(record.x5t_s256, record.not_before, record.not_after, state_of(record))
