"""The certificate authority of this installation: founded once, then loaded with its keys into every process.

Certificates lie in the `certificates` table like all others; the names of the service's own keys in its key store are
kept in `held_keys`. The root's key has a store and a passphrase of its own, which the doors never open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CrlNumber, HeldKeyRow, PublishedCrl, RevocationEpoch
from app.certificates.records import make_record, x5t_s256
from app.problems import Unavailable
from pki import profiles
from pki.authority import (
    CertificateRequest,
    IssuingAuthority,
    PublicationUrls,
    Subject,
    create_root,
    sign_issuing,
)
from pki.keys import KeyType, PrivateKey
from pki.keystores import SealedKeyStore
from pki.path import TrustPolicy
from pki.revocation import OcspResponder, build_crl
from pki.timestamp import TimestampAuthority

if TYPE_CHECKING:
    from app.wiring import Services

ORGANIZATION = "Yunlian Bank"
ISSUING_NAMES = ("api", "product", "signer", "service")
ROOT_KEY = "root"
ROOT_CRL_LIFETIME = timedelta(days=365)

# What the bank itself holds, all issued by the authority "service": name, profile, common name, key.
_OWN = (
    ("gateway-sign", profiles.GATEWAY_SIGN, "Yunlian Gateway (signing)", KeyType.EC_P256),
    ("gateway-encrypt", profiles.GATEWAY_ENCRYPT, "Yunlian Gateway (encryption)", KeyType.EC_P256),
    ("seal", profiles.SEAL, "Yunlian Bank Contract Seal", KeyType.EC_P256),
    ("log", profiles.LOG, "Yunlian Journal", KeyType.ED25519),
    ("tsa", profiles.TSA, "Yunlian Time-Stamp Authority", KeyType.EC_P256),
)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A certificate of the service's own, with its loaded key; `chain` goes from the issuer up to the root."""

    name: str
    issuer: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    @property
    def x5t_s256(self) -> str:
        """Base64url SHA-256 of the certificate."""
        return x5t_s256(self.certificate)


class EmbeddedTimestamps:
    """`contracts.ports.TimestampSource` over the embedded authority."""

    def __init__(self, authority: TimestampAuthority) -> None:
        self._authority = authority

    def timestamp(self, digest_sha256: bytes) -> bytes:
        """A token over a SHA-256 digest."""
        return self._authority.token(digest_sha256, "sha256")


class Hierarchy:
    """Root certificate, issuing authorities with their keys, and the bank's own certificates."""

    def __init__(self, services: Services, root: x509.Certificate, held: dict[str, HeldKey]) -> None:
        self._services = services
        self.root = root
        self._held = held
        self._urls = PublicationUrls(services.settings.pki_url)

    # --- founding ---

    @staticmethod
    def exists(services: Services) -> bool:
        """Whether an authority was founded in this database."""
        with services.reading() as session:
            return session.scalars(select(HeldKeyRow).limit(1)).first() is not None

    @classmethod
    def found(cls, services: Services) -> None:
        """Create root, issuing authorities, OCSP responders and the bank's own certificates, all or none."""
        settings = services.settings
        if settings.root_passphrase is None:
            raise Unavailable("founding the authority needs YUNLIAN_ROOT_PASSPHRASE")
        urls = PublicationUrls(settings.pki_url)
        root_store = SealedKeyStore(settings.var / "keys" / "root", settings.root_passphrase)
        with services.transaction() as session:
            founding = _Founding(services, session, urls)
            root = create_root(
                Subject("Yunlian Root CA", ORGANIZATION),
                root_store.create(ROOT_KEY, KeyType.EC_P384),
                urls,
                services.clock,
            )
            founding.keep(root.certificate, profiles.ROOT, issuer="root", key_name=None)
            founding.publish_root_crl(root)
            for name in ISSUING_NAMES:
                founding.add_issuing(root, name)
            for name, profile, common_name, key_type in _OWN:
                founding.add_own(name, profile, common_name, key_type)
            session.add(RevocationEpoch(id=1, number=1))
            services.journal.append(
                session,
                "authority-founded",
                subject=x5t_s256(root.certificate),
                actor="system",
                body={"certificates": founding.count},
            )

    # --- loading ---

    @classmethod
    def load(cls, services: Services) -> Hierarchy:
        """Read certificates and open the service's keys. Raises Unavailable before the authority was founded."""
        with services.reading() as session:
            rows = session.execute(
                select(HeldKeyRow, CertificateRecord).join(
                    CertificateRecord, CertificateRecord.x5t_s256 == HeldKeyRow.x5t_s256
                )
            ).all()
            root_der = session.scalars(select(CertificateRecord.der).where(CertificateRecord.profile == "root")).first()
        if root_der is None:
            raise Unavailable("the certificate authority was not founded yet: flask init")
        root = x509.load_der_x509_certificate(root_der)
        certificates = {row.name: x509.load_der_x509_certificate(record.der) for row, record in rows}
        issuers = {row.name: record.issuer for row, record in rows}
        held = {}
        for name, certificate in certificates.items():
            above = () if issuers[name] == "root" else (certificates[f"issuing-{issuers[name]}"],)
            held[name] = HeldKey(name, issuers[name], certificate, (*above, root), services.keystore.load(name))
        return cls(services, root, held)

    def authority(self, name: str) -> IssuingAuthority:
        """The issuing authority "api", "product", "signer" or "service"."""
        return self._authorities[name]

    @property
    def authorities(self) -> tuple[IssuingAuthority, ...]:
        """All issuing authorities."""
        return tuple(self._authorities.values())

    def held(self, name: str) -> HeldKey:
        """One of the service's own keys by its name."""
        return self._held[name]

    @property
    def gateway_sign(self) -> HeldKey:
        """Signs answers and access tokens."""
        return self._held["gateway-sign"]

    @property
    def gateway_encrypt(self) -> HeldKey:
        """Receives encrypted content."""
        return self._held["gateway-encrypt"]

    @property
    def seal(self) -> HeldKey:
        """The bank's contract seal."""
        return self._held["seal"]

    @property
    def log(self) -> HeldKey:
        """Signs the journal's heads."""
        return self._held["log"]

    @property
    def root_der(self) -> bytes:
        """The root certificate in DER."""
        return self.root.public_bytes(Encoding.DER)

    @property
    def tsa_certificate(self) -> x509.Certificate:
        """The embedded time-stamp authority's certificate."""
        return self._held["tsa"].certificate

    @cached_property
    def tsa(self) -> TimestampAuthority:
        """The embedded RFC 3161 authority."""
        held = self._held["tsa"]
        return TimestampAuthority(held.certificate, held.chain, held.key, self._services.clock)

    @cached_property
    def timestamps(self) -> EmbeddedTimestamps:
        """The embedded authority as a `TimestampSource` for documents."""
        return EmbeddedTimestamps(self.tsa)

    @cached_property
    def responders(self) -> tuple[OcspResponder, ...]:
        """The delegated OCSP responder of every issuing authority."""
        return tuple(
            OcspResponder(name, self._held[f"issuing-{name}"].certificate, held.certificate, held.key)
            for name in ISSUING_NAMES
            for held in [self._held[f"ocsp-{name}"]]
        )

    @cached_property
    def trust(self) -> TrustPolicy:
        """The root as anchor, the issuing authorities as intermediates."""
        return TrustPolicy((self.root,), tuple(authority.certificate for authority in self.authorities))

    @cached_property
    def _authorities(self) -> dict[str, IssuingAuthority]:
        return {
            name: IssuingAuthority(name, held.certificate, (self.root,), held.key, self._urls, self._services.clock)
            for name in ISSUING_NAMES
            for held in [self._held[f"issuing-{name}"]]
        }


