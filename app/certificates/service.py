"""Certificates, in the order of their life: enrolment, issue, hold and release, revocation; and what is published.

The private keys of platforms, enterprises and signers never come here: there is no function that makes or takes one.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState, CrlNumber, Enrolment
from app.certificates.problems import EnrolmentCodeInvalid, KeyReused, StateNotFitting
from app.certificates.records import make_record
from app.certificates.status import state_of
from app.db import new_id
from app.identity.models import Tenant
from app.oauth.models import Application
from app.problems import InvalidInput, NotFound
from pki import profiles
from pki.authority import CertificateRequest, Subject, parse_csr
from pki.binding import SignatureBinding
from pki.csr import CheckedCsr
from pki.identifiers import application_urn, organization_identifier, product_urn, signature_urn
from pki.keys import PublicKey, spki_sha256
from pki.profiles import Custody, Profile
from pki.revocation import RevokedEntry, build_crl

if TYPE_CHECKING:
    from app.wiring import Services

ENROLMENT_LIFETIME = timedelta(days=7)
CRL_LIFETIME = timedelta(hours=24)
HOLD_REASON = "certificate_hold"
REASONS = tuple(
    reason.name
    for reason in x509.ReasonFlags
    if reason.name not in {HOLD_REASON, "remove_from_crl", "aa_compromise", "ca_compromise"}
)


# --- enrolment ------------------------------------------------------------------------------------------------------


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
    now, code = services.clock(), secrets.token_urlsafe(18)
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


def enrol_api(services: Services, session: Session, *, code: str, csr: bytes) -> CertificateRecord:
    """Issue the API certificate that a code allows. Raises EnrolmentCodeInvalid, InvalidCsr, WeakKey, KeyReused."""
    enrolment = _spend_code(services, session, code, "api")
    application = session.get_one(Application, enrolment.application_id)
    subject = _tenant_subject(application.tenant, application.name)
    return _issue(
        services,
        session,
        profiles.API,
        parse_csr(csr),
        subject,
        application_urn(application.client_id),
        actor=enrolment.id,
        tenant_id=enrolment.tenant_id,
        application_id=application.id,
    )


def enrol_product(
    services: Services, session: Session, *, code: str, sign_csr: bytes, encrypt_csr: bytes
) -> tuple[CertificateRecord, CertificateRecord]:
    """Issue the pair that a code allows, both or none: (signing, encryption). The two keys must differ."""
    enrolment = _spend_code(services, session, code, "product")
    tenant = session.get_one(Tenant, enrolment.tenant_id)
    signing, encryption = parse_csr(sign_csr), parse_csr(encrypt_csr)
    if spki_sha256(signing.public_key) == spki_sha256(encryption.public_key):
        raise KeyReused("signing and encryption need keys of their own")
    urn, pair_id = product_urn(tenant.uscc, enrolment.product or ""), new_id()

    def issue(profile: Profile, csr: CheckedCsr) -> CertificateRecord:
        return _issue(
            services,
            session,
            profile,
            csr,
            _tenant_subject(tenant, tenant.name),
            urn,
            actor=enrolment.id,
            custody=Custody(enrolment.custody or ""),
            tenant_id=tenant.id,
            product=enrolment.product,
            pair_id=pair_id,
        )

    return issue(profiles.PRODUCT_SIGN, signing), issue(profiles.PRODUCT_ENCRYPT, encryption)


def issue_signer(
    services: Services,
    session: Session,
    *,
    public_key: PublicKey,
    name: str,
    ceremony_id: str,
    signer_id: str,
    binding: SignatureBinding,
    actor: str,
) -> CertificateRecord:
    """A certificate for one signature over a key whose possession the caller has checked. Raises WeakKey, KeyReused."""
    urn = signature_urn(ceremony_id, signer_id)
    _refuse_known_key(session, public_key)
    authority = services.hierarchy.authority("signer")
    request = CertificateRequest(Subject(name), public_key, (urn,), binding=binding)
    certificate = authority.issue(authority.prepare(profiles.SIGNER, request))
    return _keep(services, session, certificate, profiles.SIGNER, "signer", actor)


# --- state ----------------------------------------------------------------------------------------------------------


def hold(services: Services, session: Session, x5t_s256: str, reason: str, actor: str) -> None:
    """Suspend a good certificate, and its pair (certificateHold). Raises NotFound, StateNotFitting."""
    _change(
        services,
        session,
        x5t_s256,
        CertificateState.HELD,
        (CertificateState.GOOD,),
        HOLD_REASON,
        reason,
        actor,
    )


def release(services: Services, session: Session, x5t_s256: str, reason: str, actor: str) -> None:
    """End a suspension. Raises NotFound, StateNotFitting."""
    _change(services, session, x5t_s256, CertificateState.GOOD, (CertificateState.HELD,), None, reason, actor)


def revoke(services: Services, session: Session, x5t_s256: str, reason: str, actor: str, note: str = "") -> None:
    """Revoke a certificate, and its pair, for ever; `reason` is one of REASONS.

    The epoch moves, so every gate closes within half a second. Raises NotFound, StateNotFitting, InvalidInput.
    """
    if reason not in REASONS:
        raise InvalidInput(f"the reason is one of {', '.join(REASONS)}")
    standing = (CertificateState.GOOD, CertificateState.HELD)
    _change(services, session, x5t_s256, CertificateState.REVOKED, standing, reason, note, actor)


def get_certificate(session: Session, x5t_s256: str) -> CertificateRecord:
    """Raises NotFound."""
    record = session.get(CertificateRecord, x5t_s256)
    if record is None:
        raise NotFound("no such certificate")
    return record


def list_certificates(
    session: Session,
    *,
    tenant_id: str | None = None,
    profile: str | None = None,
    text: str | None = None,
    limit: int = 50,
    before: datetime | None = None,
) -> list[CertificateRecord]:
    """Certificates, newest first; `text` is part of a subject, a serial number or the x5t#S256."""
    query = select(CertificateRecord).order_by(CertificateRecord.issued_at.desc(), CertificateRecord.x5t_s256)
    if tenant_id is not None:
        query = query.where(CertificateRecord.tenant_id == tenant_id)
    if profile:
        query = query.where(CertificateRecord.profile == profile)
    if before is not None:
        query = query.where(CertificateRecord.issued_at < before)
    if text:
        query = query.where(
            CertificateRecord.subject.contains(text, autoescape=True)
            | (CertificateRecord.serial == text.lower().lstrip("0"))
            | (CertificateRecord.x5t_s256 == text)
        )
    return list(session.scalars(query.limit(limit)))


