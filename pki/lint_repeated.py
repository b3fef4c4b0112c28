"""Checks of what an authority repeats in all that it signs for a profile and a kind of key.

`pki.lint` remembers what was found good, so nothing is read here but what `Repeated` holds.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AuthorityInformationAccessOID, ObjectIdentifier

from pki import der
from pki.profiles import (
    CUSTODY_POLICIES,
    PORTRAIT_ASSURANCE,
    SIGNATURE_BINDING,
    VALIDITY_ASSURED_SHORT_TERM,
    Profile,
    Revocation,
)
from pki.tbs import parse_extensions

OWN_EXTENSIONS = frozenset(
    {x509.SubjectKeyIdentifier.oid, x509.SubjectAlternativeName.oid, SIGNATURE_BINDING, PORTRAIT_ASSURANCE}
)
"""What an authority does not repeat; `pki.assembly` puts it behind all that it does."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_ByOid = Mapping[ObjectIdentifier, x509.Extension[x509.ExtensionType]]


class Repeated(NamedTuple):
    """The octets that are the same from certificate to certificate, and the kind of key (`pki.suite.key_kind`)."""

    version: int
    signature: bytes
    issuer: bytes
    key_kind: str
    extensions: bytes
    """The encodings of whole extensions, one after the other."""


@dataclass(frozen=True, slots=True)
class RepeatedPart:
    """The same, decoded by `cryptography`; what it claims to be, and who is to sign it (itself, for a root)."""

    profile: Profile
    issuer: x509.Certificate
    issuer_extensions: _ByOid
    key_kind: str
    issuer_name: x509.Name
    digest: hashes.HashAlgorithm | None
    extensions: _ByOid

    def find(self, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
        return _find(self.extensions, kind)

    @property
    def policies(self) -> set[ObjectIdentifier]:
        extension = self.find(x509.CertificatePolicies)
        return {policy.policy_identifier for policy in extension.value} if extension else set()


def find_in_repeated(
    repeated: Repeated,
    own: Collection[ObjectIdentifier],
    to_be_signed: bytes,
    profile: Profile,
    issuer: x509.Certificate,
) -> list[str]:
    """What breaks the profile or RFC 5280 in `to_be_signed`, apart from the extensions `own`."""
    unsigned = der.sequence(to_be_signed, repeated.signature, der.bit_string(b""))
    try:
        parse_extensions(repeated.extensions)  # they are whole ones
        certificate = x509.load_der_x509_certificate(unsigned)
        decoded, issuer_name = _by_oid(certificate.extensions), certificate.issuer
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
        return [str(exc)]
    part = RepeatedPart(
        profile,
        issuer,
        _by_oid(issuer.extensions),
        repeated.key_kind,
        issuer_name,
        certificate.signature_hash_algorithm,
        {oid: extension for oid, extension in decoded.items() if oid not in own},
    )
    return [finding for check in CHECKS if (finding := check(part)) is not None]


def check_nothing_is_own(part: RepeatedPart) -> str | None:
    """What is different in every certificate does not stand in what is judged once (`pki.lint`)."""
    return "an extension of its own before what repeats" if OWN_EXTENSIONS.intersection(part.extensions) else None


def check_signature_algorithm(part: RepeatedPart) -> str | None:
    """Baseline Requirements §7.1.3.2: SHA-256 or stronger; Ed25519 hashes by itself (RFC 8410 §3)."""
    digest = part.digest
    return None if digest is None or digest.digest_size >= 32 else f"signed with {digest.name}"


def check_issuer_name(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.1.2.4: not empty; §6.1.3 (a)(4): equal to the subject of the issuer."""
    same = part.issuer_name == part.issuer.subject and len(part.issuer.subject) > 0
    return None if same else "the issuer name is not the issuer's subject"


def check_authority_key_identifier(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.1: not critical, the issuer's subject key identifier."""
    extension = part.find(x509.AuthorityKeyIdentifier)
    if extension is None or extension.critical:
        return "authority key identifier missing or critical"
    issuer_key_id = _find(part.issuer_extensions, x509.SubjectKeyIdentifier)
    matches = issuer_key_id is not None and extension.value.key_identifier == issuer_key_id.value.digest
    return None if matches else "authority key identifier of another issuer"


def check_basic_constraints(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.9: critical in authorities, with the profile's path length; not in end entities."""
    extension, profile = part.find(x509.BasicConstraints), part.profile
    if not profile.is_authority:
        return None if extension is None else "basic constraints in an end-entity certificate"
    expected = x509.BasicConstraints(ca=True, path_length=profile.path_length)
    good = extension is not None and extension.critical and extension.value == expected
    return None if good else "basic constraints missing, not critical, or not the profile's"


def check_key_usage(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.3: critical, and the bits of the profile for this kind of key."""
    extension = part.find(x509.KeyUsage)
    expected = part.profile.key_usage_for(part.key_kind)
    good = extension is not None and extension.critical and extension.value == expected
    return None if good else "key usage missing, not critical, or not the profile's"


def check_extended_key_usage(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.12: the profile's one purpose; RFC 3161 §2.3: critical for time stamping."""
    extension, profile = part.find(x509.ExtendedKeyUsage), part.profile
    if profile.extended_key_usage is None:
        return None if extension is None else "extended key usage that the profile does not have"
    good = (
        extension is not None
        and list(extension.value) == [profile.extended_key_usage]
        and extension.critical == profile.extended_key_usage_critical
    )
    return None if good else "extended key usage is not the profile's"


def check_policies(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.4: not critical, the profile's policy; §6.1.3 (d): one that the issuer may assert."""
    extension = part.find(x509.CertificatePolicies)
    own = part.profile.policy
    if (extension and extension.critical) or (own and own not in part.policies):
        return "certificate policies critical, or without the profile's"
    of_issuer = _find(part.issuer_extensions, x509.CertificatePolicies)
    if of_issuer is not None:
        asserted = {policy.policy_identifier for policy in of_issuer.value}
        return None if part.policies <= asserted else "a policy that the issuing authority may not assert"
    return None


def check_custody(part: RepeatedPart) -> str | None:
    """Exactly one custody policy in product certificates, none elsewhere: limits depend on it."""
    if part.profile.is_authority:
        return None
    has_one = len(part.policies.intersection(CUSTODY_POLICIES.values())) == 1
    return None if has_one == part.profile.needs_custody else "not exactly one custody policy"


def check_crl_distribution_points(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.1.13: not critical; present exactly where the profile is revoked by CRL; plain http."""
    extension = part.find(x509.CRLDistributionPoints)
    listed = part.profile.revocation in (Revocation.CRL, Revocation.CRL_AND_OCSP)
    if extension is None or not listed:
        return None if (extension is not None) == listed else "CRL distribution points are not the profile's"
    urls = [str(name.value) for point in extension.value for name in point.full_name or ()]
    good = not extension.critical and bool(urls) and all(url.startswith("http://") for url in urls)
    return None if good else "CRL distribution points critical or not over plain http"


def check_authority_information_access(part: RepeatedPart) -> str | None:
    """RFC 5280 §4.2.2.1: the issuer's certificate, and the OCSP responder where the profile has one."""
    extension = part.find(x509.AuthorityInformationAccess)
    if part.profile.revocation is Revocation.NONE:
        return None if extension is None else "authority information access in a root"
    expected = {AuthorityInformationAccessOID.CA_ISSUERS}
    if part.profile.revocation is Revocation.CRL_AND_OCSP:
        expected.add(AuthorityInformationAccessOID.OCSP)
    found = {access.access_method for access in extension.value} if extension else set()
    return None if found == expected else "authority information access is not the profile's"


def check_ocsp_no_check(part: RepeatedPart) -> str | None:
    """RFC 6960 §4.2.2.2.1: id-pkix-ocsp-nocheck in delegated responders and nowhere else."""
    expected = part.profile.revocation is Revocation.NO_CHECK
    return None if (part.find(x509.OCSPNoCheck) is not None) == expected else "id-pkix-ocsp-nocheck misplaced"


def check_short_term(part: RepeatedPart) -> str | None:
    """ETSI EN 319 412-1 §5.2.2: validity-assured means NULL, not critical, and a life of minutes."""
    found = part.extensions.get(VALIDITY_ASSURED_SHORT_TERM)
    if part.profile.revocation is not Revocation.SHORT_TERM:
        return "validity-assured extension in a certificate that is not short-term" if found else None
    good = found is not None and not found.critical and found.value.public_bytes() == b"\x05\x00"
    return None if good else "validity-assured extension missing, critical or malformed"


def _by_oid(extensions: x509.Extensions) -> _ByOid:
    return {extension.oid: extension for extension in extensions}


def _find(extensions: _ByOid, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
    return cast("x509.Extension[_Extension] | None", extensions.get(kind.oid))


CHECKS: tuple[Callable[[RepeatedPart], str | None], ...] = (
    check_nothing_is_own,
    check_signature_algorithm,
    check_issuer_name,
    check_authority_key_identifier,
    check_basic_constraints,
    check_key_usage,
    check_extended_key_usage,
    check_policies,
    check_custody,
    check_crl_distribution_points,
    check_authority_information_access,
    check_ocsp_no_check,
    check_short_term,
)
