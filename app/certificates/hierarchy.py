"""The certificate authority of this installation, loaded with its keys into every process.

Certificates lie in the `certificates` table like all others; which of the service's own keys belongs to which is in
`held_keys`. An issuing authority may have several generations ("api", "api-2"): the newest issues, all that are not
revoked are trusted, and each goes on answering for what it issued. A roll-over reaches running processes by the epoch.
The root's key has a store and a passphrase of its own, which the doors never open; see `founding` and `root`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.certificates.models import CertificateRecord, CertificateState, HeldKeyRow
from app.certificates.records import x5t_s256
from app.problems import Unavailable
from pki.authority import IssuingAuthority, PublicationUrls, role_of
from pki.keys import PrivateKey
from pki.path import TrustPolicy
from pki.ports import Clock
from pki.profiles import IssuingRole
from pki.revocation import OcspResponder
from pki.timestamp import TimestampAuthority

if TYPE_CHECKING:
    from app.wiring import Services

ORGANIZATION = "Yunlian Bank"


@dataclass(frozen=True)
class HeldKey:
    """A certificate of the service's own, with its loaded key; `chain` goes from the issuer up to the root."""

    name: str
    issuer: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey

    @cached_property
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


@dataclass(frozen=True)
class _Loaded:
    """What `held_keys` said at one epoch."""

    root: x509.Certificate
    held: Mapping[str, HeldKey]
    authorities: Mapping[str, IssuingAuthority]
    revoked: frozenset[str]
    clock: Clock

    @cached_property
    def tsa(self) -> TimestampAuthority:
        held = self.held["tsa"]
        return TimestampAuthority(held.certificate, held.chain, held.key, self.clock)

    @cached_property
    def trust(self) -> TrustPolicy:
        trusted = [a.certificate for name, a in self.authorities.items() if name not in self.revoked]
        return TrustPolicy((self.root,), tuple(trusted))

    @cached_property
    def responders(self) -> tuple[OcspResponder, ...]:
        return tuple(
            OcspResponder(name, authority.certificate, held.certificate, held.key)
            for name, authority in self.authorities.items()
            for held in [self.held[f"ocsp-{name}"]]
        )


class Hierarchy:
    """Root certificate, issuing authorities with their keys, and the bank's own certificates."""

    def __init__(self, services: Services) -> None:
        """Open the service's keys. Raises Unavailable before the authority was founded."""
        self._services = services
        self._epoch = services.epoch.current()
        self._known, self._loaded = _load(services)

    @staticmethod
    def exists(services: Services) -> bool:
        """Whether an authority was founded in this database."""
        with services.reading() as session:
            return session.scalars(select(HeldKeyRow).limit(1)).first() is not None

    @staticmethod
    def found(services: Services) -> None:
        """Create root, issuing authorities, OCSP responders and the bank's own certificates, all or none."""
        from app.certificates.founding import found  # noqa: PLC0415 - founding needs what this module defines

        found(services)

    @classmethod
    def load(cls, services: Services) -> Hierarchy:
        """As the constructor."""
        return cls(services)

    # --- authorities ---

    @property
    def root(self) -> x509.Certificate:
        """The trust anchor."""
        return self._loaded.root

    @property
    def root_der(self) -> bytes:
        """The root certificate in DER."""
        return self.root.public_bytes(Encoding.DER)

    def authority(self, name: str) -> IssuingAuthority:
        """An issuing authority by its name: "api", "product", "signer", "service", later "api-2". Raises KeyError."""
        return self._current().authorities[name]

    def find_authority(self, name: str) -> IssuingAuthority | None:
        """As `authority`; None for a name that no authority bears."""
        return self._current().authorities.get(name)

    def newest(self, role: IssuingRole) -> IssuingAuthority:
        """The generation that issues at present. Raises Unavailable where all are revoked."""
        current = self._current()
        standing = [name for name in current.authorities if role_of(name) is role and name not in current.revoked]
        if not standing:
            raise Unavailable(f"no issuing authority stands for {role}")
        return current.authorities[max(standing, key=generation_of)]

    @property
    def authorities(self) -> tuple[IssuingAuthority, ...]:
        """All issuing authorities, every generation."""
        return tuple(self._current().authorities.values())

    @property
    def trust(self) -> TrustPolicy:
        """The root as anchor, the issuing authorities that are not revoked as intermediates."""
        return self._current().trust

    @property
    def responders(self) -> tuple[OcspResponder, ...]:
        """The delegated OCSP responder of every issuing authority."""
        return self._current().responders

    # --- the bank's own keys ---

    def held(self, name: str) -> HeldKey:
        """One of the service's own keys by its name."""
        return self._current().held[name]

    @property
    def held_names(self) -> tuple[str, ...]:
        """The names of all of them, sorted."""
        return tuple(sorted(self._current().held))

    @property
    def gateway_sign(self) -> HeldKey:
        """Signs answers and access tokens."""
        return self._current().held["gateway-sign"]

    @property
    def gateway_encrypt(self) -> HeldKey:
        """Receives encrypted content."""
        return self._current().held["gateway-encrypt"]

    @property
    def seal(self) -> HeldKey:
        """The bank's contract seal."""
        return self._current().held["seal"]

    @property
    def log(self) -> HeldKey:
        """Signs the journal's heads."""
        return self._current().held["log"]

    @property
    def tsa_certificate(self) -> x509.Certificate:
        """The embedded time-stamp authority's certificate."""
        return self._current().held["tsa"].certificate

    @property
    def tsa(self) -> TimestampAuthority:
        """The embedded RFC 3161 authority."""
        return self._current().tsa

    @property
    def timestamps(self) -> EmbeddedTimestamps:
        """The embedded authority as a `TimestampSource` for documents."""
        return EmbeddedTimestamps(self.tsa)

    def _current(self) -> _Loaded:
        """What is loaded, after a look whether the epoch brought other authorities."""
        epoch = self._services.epoch.current()
        if epoch != self._epoch:
            with self._services.reading() as session:
                known = _known(session)
            if known != self._known:
                self._known, self._loaded = _load(self._services)
            self._epoch = epoch
        return self._loaded


