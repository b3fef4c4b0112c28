"""How authorities come to be: the first ones together, a further generation of one later."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy.orm import Session

from app.certificates.hierarchy import ORGANIZATION, make_authority
from app.certificates.issuing import claim_key, holder_of
from app.certificates.models import CertificateRecord, CrlSeries, HeldKeyRow, PublishedCrl, RevocationEpoch
from app.certificates.records import make_record, x5t_s256
from app.problems import Unavailable
from pki import profiles
from pki.authority import (
    ROOT_NAME,
    CertificateRequest,
    IssuingAuthority,
    PublicationUrls,
    Subject,
    create_root,
    role_of,
    sign_issuing,
)
from pki.keys import KeyType, check_public_key
from pki.keystores import SealedKeyStore
from pki.ports import PrivateKey
from pki.profiles import IssuingRole, Profile
from pki.revocation import RevokedEntry, build_crl

if TYPE_CHECKING:
    from app.wiring import Services

ROOT_CRL_LIFETIME = timedelta(days=365)
_ROOT_KEY = "root"

# What the bank itself holds, all issued by the authority "service": name, profile, common name, key.
_OWN = (
    ("gateway-sign", profiles.GATEWAY_SIGN, "Yunlian Gateway (signing)", KeyType.EC_P256),
    ("gateway-encrypt", profiles.GATEWAY_ENCRYPT, "Yunlian Gateway (encryption)", KeyType.EC_P256),
    ("seal", profiles.SEAL, "Yunlian Bank Contract Seal", KeyType.EC_P256),
    ("log", profiles.LOG, "Yunlian Journal", KeyType.ED25519),
    ("tsa", profiles.TSA, "Yunlian Time-Stamp Authority", KeyType.EC_P256),
)


def found(services: Services) -> None:
    """Create root, issuing authorities, OCSP responders and the bank's own certificates, all or none.

    Raises Unavailable without the root's passphrase.
    """
    urls = PublicationUrls(services.settings.pki_url)
    store = root_store(services)
    root_key = store.load(_ROOT_KEY) if _ROOT_KEY in store.names() else store.create(_ROOT_KEY, KeyType.EC_P384)
    with services.transaction() as session:
        session.add(RevocationEpoch(id=1, number=1))
        root = create_root(Subject("Yunlian Root CA", ORGANIZATION), root_key, urls, services.clock)
        _keep(services, session, root.certificate, profiles.ROOT, issuer=ROOT_NAME, key_name=None)
        session.add(CrlSeries(issuer=ROOT_NAME, number=1))
        publish_root_crl(services, session, root, [], number=1)
        authorities = {role: add_generation(services, session, root, role) for role in IssuingRole}
        for name, profile, common_name, key_type in _OWN:
            _issue_own(services, session, authorities[IssuingRole.SERVICE], name, profile, common_name, key_type)
        body = {"authorities": [str(role) for role in IssuingRole]}
        subject = x5t_s256(root.certificate)
        services.journal.append(session, "authority-founded", subject=subject, actor="system", body=body)


def root_store(services: Services) -> SealedKeyStore:
    """The store of the root's key alone. Raises Unavailable without its passphrase, WrongPassphrase."""
    passphrase = services.settings.root_passphrase
    if passphrase is None:
        raise Unavailable("the root's key needs YUNLIAN_ROOT_PASSPHRASE or YUNLIAN_ROOT_PASSPHRASE_FILE")
    return SealedKeyStore(services.settings.var / "keys" / "root", passphrase)


def open_root(services: Services) -> IssuingAuthority:
    """The root with its key, for one operation at the command. Raises Unavailable, WrongPassphrase."""
    key = root_store(services).load(_ROOT_KEY)
    urls = PublicationUrls(services.settings.pki_url)
    return IssuingAuthority(ROOT_NAME, services.hierarchy.root, (), key, urls, services.clock)