# --- what is published ----------------------------------------------------------------------------------------------


def chain_der(services: Services, record: CertificateRecord) -> list[bytes]:
    """The certificates above this one, in DER, the root last."""
    authority = services.hierarchy.authority(record.issuer)
    return [c.public_bytes(Encoding.DER) for c in (authority.certificate, *authority.chain)]


def chain_pem(services: Services, record: CertificateRecord) -> str:
    """The certificate and those above it but the root, in PEM, as clients and TLS servers take them."""
    der = [record.der, *chain_der(services, record)[:-1]]
    return "".join(x509.load_der_x509_certificate(c).public_bytes(Encoding.PEM).decode() for c in der)


def make_crl(services: Services, session: Session, issuer: str) -> bytes:
    """A complete CRL with the next number of this authority (RFC 5280 §5), in DER."""
    number = session.scalar(
        update(CrlNumber)
        .where(CrlNumber.issuer == issuer)
        .values(number=CrlNumber.number + 1)
        .returning(CrlNumber.number)
    )
    if number is None:
        raise NotFound("no such authority")
    now = services.clock()
    revoked = session.scalars(
        select(CertificateRecord).where(
            CertificateRecord.issuer == issuer,
            CertificateRecord.state != CertificateState.GOOD,
            CertificateRecord.not_after > now,
        )
    )
    entries = []
    for record in revoked:
        state = state_of(record)
        entries.append(RevokedEntry(int(record.serial, 16), state.revoked_at or now, state.reason))
    return build_crl(services.hierarchy.authority(issuer), entries, number, now, now + CRL_LIFETIME)


