"""The certificates that messages name: found by digest, validated up to the root, and good at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState
from app.gateway.cache import caches_of
from app.gateway.problems import ExpiredCertificate, RevokedCertificate
from pki.errors import CertificateExpired, CertificateNotYetValid, PathInvalid
from pki.keys import PublicKey, check_public_key
from pki.path import Purpose, validate_path

if TYPE_CHECKING:
    from app.wiring import Services

_PURPOSES = frozenset({Purpose.API, Purpose.PRODUCT_SIGN, Purpose.PRODUCT_ENCRYPT})


class UnknownCertificate(Exception):
    """No certificate of this name and profile was ever issued here."""


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """An issued certificate whose path was validated; whether it is good *now* `get_good_certificate` has said."""

    x5t_s256: str
    profile: str
    public_key: PublicKey
    uri: str
    application_id: str | None
    tenant_id: str | None
    product: str | None
    custody: str | None
    encryption_x5t_s256: str | None
    state: CertificateState
    not_before: datetime
    not_after: datetime


def get_good_certificate(services: Services, x5t_s256: str, profile: str) -> KnownCertificate:
    """The certificate named by a digest, of the given profile, valid and not revoked at this moment.

    Raises UnknownCertificate, ExpiredCertificate, RevokedCertificate.
    """
    known = caches_of(services).certificates.get_or_make(
        services.epoch.current(), x5t_s256, lambda: _load(services, x5t_s256)
    )
    if known.profile != profile:
        raise UnknownCertificate(f"not a certificate of the profile {profile}")
    if known.state != CertificateState.GOOD:
        raise RevokedCertificate(f"the {profile} certificate is {known.state}")
    if not known.not_before <= services.clock() <= known.not_after:
        raise ExpiredCertificate(f"the {profile} certificate is outside its validity period")
    return known


def _load(services: Services, x5t_s256: str) -> KnownCertificate:
    with services.reading() as session:
        record = session.get(CertificateRecord, x5t_s256)
        encryption = _find_encryption_partner(session, record) if record is not None else None
    if record is None or record.profile not in _PURPOSES:
        raise UnknownCertificate("no such certificate")
    certificate = x509.load_der_x509_certificate(record.der)
    try:
        validate_path(
            certificate,
            services.hierarchy.trust,
            services.clock(),
            purpose=Purpose(record.profile),
            revocation=None,  # this service is the issuer: the record's own state is newer than any CRL
        )
    except (CertificateExpired, CertificateNotYetValid) as exc:
        raise ExpiredCertificate(f"the {record.profile} certificate is outside its validity period") from exc
    except PathInvalid as exc:
        raise UnknownCertificate(str(exc)) from exc
    return KnownCertificate(
        x5t_s256=x5t_s256,
        profile=record.profile,
        public_key=check_public_key(certificate.public_key()),
        uri=_subject_uri(certificate),
        application_id=record.application_id,
        tenant_id=record.tenant_id,
        product=record.product,
        custody=record.custody,
        encryption_x5t_s256=encryption,
        state=CertificateState(record.state),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _find_encryption_partner(session: Session, record: CertificateRecord) -> str | None:
    """The certificate that receives what is sealed to a product, issued together with its signing certificate."""
    if record.pair_id is None:
        return None
    partner = select(CertificateRecord.x5t_s256).where(
        CertificateRecord.pair_id == record.pair_id, CertificateRecord.profile == Purpose.PRODUCT_ENCRYPT
    )
    return session.scalar(partner)


def _subject_uri(certificate: x509.Certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]