class _Founding:
    def __init__(self, services: Services, session: Session, urls: PublicationUrls) -> None:
        self._services = services
        self._session = session
        self._urls = urls
        self._authorities: dict[str, IssuingAuthority] = {}
        self.count = 0

    def keep(
        self, certificate: x509.Certificate, profile: profiles.Profile, *, issuer: str, key_name: str | None
    ) -> None:
        record = make_record(certificate, profile.name, issuer, self._services.clock())
        self._session.add(record)
        self._session.flush()
        if key_name is not None:
            self._session.add(HeldKeyRow(name=key_name, x5t_s256=record.x5t_s256))
        self.count += 1

    def publish_root_crl(self, root: IssuingAuthority) -> None:
        """The root signs a CRL while its key is open; the doors serve it as it is until the next one."""
        now = self._services.clock()
        der = build_crl(root, [], 1, now, now + ROOT_CRL_LIFETIME)
        self._session.add(CrlNumber(issuer=root.name, number=1))
        self._session.add(
            PublishedCrl(issuer=root.name, epoch=0, der=der, this_update=now, next_update=now + ROOT_CRL_LIFETIME)
        )

    def add_issuing(self, root: IssuingAuthority, name: str) -> None:
        key = self._services.keystore.create(f"issuing-{name}", KeyType.EC_P256)
        subject = Subject(f"Yunlian {name.upper() if name == 'api' else name.title()} CA", ORGANIZATION)
        certificate = sign_issuing(root, name, subject, key.public_key())
        self.keep(certificate, profiles.ISSUING, issuer="root", key_name=f"issuing-{name}")
        authority = IssuingAuthority(name, certificate, (root.certificate,), key, self._urls, self._services.clock)
        self._authorities[name] = authority
        self._session.add(CrlNumber(issuer=name, number=0))
        self._issue(authority, f"ocsp-{name}", profiles.OCSP, f"Yunlian {name} OCSP responder", KeyType.EC_P256)

    def add_own(self, name: str, profile: profiles.Profile, common_name: str, key_type: KeyType) -> None:
        self._issue(self._authorities["service"], name, profile, common_name, key_type)

    def _issue(
        self,
        authority: IssuingAuthority,
        name: str,
        profile: profiles.Profile,
        common_name: str,
        key_type: KeyType,
    ) -> None:
        key = self._services.keystore.create(name, key_type)
        request = CertificateRequest(Subject(common_name, ORGANIZATION), key.public_key())
        certificate = authority.issue(authority.prepare(profile, request))
        self.keep(certificate, profile, issuer=authority.name, key_name=name)
