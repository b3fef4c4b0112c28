"""Issue: the one place where a certificate, its row, its key's holder and its journal line come to be, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertifiedKey
from app.certificates.ports import SignerOrder
from app.certificates.problems import KeyReused, KeyTooOld
from app.certificates.records import record_values
from app.certificates.signer_issuer import signer_issuer
from app.journal import Entry
from pki import profiles
from pki.authority import CertificateRequest, Subject
from pki.binding import PortraitAssurance, SignatureBinding
from pki.identifiers import signature_urn
from pki.keys import PublicKey, spki_sha256
from pki.profiles import Custody, IssuingRole, Profile

if TYPE_CHECKING:
    from app.wiring import Services

KEY_LIFETIME = timedelta(days=3 * 365)  # how long after its first certificate a key may be certified again
_ROLES = {
    profiles.API.name: IssuingRole.API,
    profiles.PRODUCT_SIGN.name: IssuingRole.PRODUCT,
    profiles.PRODUCT_ENCRYPT.name: IssuingRole.PRODUCT,
}


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate to issue, from the service's own records; only the key comes from the CSR.

    `links` are further columns of the row (tenant_id, application_id, product, pair_id). `renews` names the
    certificate that this one takes over from; only then may the key be one that its holder had certified before.
    """

    profile: Profile
    public_key: PublicKey
    subject: Subject
    urn: str
    actor: str
    custody: Custody | None = None
    renews: str | None = None
    links: Mapping[str, str | None] = field(default_factory=dict)


def holder_of(profile: Profile, name: str) -> str:
    """Whom a key stands for: the profile too, so that one key never both signs and decrypts."""
    return f"{profile.name} {name}"


def issue(services: Services, session: Session, order: Order) -> CertificateRecord:
    """Issue one certificate. Raises KeyReused, KeyTooOld, WeakKey, ProfileViolation, LintFailed."""
    [name] = issue_batch(services, session, [order])
    return session.get_one(CertificateRecord, name)


def issue_batch(services: Services, session: Session, orders: Sequence[Order]) -> list[str]:
    """Issue many certificates in one transaction, all or none; returns their x5t#S256 in the order of the orders.

    Raises as `issue`.
    """
    # 1. The keys belong to their holders from here on, or the transaction ends.
    _claim_keys(services, session, orders)
    # 2. Sign: each is checked and linted first, on the very octets that are signed.
    issued = [_sign(services, order) for order in orders]
    # 3. Rows and journal lines.
    now = services.clock()
    rows = [
        record_values(
            certificate,
            order.profile.name,
            issuer,
            now,
            public_key=order.public_key,
            custody=order.custody,
            renews=order.renews,
            **order.links,
        )
        for order, (certificate, issuer) in zip(orders, issued, strict=True)
    ]
    _keep(services, session, rows, [order.actor for order in orders])
    return [row["x5t_s256"] for row in rows]


def issue_signer(
    services: Services,
    session: Session,
    *,
    public_key: PublicKey,
    name: str,
    ceremony_id: str,
    signer_id: str,
    binding: SignatureBinding,
    portrait_assurance: PortraitAssurance | None = None,
    actor: str,
) -> CertificateRecord:
    """A certificate for one signature over a key whose possession the caller has checked. Raises WeakKey, KeyReused."""
    urn = signature_urn(ceremony_id, signer_id)
    claim_key(services, session, public_key, holder_of(profiles.SIGNER, urn))
    issuer = signer_issuer(services)
    certificate = issuer.issue(SignerOrder(name, public_key, urn, binding, portrait_assurance))
    row = record_values(certificate, profiles.SIGNER.name, issuer.name, services.clock(), public_key=public_key)
    _keep(services, session, [row], [actor])
    return session.get_one(CertificateRecord, row["x5t_s256"])


def claim_key(services: Services, session: Session, public_key: PublicKey, holder: str) -> None:
    """Write down for whom a key that was never certified before stands from now on. Raises KeyReused."""
    taken = _claim(services, session, {spki_sha256(public_key): holder})
    if taken:
        raise KeyReused("this key is certified already")


def _claim_keys(services: Services, session: Session, orders: Sequence[Order]) -> None:
    by_key = {spki_sha256(order.public_key): order for order in orders}
    if len(by_key) < len(orders):
        raise KeyReused("each certificate needs a key of its own")
    holders = {key: holder_of(order.profile, order.urn) for key, order in by_key.items()}
    for row in _claim(services, session, holders):
        if by_key[row.spki_sha256].renews is None or row.holder != holders[row.spki_sha256]:
            raise KeyReused("this key is certified already")
        if services.clock() > row.first_certified_at + KEY_LIFETIME:
            raise KeyTooOld(f"this key was first certified {KEY_LIFETIME.days} days ago or earlier: make a new one")


def _claim(services: Services, session: Session, holders: Mapping[bytes, str]) -> Sequence[CertifiedKey]:
    """Claim what is free, in one statement; returns the rows of those keys that were taken before.

    On PostgreSQL the statement waits for another transaction that is claiming the same key, so of two exactly one
    finds it free.
    """
    now = services.clock()
    rows = [{"spki_sha256": key, "holder": holder[:300], "first_certified_at": now} for key, holder in holders.items()]
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    free = set(
        session.scalars(dialect.insert(CertifiedKey).on_conflict_do_nothing().returning(CertifiedKey.spki_sha256), rows)
    )
    taken = [key for key in holders if key not in free]
    if not taken:
        return ()
    return session.scalars(select(CertifiedKey).where(CertifiedKey.spki_sha256.in_(taken))).all()


def _sign(services: Services, order: Order) -> tuple[x509.Certificate, str]:
    authority = services.hierarchy.newest(_ROLES[order.profile.name])
    request = CertificateRequest(order.subject, order.public_key, (order.urn,), custody=order.custody)
    return authority.issue(authority.prepare(order.profile, request)), authority.name


def _keep(services: Services, session: Session, rows: list[dict[str, Any]], actors: Sequence[str]) -> None:
    session.execute(insert(CertificateRecord), rows)
    services.journal.append_many(
        session,
        [
            Entry(
                "certificate-issued",
                row["x5t_s256"],
                actor,
                {
                    "profile": row["profile"],
                    "issuer": row["issuer"],
                    "serial": row["serial"],
                    **({"renews": row["renews"]} if row.get("renews") else {}),
                },
            )
            for row, actor in zip(rows, actors, strict=True)
        ],
    )
