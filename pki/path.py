"""Path validation at an explicit time (RFC 5280 §6), narrowed to what this hierarchy needs, and so fast.

Chains of other hierarchies, with name constraints, policy mappings and CRLs of any shape, go through `pki.foreign`.

Intermediates come from our own trust policy and never from the peer: a hostile chain has nothing to explore.
A chain of good signatures is found first and judged afterwards; therefore "expired" is only ever said of a
certificate that a trusted issuer did sign, and "untrusted" only where no such chain exists.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID, ObjectIdentifier

from pki.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    PathInvalid,
    PathTooComplex,
    RevocationUnknown,
    UntrustedIssuer,
    WeakKey,
    WrongPurpose,
)
from pki.keys import check_public_key
from pki.profiles import PROFILES, VALIDITY_ASSURED_SHORT_TERM, Profile
from pki.revocation import RevocationState
from pki.suite import key_kind

MAXIMUM_LENGTH = 4  # certificates, leaf and anchor included
MAXIMUM_SIGNATURE_CHECKS = 16

_PROCESSED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_ANY_POLICY = ObjectIdentifier("2.5.29.32.0")

RevocationLookup = Callable[[x509.Certificate], RevocationState | None]
"""Says what is known of a certificate; None: nobody can say, and the path is refused."""


class Purpose(StrEnum):
    """What a leaf is to be used for: the name of the profile that it must have."""

    API = "api"
    PRODUCT_SIGN = "product-sign"
    PRODUCT_ENCRYPT = "product-encrypt"
    SIGNER = "signer"
    SEAL = "seal"
    LOG = "log"
    OCSP = "ocsp"
    TSA = "tsa"
    GATEWAY_SIGN = "gateway-sign"
    GATEWAY_ENCRYPT = "gateway-encrypt"
    TLS_SERVER = "tls-server"


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Trust anchors and the intermediates that may stand below them."""

    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    _by_subject: dict[x509.Name, list[x509.Certificate]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for certificate in (*self.anchors, *self.intermediates):
            self._by_subject.setdefault(certificate.subject, []).append(certificate)

    def issuers_named(self, name: x509.Name) -> list[x509.Certificate]:
        """Every certificate of that subject, anchors first."""
        return self._by_subject.get(name, [])


@dataclass(frozen=True, slots=True)
class ValidatedPath:
    """The proven chain, from the leaf to the trust anchor, and what it was proven for."""

    chain: tuple[x509.Certificate, ...]
    at: datetime
    purpose: Purpose

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def anchor(self) -> x509.Certificate:
        return self.chain[-1]


def validate_path(
    leaf: x509.Certificate,
    trust: TrustPolicy,
    at: datetime,
    *,
    purpose: Purpose,
    revocation: RevocationLookup | None = None,
) -> ValidatedPath:
    """Validate `leaf` for `purpose` as of `at` (aware UTC).

    Raises UntrustedIssuer, PathTooComplex, CertificateExpired, CertificateNotYetValid, WrongPurpose,
    CertificateRevoked or RevocationUnknown, all PathInvalid. `revocation` None: it is checked elsewhere. Of
    several chains (a roll-over, a cross-certificate) one good one suffices; else the first error counts.
    """
    failure: PathInvalid | None = None
    for chain in _signed_chains(leaf, trust):
        try:
            _check_chain(chain, at, PROFILES[purpose], revocation)
        except PathInvalid as exc:
            failure = failure or exc
        else:
            return ValidatedPath(chain, at, purpose)
    raise failure or UntrustedIssuer(_name(leaf))


def _signed_chains(leaf: x509.Certificate, trust: TrustPolicy) -> Iterator[tuple[x509.Certificate, ...]]:
    """Every chain of valid signatures from leaf to anchor, within fixed bounds. Raises PathTooComplex."""
    budget = MAXIMUM_SIGNATURE_CHECKS
    anchors = set(trust.anchors)
    pending: list[tuple[x509.Certificate, ...]] = [(leaf,)]
    while pending:
        chain = pending.pop()
        for issuer in reversed(_candidates(chain[-1], trust)):
            if issuer in chain or len(chain) == MAXIMUM_LENGTH:
                continue
            if not budget:
                raise PathTooComplex(_name(leaf))
            budget -= 1
            if not _is_signed_by(chain[-1], issuer):
                continue
            pending.append((*chain, issuer))
        if chain[-1] in anchors and len(chain) > 1:
            yield chain


def _candidates(certificate: x509.Certificate, trust: TrustPolicy) -> list[x509.Certificate]:
    try:
        return trust.issuers_named(certificate.issuer)
    except (ValueError, TypeError):  # names are parsed when first read, and this one is malformed
        return []


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check_chain(
    chain: tuple[x509.Certificate, ...], at: datetime, profile: Profile, revocation: RevocationLookup | None
) -> None:
    # 1. Every certificate is valid at that time, the anchor too.
    for certificate in chain:
        _check_time(certificate, at)
    # 2. Every issuer may issue, this deep.
    for depth, issuer in enumerate(chain[1:]):
        _check_issuer(issuer, depth)
    # 3. The leaf is for this purpose, and its issuers may assert its policies.
    _check_purpose(chain[0], profile)
    _check_policies(chain, profile)
    # 4. Nothing in it is revoked. Anchors are not revoked but removed.
    if revocation is not None:
        for certificate in chain[:-1]:
            _check_revocation(certificate, at, revocation)


def _check_time(certificate: x509.Certificate, at: datetime) -> None:
    if at < certificate.not_valid_before_utc:
        raise CertificateNotYetValid(_name(certificate), certificate.not_valid_before_utc.isoformat())
    if at > certificate.not_valid_after_utc:
        raise CertificateExpired(_name(certificate), certificate.not_valid_after_utc.isoformat())


def _check_issuer(issuer: x509.Certificate, intermediates_below: int) -> None:
    """RFC 5280 §6.1.4 (k), (l), (m), (n), (o)."""
    extensions = _parsed(issuer)
    constraints, usage = _find(extensions, x509.BasicConstraints), _find(extensions, x509.KeyUsage)
    if constraints is None or not constraints.ca:
        raise WrongPurpose(_name(issuer), "it is no authority")
    if constraints.path_length is not None and intermediates_below > constraints.path_length:
        raise WrongPurpose(_name(issuer), "its path length does not allow so many authorities below it")
    if usage is None or not usage.key_cert_sign:
        raise WrongPurpose(_name(issuer), "its key usage does not let it sign certificates")


def _check_purpose(leaf: x509.Certificate, profile: Profile) -> None:
    extensions = _parsed(leaf)
    constraints = _find(extensions, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise WrongPurpose(_name(leaf), "it is an authority")
    try:
        expected_usage = profile.key_usage_for(key_kind(check_public_key(leaf.public_key())))
    except (WeakKey, ValueError, UnsupportedAlgorithm) as exc:
        raise WrongPurpose(_name(leaf), "its key is too weak or of an unknown type") from exc
    if expected_usage is None or _find(extensions, x509.KeyUsage) != expected_usage:
        raise WrongPurpose(_name(leaf), f"its key usage is not that of {profile.name}")
    usages = _find(extensions, x509.ExtendedKeyUsage)
    if (list(usages) if usages else []) != ([profile.extended_key_usage] if profile.extended_key_usage else []):
        raise WrongPurpose(_name(leaf), f"its extended key usage is not that of {profile.name}")
    if profile.policy is not None and profile.policy not in _policies(extensions):
        raise WrongPurpose(_name(leaf), f"it does not assert the policy of {profile.name}")


def _check_policies(chain: tuple[x509.Certificate, ...], profile: Profile) -> None:
    """RFC 5280 §6.1.3 (d), without mappings: every intermediate asserts the policy, or any policy."""
    if profile.policy is None:
        return
    for issuer in chain[1:-1]:
        asserted = _policies(_parsed(issuer))
        if profile.policy not in asserted and _ANY_POLICY not in asserted:
            raise WrongPurpose(_name(issuer), f"it may not assert the policy of {profile.name}")


def _check_revocation(certificate: x509.Certificate, at: datetime, lookup: RevocationLookup) -> None:
    extensions = _parsed(certificate)
    short_term = any(extension.oid == VALIDITY_ASSURED_SHORT_TERM for extension in extensions)
    if short_term or _find(extensions, x509.OCSPNoCheck) is not None:
        return  # ETSI EN 319 412-1 §5.2.2, RFC 6960 §4.2.2.2.1: these are never looked up
    state = lookup(certificate)
    if state is None:
        raise RevocationUnknown(_name(certificate))
    if state.revoked_at is not None and state.revoked_at <= at:
        raise CertificateRevoked(_name(certificate), state.revoked_at.isoformat(), state.reason.value)


def _parsed(certificate: x509.Certificate) -> x509.Extensions:
    """The extensions, none of them critical and unknown to us (RFC 5280 §4.2). Raises WrongPurpose."""
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        raise WrongPurpose(_name(certificate), "its extensions are malformed") from exc
    if any(extension.critical and extension.oid not in _PROCESSED for extension in extensions):
        raise WrongPurpose(_name(certificate), "it has a critical extension that is not processed here")
    return extensions


def _find(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _policies(extensions: x509.Extensions) -> frozenset[ObjectIdentifier]:
    policies = _find(extensions, x509.CertificatePolicies)
    return frozenset(policy.policy_identifier for policy in policies or ())


def _name(certificate: x509.Certificate) -> str:
    return f"certificate {certificate.serial_number:x}"
