"""Authorities: prepare a certificate, lint a twin of it, then sign it once."""

from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pki import keys
from pki.assembly import CertificateRequest, Issuer, PublicationUrls, Subject, assemble
from pki.binding import SignatureBinding
from pki.csr import CheckedCsr, parse_csr
from pki.errors import InvalidIdentifier, LintFailed, PreparedTwice, ProfileViolation
from pki.keys import KeyType, PrivateKey, PublicKey
from pki.lint import verify_lint
from pki.ports import Clock
from pki.profiles import ISSUING, OCSP, ROOT, IssuingRole, Profile, policies_of_role
from pki.suite import key_kind

__all__ = [
    "CertificateRequest",
    "CheckedCsr",
    "IssuingAuthority",
    "PreparedCertificate",
    "PublicationUrls",
    "SignatureBinding",
    "Subject",
    "create_root",
    "parse_csr",
    "role_of",
    "sign_issuing",
    "signature_digest",
]

ROOT_NAME = "root"


class PreparedCertificate:
    """A certificate that passed every check and waits for its one signature."""

    def __init__(
        self,
        profile: Profile,
        authority: "IssuingAuthority",
        builder: x509.CertificateBuilder,
        twin: x509.Certificate,
    ) -> None:
        self.profile = profile
        self.twin = twin
        """The same certificate signed by a throw-away key: good for reading, worth nothing."""
        self._authority = authority
        self._builders = [builder]

    @property
    def serial_number(self) -> int:
        """The serial number that the certificate will have."""
        return self.twin.serial_number

    def spend(self, authority: "IssuingAuthority") -> x509.CertificateBuilder:
        """Hand out what is to be signed, once. Raises PreparedTwice."""
        if authority is not self._authority:
            raise PreparedTwice
        try:
            return self._builders.pop()  # atomic, where threads race for it
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

    def __post_init__(self) -> None:
        if self.key.public_key() != self.certificate.public_key():
            raise ProfileViolation(self.name, "the key is not that of the certificate")

    def prepare(self, profile: Profile, request: CertificateRequest) -> PreparedCertificate:
        """Check the request and lint a twin signed by a throw-away key; the real key signs nothing yet.

        Raises ProfileViolation, WeakKey, LintFailed.
        """
        self._check_role(profile)
        keys.check_public_key(request.public_key)
        builder = assemble(profile, request, self._issuer(), self.clock())
        twin = _sign_twin(builder, self.key)
        verify_lint(twin, profile, self.certificate)
        return PreparedCertificate(profile, self, builder, twin)

    def issue(self, prepared: PreparedCertificate) -> x509.Certificate:
        """Sign what was prepared. Raises PreparedTwice."""
        certificate = prepared.spend(self).sign(self.key, signature_digest(self.key))
        _verify_twins(certificate, prepared.twin)
        return certificate

    def _issuer(self) -> Issuer:
        return Issuer(self.name, self.certificate, self.urls)

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
    builder = assemble(ROOT, CertificateRequest(subject, public_key), None, clock())
    twin = _sign_twin(builder, key)
    verify_lint(twin, ROOT, twin)
    certificate = builder.sign(key, signature_digest(key))
    _verify_twins(certificate, twin)
    return IssuingAuthority(ROOT_NAME, certificate, (), key, urls, clock)


def sign_issuing(root: IssuingAuthority, name: str, subject: Subject, public_key: PublicKey) -> x509.Certificate:
    """A certificate for the issuing authority `name` over its public key.

    Raises InvalidIdentifier, ProfileViolation, WeakKey, LintFailed.
    """
    request = CertificateRequest(subject, public_key, policies=policies_of_role(role_of(name)))
    return root.issue(root.prepare(ISSUING, request))


def role_of(name: str) -> IssuingRole:
    """The role in an issuing authority's name: `api` and `api-2` are both API. Raises InvalidIdentifier."""
    role, _, generation = name.partition("-")
    if role not in set(IssuingRole) or not ((generation.isascii() and generation.isdecimal()) or name == role):
        raise InvalidIdentifier("issuing authority", name)
    return IssuingRole(role)


def signature_digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The digest with which a key of ours signs certificates, CRLs and OCSP answers; None for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    is_p384 = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size == 384
    return hashes.SHA384() if is_p384 else hashes.SHA256()


def _sign_twin(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    throw_away = _throw_away_key(key_kind(key))
    return builder.sign(throw_away, signature_digest(throw_away))


@cache
def _throw_away_key(kind: str) -> PrivateKey:
    """Of the kind of the real key, so that algorithm identifiers and all other signed bytes are equal."""
    types = {"P-256": KeyType.EC_P256, "P-384": KeyType.EC_P384, "Ed25519": KeyType.ED25519}
    return keys.generate(types.get(kind, KeyType.RSA_2048))


def _verify_twins(certificate: x509.Certificate, twin: x509.Certificate) -> None:
    """What was signed is, byte for byte, what was linted."""
    if certificate.tbs_certificate_bytes != twin.tbs_certificate_bytes:
        raise LintFailed("the signed certificate is not the one that was checked")
