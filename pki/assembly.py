"""From a profile and a request to the fields of a certificate. Signs nothing."""

from dataclasses import dataclass
from datetime import datetime
from secrets import randbits

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier

from pki.binding import SignatureBinding
from pki.errors import ProfileViolation
from pki.keys import PublicKey
from pki.profiles import (
    CUSTODY_POLICIES,
    ISSUING,
    VALIDITY_ASSURED_SHORT_TERM,
    Custody,
    Profile,
    Revocation,
)

_DER_NULL = b"\x05\x00"


@dataclass(frozen=True, slots=True)
class PublicationUrls:
    """Where relying parties find what authorities publish: plain http, because it must not depend on TLS."""

    base_url: str

    def crl(self, issuer: str) -> str:
        return f"{self.base_url}/pki/crl/{issuer}.crl"

    def delta_crl(self, issuer: str) -> str:
        return f"{self.base_url}/pki/crl/{issuer}-delta.crl"

    def certificate(self, issuer: str) -> str:
        return f"{self.base_url}/pki/issuers/{issuer}.crt"

    def ocsp(self, issuer: str) -> str:
        return f"{self.base_url}/pki/ocsp/{issuer}"

    def timestamp(self) -> str:
        return f"{self.base_url}/pki/tsa"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate names. `organization_identifier` as `pki.identifiers` makes it."""

    common_name: str
    organization: str | None = None
    organization_identifier: str | None = None
    title: str | None = None
    surname: str | None = None
    given_name: str | None = None
    serial_number: str | None = None
    country: str = "CN"

    def name(self) -> x509.Name:
        """The distinguished name, from the country down to the common name. Raises ProfileViolation."""
        attributes = (
            (NameOID.COUNTRY_NAME, self.country),
            (NameOID.ORGANIZATION_NAME, self.organization),
            (NameOID.ORGANIZATION_IDENTIFIER, self.organization_identifier),
            (NameOID.TITLE, self.title),
            (NameOID.SURNAME, self.surname),
            (NameOID.GIVEN_NAME, self.given_name),
            (NameOID.SERIAL_NUMBER, self.serial_number),
            (NameOID.COMMON_NAME, self.common_name),
        )
        try:
            return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes if value is not None])
        except ValueError as exc:  # an attribute is empty or longer than X.520 allows
            raise ProfileViolation("subject", str(exc)) from exc


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What is to be certified, from the caller's own records; never taken over from a CSR but for the key.

    `not_before` and `not_after` (aware UTC) may only narrow the profile's validity. `policies` are for
    ISSUING certificates alone: what the new authority may assert (`pki.profiles.policies_of_role`).
    """

    subject: Subject
    public_key: PublicKey
    subject_alternative_uris: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    custody: Custody | None = None
    binding: SignatureBinding | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    policies: tuple[ObjectIdentifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Issuer:
    """What stands in a certificate about who issued it."""

    name: str
    certificate: x509.Certificate
    urls: PublicationUrls


def assemble(
    profile: Profile, request: CertificateRequest, issuer: Issuer | None, now: datetime
) -> x509.CertificateBuilder:
    """The certificate, but for its signature; `issuer` None makes it self-issued. Raises ProfileViolation."""
    _check_request(profile, request)
    not_before, not_after = _validity(profile, request, issuer, now)
    subject = request.subject.name()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(request.public_key)
        .serial_number(new_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for value, critical in _extensions(profile, request, issuer):
        builder = builder.add_extension(value, critical)
    return builder


def new_serial_number() -> int:
    """20 octets exactly, positive, with 158 bits from the system's random source (RFC 5280 §4.1.2.2)."""
    return 1 << 158 | randbits(158)


def _check_request(profile: Profile, request: CertificateRequest) -> None:
    def demand(fits: bool, fault: str) -> None:
        if not fits:
            raise ProfileViolation(profile.name, fault)

    uris = request.subject_alternative_uris
    demand(profile.key_usage_for(request.public_key) is not None, "the key type does not serve this purpose")
    demand(len(uris) == (profile.uri_prefix is not None), "the number of alternative URIs")
    demand(all(uri.startswith(profile.uri_prefix or "") for uri in uris), "the kind of alternative URI")
    demand(bool(request.dns_names) == profile.needs_dns_names, "DNS names")
    demand((request.custody is not None) == profile.needs_custody, "custody")
    demand((request.binding is not None) == profile.needs_binding, "the signature binding")
    demand(bool(request.policies) == (profile is ISSUING), "certificate policies")
    demand(bool(request.subject.organization) or not profile.needs_organization, "no organization is named")


def _validity(
    profile: Profile, request: CertificateRequest, issuer: Issuer | None, now: datetime
) -> tuple[datetime, datetime]:
    """Whole seconds; never beyond the profile, and cut to the issuer's own validity."""
    earliest, latest = now - profile.backdate, now + profile.validity
    not_before, not_after = request.not_before or earliest, request.not_after or latest
    if not_before < earliest.replace(microsecond=0) or not_after > latest:
        raise ProfileViolation(profile.name, "the validity asked for goes beyond the profile")
    if issuer:
        not_before = max(not_before, issuer.certificate.not_valid_before_utc)
        not_after = min(not_after, issuer.certificate.not_valid_after_utc)
    not_before, not_after = not_before.replace(microsecond=0), not_after.replace(microsecond=0)
    if not_before >= not_after or not_after <= now:
        raise ProfileViolation(profile.name, "no validity is left: the issuer or the request ends too early")
    return not_before, not_after


def _extensions(
    profile: Profile, request: CertificateRequest, issuer: Issuer | None
) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions with their criticality, in the order of RFC 5280 §4.2.1."""
    own_key_id = x509.SubjectKeyIdentifier.from_public_key(request.public_key)
    key_id = _subject_key_identifier(issuer.certificate) if issuer else own_key_id
    key_usage = profile.key_usage_for(request.public_key)
    assert key_usage is not None
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), False),
        (own_key_id, False),
        (key_usage, True),
    ]
    if policies := _policies(profile, request):
        extensions.append((x509.CertificatePolicies([x509.PolicyInformation(p, None) for p in policies]), False))
    names: list[x509.GeneralName] = [
        *map(x509.UniformResourceIdentifier, request.subject_alternative_uris),
        *map(x509.DNSName, request.dns_names),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    if profile.is_authority:
        extensions.append((x509.BasicConstraints(ca=True, path_length=profile.path_length), True))
    if profile.extended_key_usage:
        usage = x509.ExtendedKeyUsage([profile.extended_key_usage])
        extensions.append((usage, profile.extended_key_usage_critical))
    if issuer:
        extensions += _publication(profile.revocation, issuer)
    if profile.revocation is Revocation.NO_CHECK:
        extensions.append((x509.OCSPNoCheck(), False))
    if profile.revocation is Revocation.SHORT_TERM:
        extensions.append((x509.UnrecognizedExtension(VALIDITY_ASSURED_SHORT_TERM, _DER_NULL), False))
    if request.binding:
        extensions.append((request.binding.extension(), False))
    return extensions


def _subject_key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _policies(profile: Profile, request: CertificateRequest) -> tuple[ObjectIdentifier, ...]:
    own = (profile.policy,) if profile.policy else ()
    custody = (CUSTODY_POLICIES[request.custody],) if request.custody else ()
    return own + custody + request.policies


def _publication(revocation: Revocation, issuer: Issuer) -> list[tuple[x509.ExtensionType, bool]]:
    access = []
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if revocation in (Revocation.CRL, Revocation.CRL_AND_OCSP):
        crl = x509.UniformResourceIdentifier(issuer.urls.crl(issuer.name))
        extensions.append((x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)]), False))
    if revocation is Revocation.CRL_AND_OCSP:
        access.append((AuthorityInformationAccessOID.OCSP, issuer.urls.ocsp(issuer.name)))
    access.append((AuthorityInformationAccessOID.CA_ISSUERS, issuer.urls.certificate(issuer.name)))
    descriptions = [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in access]
    extensions.append((x509.AuthorityInformationAccess(descriptions), False))
    return extensions