def generation_of(name: str) -> int:
    """1 for "api", 2 for "api-2"."""
    _, _, number = name.partition("-")
    return int(number or 1)


def make_authority(
    services: Services, name: str, certificate: x509.Certificate, root: x509.Certificate, key: PrivateKey
) -> IssuingAuthority:
    """An issuing authority below the root, which publishes where the settings say."""
    return IssuingAuthority(name, certificate, (root,), key, PublicationUrls(services.settings.pki_url), services.clock)


def _known(session: Session) -> frozenset[tuple[str, str, str]]:
    rows = session.execute(
        select(HeldKeyRow.name, HeldKeyRow.x5t_s256, CertificateRecord.state).join(
            CertificateRecord, CertificateRecord.x5t_s256 == HeldKeyRow.x5t_s256
        )
    )
    return frozenset((name, x5t, str(state)) for name, x5t, state in rows)


def _load(services: Services) -> tuple[frozenset[tuple[str, str, str]], _Loaded]:
    with services.reading() as session:
        known = _known(session)
        rows = session.execute(
            select(HeldKeyRow.name, CertificateRecord).join(
                CertificateRecord, CertificateRecord.x5t_s256 == HeldKeyRow.x5t_s256
            )
        ).all()
        root_der = session.scalars(select(CertificateRecord.der).where(CertificateRecord.profile == "root")).first()
    if root_der is None:
        raise Unavailable("the certificate authority was not founded yet: flask init")
    root = x509.load_der_x509_certificate(root_der)
    records: dict[str, CertificateRecord] = {row.name: row.CertificateRecord for row in rows}
    certificates = {name: x509.load_der_x509_certificate(record.der) for name, record in records.items()}
    held = {}
    for name, record in records.items():
        above = () if record.issuer == "root" else (certificates[f"issuing-{record.issuer}"],)
        held[name] = HeldKey(name, record.issuer, certificates[name], (*above, root), services.keystore.load(name))
    issuing = {name.removeprefix("issuing-"): key for name, key in held.items() if name.startswith("issuing-")}
    order = list(IssuingRole)
    names = sorted(issuing, key=lambda name: (order.index(role_of(name)), generation_of(name)))
    authorities = {
        name: make_authority(services, name, issuing[name].certificate, root, issuing[name].key) for name in names
    }
    revoked = frozenset(n for n in names if records[f"issuing-{n}"].state == CertificateState.REVOKED)
    return known, _Loaded(root, held, authorities, revoked, services.clock)
