"""Checks over the finished bytes of a certificate, before the real key signs it.

Each check is one function that cites its rule and returns a finding, or None. They read the encoded
certificate and not what it was built from, so that a mistake in `pki.assembly` cannot hide behind itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from pki.binding import find_portrait_assurance, get_signature_binding
from pki.errors import InvalidBinding, InvalidIdentifier, LintFailed, UnsupportedAlgorithm, WeakKey
from pki.identifiers import organization_identifier, parse_product_urn
from pki.keys import PublicKey, check_public_key
from pki.profiles import (
    PORTRAIT_ASSURANCE,
    SIGNATURE_BINDING,
    VALIDITY_ASSURED_SHORT_TERM,
    Profile,
    Revocation,
    find_custody,
)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_ByOid = Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate to be, what it claims to be, and who is to sign it (itself, for a root)."""

    certificate: x509.Certificate
    profile: Profile
    issuer: x509.Certificate
    public_key: CertificatePublicKeyTypes
    extensions: _ByOid
    issuer_extensions: _ByOid

    def find(self, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
        return _find(self.extensions, kind)

    @property
    def is_self_issued(self) -> bool:
        return self.certificate.subject == self.certificate.issuer


def verify_lint(certificate: x509.Certificate, profile: Profile, issuer: x509.Certificate) -> None:
    """Raises LintFailed with every finding."""
    key, extensions = certificate.public_key(), _by_oid(certificate.extensions)
    candidate = Candidate(certificate, profile, issuer, key, extensions, _by_oid(issuer.extensions))
    findings = [finding for check in CHECKS if (finding := check(candidate)) is not None]
    if findings:
        raise LintFailed("; ".join(findings))


def check_serial_number(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.2: positive, at most 20 octets; ours have exactly 20."""
    length = candidate.certificate.serial_number.bit_length()
    return None if length == 159 else f"the serial number has {length} bits, not 159"


def check_signature_algorithm(candidate: Candidate) -> str | None:
    """Baseline Requirements §7.1.3.2: SHA-256 or stronger; Ed25519 hashes by itself (RFC 8410 §3)."""
    digest = candidate.certificate.signature_hash_algorithm
    return None if digest is None or digest.digest_size >= 32 else f"signed with {digest.name}"


def check_issuer_name(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.4: not empty; §6.1.3 (a)(4): equal to the subject of the issuer."""
    same = candidate.certificate.issuer == candidate.issuer.subject and len(candidate.issuer.subject) > 0
    return None if same else "the issuer name is not the issuer's subject"


def check_validity(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.5, shell model: within the issuer's validity, and no longer than the profile's."""
    certificate, issuer, profile = candidate.certificate, candidate.issuer, candidate.profile
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start < end:
        return "the validity ends before it begins"
    if start < issuer.not_valid_before_utc or end > issuer.not_valid_after_utc:
        return "the validity exceeds the issuer's"
    longest = profile.validity + profile.backdate + timedelta(seconds=1)
    return None if end - start <= longest else "the validity exceeds the profile's"


def check_subject(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.6: one country, one common name; X.520 §6.3.1: the country has two capital letters."""
    subject = candidate.certificate.subject
    countries = subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    if len(countries) != 1 or not str(countries[0].value).isupper():
        return "the country is missing or not in capitals"
    if len(subject.get_attributes_for_oid(NameOID.COMMON_NAME)) != 1:
        return "there is not one common name"
    stray = any(str(a.value) != str(a.value).strip() or not str(a.value).isprintable() for a in subject)
    return "a name begins or ends with a space or holds control characters" if stray else None


def check_public_key_strength(candidate: Candidate) -> str | None:
    """Baseline Requirements §6.1.5 and §6.1.6: type, size, exponent and curve."""
    try:
        check_public_key(candidate.public_key)
    except WeakKey as exc:
        return str(exc)
    return None


def check_subject_key_identifier(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.2: not critical, the SHA-1 of the key's bits (method 1)."""
    extension = candidate.find(x509.SubjectKeyIdentifier)
    if extension is None or extension.critical:
        return "subject key identifier missing or critical"
    expected = x509.SubjectKeyIdentifier.from_public_key(candidate.public_key)
    return None if extension.value == expected else "subject key identifier of another key"


def check_authority_key_identifier(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.1: not critical, the issuer's subject key identifier."""
    extension = candidate.find(x509.AuthorityKeyIdentifier)
    if extension is None or extension.critical:
        return "authority key identifier missing or critical"
    issuer_key_id = _find(candidate.issuer_extensions, x509.SubjectKeyIdentifier)
    matches = issuer_key_id is not None and extension.value.key_identifier == issuer_key_id.value.digest
    return None if matches else "authority key identifier of another issuer"


def check_basic_constraints(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.9: critical in authorities, with the profile's path length; not in end entities."""
    extension, profile = candidate.find(x509.BasicConstraints), candidate.profile
    if not profile.is_authority:
        return None if extension is None else "basic constraints in an end-entity certificate"
    expected = x509.BasicConstraints(ca=True, path_length=profile.path_length)
    good = extension is not None and extension.critical and extension.value == expected
    return None if good else "basic constraints missing, not critical, or not the profile's"


def check_key_usage(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.3: critical, and the bits of the profile for this kind of key."""
    extension = candidate.find(x509.KeyUsage)
    key = candidate.public_key
    try:
        expected = candidate.profile.key_usage_for(key) if isinstance(key, PublicKey) else None
    except UnsupportedAlgorithm as exc:
        return str(exc)
    good = extension is not None and extension.critical and extension.value == expected
    return None if good else "key usage missing, not critical, or not the profile's"


def check_extended_key_usage(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.12: the profile's one purpose; RFC 3161 §2.3: critical for time stamping."""
    extension, profile = candidate.find(x509.ExtendedKeyUsage), candidate.profile
    if profile.extended_key_usage is None:
        return None if extension is None else "extended key usage that the profile does not have"
    good = (
        extension is not None
        and list(extension.value) == [profile.extended_key_usage]
        and extension.critical == profile.extended_key_usage_critical
    )
    return None if good else "extended key usage is not the profile's"


def check_policies(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.4: not critical, the profile's policy; §6.1.3 (d): one that the issuer may assert."""
    extension = candidate.find(x509.CertificatePolicies)
    policies = {policy.policy_identifier for policy in extension.value} if extension else set()
    own = candidate.profile.policy
    if (extension and extension.critical) or (own and own not in policies):
        return "certificate policies critical, or without the profile's"
    of_issuer = _find(candidate.issuer_extensions, x509.CertificatePolicies)
    if of_issuer is not None:
        asserted = {policy.policy_identifier for policy in of_issuer.value}
        return None if policies <= asserted else "a policy that the issuing authority may not assert"
    return None


def check_custody(candidate: Candidate) -> str | None:
    """Exactly one custody policy in product certificates, none elsewhere: limits depend on it."""
    if candidate.profile.is_authority:
        return None
    has_one = find_custody(candidate.certificate) is not None
    return None if has_one == candidate.profile.needs_custody else "not exactly one custody policy"


def check_alternative_names(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.6: the profile's URI or DNS names, and nothing else."""
    extension, profile = candidate.find(x509.SubjectAlternativeName), candidate.profile
    names = list(extension.value) if extension else []
    if profile.needs_dns_names:
        good = bool(names) and all(isinstance(name, x509.DNSName) for name in names)
    elif profile.uri_prefix:
        good = len(names) == 1 and isinstance(names[0], x509.UniformResourceIdentifier)
        good = good and str(names[0].value).startswith(profile.uri_prefix)
    else:
        good = not names
    return None if good else "alternative names are not the profile's"


def check_product_names_one_enterprise(candidate: Candidate) -> str | None:
    """ETSI EN 319 412-1 §5.1.4: the organizationIdentifier is that of the enterprise in the product URN."""
    if not candidate.profile.needs_custody:
        return None
    extension = candidate.find(x509.SubjectAlternativeName)
    urns = extension.value.get_values_for_type(x509.UniformResourceIdentifier) if extension else []
    try:
        expected = [organization_identifier(parse_product_urn(urn)[0]) for urn in urns]
    except InvalidIdentifier as exc:
        return str(exc)
    attributes = candidate.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    return None if [a.value for a in attributes] == expected else "subject and URN name different enterprises"


def check_crl_distribution_points(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.13: not critical; present exactly where the profile is revoked by CRL; plain http."""
    extension = candidate.find(x509.CRLDistributionPoints)
    listed = candidate.profile.revocation in (Revocation.CRL, Revocation.CRL_AND_OCSP)
    if extension is None or not listed:
        return None if (extension is not None) == listed else "CRL distribution points are not the profile's"
    urls = [str(name.value) for point in extension.value for name in point.full_name or ()]
    good = not extension.critical and bool(urls) and all(url.startswith("http://") for url in urls)
    return None if good else "CRL distribution points critical or not over plain http"


def check_authority_information_access(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.2.1: the issuer's certificate, and the OCSP responder where the profile has one."""
    extension = candidate.find(x509.AuthorityInformationAccess)
    if candidate.is_self_issued:
        return None if extension is None else "authority information access in a root"
    expected = {AuthorityInformationAccessOID.CA_ISSUERS}
    if candidate.profile.revocation is Revocation.CRL_AND_OCSP:
        expected.add(AuthorityInformationAccessOID.OCSP)
    found = {access.access_method for access in extension.value} if extension else set()
    return None if found == expected else "authority information access is not the profile's"


def check_ocsp_no_check(candidate: Candidate) -> str | None:
    """RFC 6960 §4.2.2.2.1: id-pkix-ocsp-nocheck in delegated responders and nowhere else."""
    expected = candidate.profile.revocation is Revocation.NO_CHECK
    return None if (candidate.find(x509.OCSPNoCheck) is not None) == expected else "id-pkix-ocsp-nocheck misplaced"


def check_short_term(candidate: Candidate) -> str | None:
    """ETSI EN 319 412-1 §5.2.2: validity-assured means NULL, not critical, and a life of minutes."""
    found = candidate.extensions.get(VALIDITY_ASSURED_SHORT_TERM)
    if candidate.profile.revocation is not Revocation.SHORT_TERM:
        return "validity-assured extension in a certificate that is not short-term" if found else None
    good = found is not None and not found.critical and found.value.public_bytes() == b"\x05\x00"
    return None if good else "validity-assured extension missing, critical or malformed"


def check_signature_binding(candidate: Candidate) -> str | None:
    """The three digests in signer certificates and nowhere else (`pki.binding`)."""
    present = SIGNATURE_BINDING in candidate.extensions
    if not candidate.profile.needs_binding:
        return "signature binding outside a signer certificate" if present else None
    try:
        get_signature_binding(candidate.certificate)
    except InvalidBinding as exc:
        return str(exc)
    return None


def check_portrait_assurance(candidate: Candidate) -> str | None:
    """A known value, not critical, and in signer certificates alone (`pki.binding`)."""
    found = candidate.extensions.get(PORTRAIT_ASSURANCE)
    if found is None:
        return None
    if found.critical or not candidate.profile.needs_binding:
        return "portrait assurance critical, or outside a signer certificate"
    try:
        find_portrait_assurance(candidate.certificate)
    except InvalidBinding as exc:
        return str(exc)
    return None


def _by_oid(extensions: x509.Extensions) -> _ByOid:
    return {extension.oid: extension for extension in extensions}


def _find(extensions: _ByOid, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
    return cast("x509.Extension[_Extension] | None", extensions.get(kind.oid))


CHECKS: tuple[Callable[[Candidate], str | None], ...] = (
    check_serial_number,
    check_signature_algorithm,
    check_issuer_name,
    check_validity,
    check_subject,
    check_public_key_strength,
    check_subject_key_identifier,
    check_authority_key_identifier,
    check_basic_constraints,
    check_key_usage,
    check_extended_key_usage,
    check_policies,
    check_custody,
    check_alternative_names,
    check_product_names_one_enterprise,
    check_crl_distribution_points,
    check_authority_information_access,
    check_ocsp_no_check,
    check_short_term,
    check_signature_binding,
    check_portrait_assurance,
)
