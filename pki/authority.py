"""Authorities: encode a certificate, lint exactly what will be signed, then sign it once."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509

from pki import keys
from pki.assembly import CertificateRequest, Issuer, PublicationUrls, Subject, assemble
from pki.binding import SignatureBinding
from pki.csr import CheckedCsr, parse_csr
from pki.errors import InvalidIdentifier, PreparedTwice, ProfileViolation
from pki.keys import PrivateKey, PublicKey
from pki.lint import Linter
from pki.ports import Clock
from pki.profiles import ISSUING, OCSP, ROOT, IssuingRole, Profile, policies_of_role
from pki.signatures import SignatureAlgorithm, algorithm_of, sign, signed

__all__ = [
    "CertificateRequest",
    "CheckedCsr",
    "IssuingAuthority",
    "PreparedCertificate",
    "PublicationUrls",
    "SignatureBinding",
    "Subject",
    "create_root",
    "generation_of",
    "next_generation",
    "parse_csr",
    "role_of",
    "sign_issuing",
]

ROOT_NAME = "root"
_AUTHORITY_NAME = re.compile(rf"({'|'.join(IssuingRole)})(?:-([2-9]|[1-9][0-9]{{1,3}}))?")


class PreparedCertificate:
    """A certificate that passed every check and waits for its one signature."""

    def __init__(self, profile: Profile, authority: "IssuingAuthority", to_be_signed: bytes):
        self.profile = profile
        self._authority = authority
        self._to_be_signed = [to_be_signed]

    def spend(self, authority: "IssuingAuthority") -> bytes:
        """Hand out the TBSCertificate (DER), once. Raises PreparedTwice."""
        if authority is not self._authority:
            raise PreparedTwice
        try:
            return self._to_be_signed.pop()  # atomic, where threads race for it
        except IndexError as exc:
            raise PreparedTwice from exc


@dataclass(frozen=True, slots=True, eq=False)
class IssuingAuthority:
    """The root or an issuing authority, with its key loaded.

    `name` is "root", or the role ("api", "product", "signer", "service"), from the second generation on with
    its number ("api-2"); it stands in the URLs of what the authority publishes. `chain` holds the
    certificates above this one, the root last; it is empty for the root.
    """

    name: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    urls: PublicationUrls
    clock: Clock
    _issuer: Issuer = field(init=False, repr=False)
    _linter: Linter = field(init=False, repr=False)
    _algorithm: SignatureAlgorithm = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.key.public_key() != self.certificate.public_key():
            raise ProfileViolation(self.name, "the key is not that of the certificate")
        object.__setattr__(self, "_issuer", Issuer(self.name, self.certificate, self.urls))
        object.__setattr__(self, "_linter", Linter(self.certificate))
        object.__setattr__(self, "_algorithm", algorithm_of(self.key))

    def prepare(self, profile: Profile, request: CertificateRequest) -> PreparedCertificate:
        """Check the request, encode the certificate and lint that; the key signs nothing yet.

        Raises ProfileViolation, WeakKey, LintFailed.
        """
        self._check_role(profile)
        keys.check_public_key(request.public_key)
        to_be_signed = assemble(profile, request, self._issuer, self._algorithm, self.clock())
        self._linter.verify(to_be_signed, profile)
        return PreparedCertificate(profile, self, to_be_signed)

    def issue(self, prepared: PreparedCertificate) -> x509.Certificate:
        """Sign what was prepared. Raises PreparedTwice."""
        to_be_signed = prepared.spend(self)
        return _certificate(to_be_signed, self._algorithm, sign(self.key, to_be_signed))

    def _check_role(self, profile: Profile) -> None:
        if self.name == ROOT_NAME:
            allowed = profile in (ISSUING, OCSP)
        else:
            allowed = profile is OCSP or profile.policy in policies_of_role(role_of(self.name))
        if not allowed:
            raise ProfileViolation(profile.name, f"the authority {self.name} does not issue it")


def create_root(subject: Subject, key: PrivateKey, urls: PublicationUrls, clock: Clock) -> IssuingAuthority:
    """A self-signed root. Raises ProfileViolation, WeakKey, LintFailed."""
    public_key = keys.check_public_key(key.public_key())
    request = CertificateRequest(subject, public_key)
    algorithm = algorithm_of(key)
    to_be_signed = assemble(ROOT, request, None, algorithm, clock())
    unsigned = _certificate(to_be_signed, algorithm, b"")
    Linter(unsigned).verify(to_be_signed, ROOT)
    certificate = _certificate(to_be_signed, algorithm, sign(key, to_be_signed))
    return IssuingAuthority(ROOT_NAME, certificate, (), key, urls, clock)


def sign_issuing(root: IssuingAuthority, name: str, subject: Subject, public_key: PublicKey) -> x509.Certificate:
    """A certificate for the issuing authority `name` over its public key.

    Raises InvalidIdentifier, ProfileViolation, WeakKey, LintFailed.
    """
    request = CertificateRequest(subject, public_key, policies=policies_of_role(role_of(name)))
    return root.issue(root.prepare(ISSUING, request))


def role_of(name: str) -> IssuingRole:
    """The role in an issuing authority's name: `api` and `api-2` are both API. Raises InvalidIdentifier."""
    return _parse_name(name)[0]


def generation_of(name: str) -> int:
    """1 for `api`, 2 for `api-2`. Raises InvalidIdentifier."""
    return _parse_name(name)[1]


def next_generation(role: IssuingRole, names: Iterable[str]) -> str:
    """The name for the authority that takes over from those among `names` with this role. Raises InvalidIdentifier.

    A roll-over: sign the new authority, publish its certificate, let it issue; the older ones stay trusted, go on
    with their CRLs and OCSP until what they issued has expired, and issue nothing more.
    """
    latest = max((generation_of(name) for name in names if role_of(name) is role), default=0)
    return f"{role}-{latest + 1}" if latest else role.value


@lru_cache(maxsize=64)
def _parse_name(name: str) -> tuple[IssuingRole, int]:
    match = _AUTHORITY_NAME.fullmatch(name)
    if match is None:
        raise InvalidIdentifier("issuing authority", name)
    return IssuingRole(match[1]), int(match[2] or 1)


def _certificate(to_be_signed: bytes, algorithm: SignatureAlgorithm, signature: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(signed(to_be_signed, algorithm, signature))