# --- what the steps share -------------------------------------------------------------------------------------------


def _spend_code(services: Services, session: Session, code: str, profile: str) -> Enrolment:
    now = services.clock()
    spent = session.scalar(
        update(Enrolment)
        .where(
            Enrolment.code_sha256 == _digest(code),
            Enrolment.profile == profile,
            Enrolment.used_at.is_(None),
            Enrolment.expires_at > now,
        )
        .values(used_at=now)
        .returning(Enrolment.id)
    )
    if spent is None:
        raise EnrolmentCodeInvalid("the enrolment code is unknown, used or expired")
    return session.get_one(Enrolment, spent)


def _issue(
    services: Services,
    session: Session,
    profile: Profile,
    csr: CheckedCsr,
    subject: Subject,
    urn: str,
    *,
    actor: str,
    custody: Custody | None = None,
    **links: str | None,
) -> CertificateRecord:
    csr.verify_claims(subject.name(), (urn,), ())
    _refuse_known_key(session, csr.public_key)
    name = "api" if profile is profiles.API else "product"
    authority = services.hierarchy.authority(name)
    request = CertificateRequest(subject, csr.public_key, (urn,), custody=custody)
    certificate = authority.issue(authority.prepare(profile, request))
    return _keep(services, session, certificate, profile, name, actor, custody=custody, **links)


def _keep(
    services: Services,
    session: Session,
    certificate: x509.Certificate,
    profile: Profile,
    issuer: str,
    actor: str,
    **links: str | None,
) -> CertificateRecord:
    record = make_record(certificate, profile.name, issuer, services.clock(), **links)
    session.add(record)
    session.flush()
    body = {"profile": profile.name, "issuer": issuer, "serial": record.serial}
    services.journal.append(session, "certificate-issued", subject=record.x5t_s256, actor=actor, body=body)
    return record


def _refuse_known_key(session: Session, public_key: PublicKey) -> None:
    known = session.scalars(
        select(CertificateRecord.x5t_s256).where(CertificateRecord.spki_sha256 == spki_sha256(public_key)).limit(1)
    ).first()
    if known is not None:
        raise KeyReused("this key is certified already")


def _change(
    services: Services,
    session: Session,
    x5t_s256: str,
    to: CertificateState,
    standing: tuple[CertificateState, ...],
    revocation_reason: str | None,
    note: str,
    actor: str,
) -> None:
    record = get_certificate(session, x5t_s256)
    if record.profile in {"root", "issuing"}:
        raise StateNotFitting("an authority's certificate is not revoked here")
    both = CertificateRecord.x5t_s256 == x5t_s256
    if record.pair_id is not None:
        both = CertificateRecord.pair_id == record.pair_id
    changed = session.scalars(
        update(CertificateRecord)
        .where(both, CertificateRecord.state.in_(standing))
        .values(
            state=to,
            revoked_at=None if to is CertificateState.GOOD else services.clock(),
            revocation_reason=revocation_reason,
        )
        .returning(CertificateRecord.x5t_s256)
    ).all()
    if x5t_s256 not in changed:
        raise StateNotFitting(f"the certificate is {record.state}")
    session.expire(record)
    services.epoch.bump(session)
    kind = {"good": "certificate-released", "held": "certificate-held", "revoked": "certificate-revoked"}[to]
    for name in sorted(changed):
        body = {"reason": revocation_reason, "note_sha256": hashlib.sha256(note.encode()).hexdigest()}
        services.journal.append(session, kind, subject=name, actor=actor, body=body)


def _tenant_subject(tenant: Tenant, common_name: str) -> Subject:
    return Subject(common_name, tenant.name, organization_identifier(tenant.uscc))


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.strip().encode()).digest()