def add_generation(services: Services, session: Session, root: IssuingAuthority, name: str) -> IssuingAuthority:
    """An issuing authority ("api", later "api-2") with its own key, OCSP responder and series of CRLs."""
    role = role_of(name)
    label = role.upper() if role is IssuingRole.API else role.title()
    suffix = name.removeprefix(role).replace("-", " G")  # two generations never share a name (RFC 5280 §4.1.2.4)
    key = _key(services, f"issuing-{name}", KeyType.EC_P256)
    subject = Subject(f"Yunlian {label} CA{suffix}", ORGANIZATION)
    certificate = sign_issuing(root, name, subject, key.public_key())
    _keep(services, session, certificate, profiles.ISSUING, issuer=ROOT_NAME, key_name=f"issuing-{name}")
    authority = make_authority(services, name, certificate, root.certificate, key)
    session.add(CrlSeries(issuer=name, number=0))
    common_name = f"Yunlian {name} OCSP responder"
    _issue_own(services, session, authority, f"ocsp-{name}", profiles.OCSP, common_name, KeyType.EC_P256)
    return authority


def publish_root_crl(
    services: Services, session: Session, root: IssuingAuthority, entries: list[RevokedEntry], *, number: int
) -> PublishedCrl:
    """The root signs a CRL while its key is open; the doors serve it as it is until the next one."""
    now = services.clock()
    der = build_crl(root, entries, number, now, now + ROOT_CRL_LIFETIME, has_deltas=False)
    row = PublishedCrl(
        issuer=ROOT_NAME,
        is_delta=False,
        epoch=0,
        entries=len(entries),
        der=der,
        this_update=now,
        next_update=now + ROOT_CRL_LIFETIME,
    )
    return session.merge(row)


def renew_own(services: Services, session: Session, name: str, actor: str) -> CertificateRecord:
    """A new certificate over the same key for one of the service's own ("ocsp-api", "gateway-sign", …).

    Every process takes it up with the epoch. Raises KeyError for an unknown name.
    """
    held = services.hierarchy.held(name)
    record = session.get_one(CertificateRecord, held.x5t_s256)
    profile = profiles.PROFILES[record.profile]
    authority = services.hierarchy.authority(held.issuer)
    [common_name] = held.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    request = CertificateRequest(
        Subject(str(common_name.value), ORGANIZATION), check_public_key(held.certificate.public_key())
    )
    certificate = authority.issue(authority.prepare(profile, request))
    renewed = make_record(certificate, profile.name, held.issuer, services.clock(), renews=record.x5t_s256)
    session.add(renewed)
    session.flush()
    session.get_one(HeldKeyRow, name).x5t_s256 = renewed.x5t_s256
    services.epoch.bump(session)
    body = {"profile": profile.name, "issuer": held.issuer, "serial": renewed.serial, "renews": record.x5t_s256}
    services.journal.append(session, "certificate-issued", subject=renewed.x5t_s256, actor=actor, body=body)
    return renewed


def _issue_own(
    services: Services,
    session: Session,
    authority: IssuingAuthority,
    name: str,
    profile: Profile,
    common_name: str,
    key_type: KeyType,
) -> None:
    key = _key(services, name, key_type)
    request = CertificateRequest(Subject(common_name, ORGANIZATION), key.public_key())
    certificate = authority.issue(authority.prepare(profile, request))
    _keep(services, session, certificate, profile, issuer=authority.name, key_name=name)


def _key(services: Services, name: str, key_type: KeyType) -> PrivateKey:
    """A new key; or the one that an attempt left behind whose transaction was lost. It was certified by nobody."""
    if name in services.keystore.names():
        return services.keystore.load(name)
    return services.keystore.create(name, key_type)


def _keep(
    services: Services,
    session: Session,
    certificate: x509.Certificate,
    profile: Profile,
    *,
    issuer: str,
    key_name: str | None,
) -> None:
    holder = holder_of(profile, certificate.subject.rfc4514_string())
    claim_key(services, session, check_public_key(certificate.public_key()), holder)
    record = make_record(certificate, profile.name, issuer, services.clock())
    session.add(record)
    session.flush()
    if key_name is not None:
        session.add(HeldKeyRow(name=key_name, x5t_s256=record.x5t_s256))
        session.flush()
    body = {"profile": profile.name, "issuer": issuer, "serial": record.serial}
    services.journal.append(session, "certificate-issued", subject=record.x5t_s256, actor="system", body=body)
