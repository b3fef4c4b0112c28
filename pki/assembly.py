"""From a profile and a request to the bytes that will be signed (TBSCertificate, RFC 5280 §4.1). Signs nothing.

Certificates are made in numbers, and most of one is the same in all that an authority issues for a profile: that
part is encoded once. `pki.lint` reads the result with another decoder and other eyes.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from secrets import randbits

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier

from pki import der
from pki.binding import PortraitAssurance, SignatureBinding
from pki.errors import ProfileViolation
from pki.keys import PublicKey, encode_spki, key_identifier
from pki.profiles import (
    CUSTODY_POLICIES,
    ISSUING,
    VALIDITY_ASSURED_SHORT_TERM,
    Custody,
    Profile,
    Revocation,
)
from pki.signatures import SignatureAlgorithm
from pki.suite import key_kind

_VERSION_3 = der.tlv(0xA0, der.integer(2))
_EXTENSIONS = 0xA3
_DNS_NAME, _URI = 0x82, 0x86  # GeneralName, RFC 5280 §4.2.1.6
_SUBJECT_ALTERNATIVE_NAME = der.object_identifier(x509.SubjectAlternativeName.oid)
_SUBJECT_KEY_IDENTIFIER = der.sequence(
    der.object_identifier(x509.SubjectKeyIdentifier.oid), der.octet_string(der.octet_string(bytes(20)))
)[:-20]
"""The extension up to the key identifier, whose length is always the same."""
_UTF8_STRING, _PRINTABLE_STRING = 0x0C, 0x13
_SUBJECT = (  # from the country down to the common name; the octets that X.520 allows each value
    ("country", NameOID.COUNTRY_NAME, _PRINTABLE_STRING, range(2, 3)),
    ("organization", NameOID.ORGANIZATION_NAME, _UTF8_STRING, None),
    ("organization_identifier", NameOID.ORGANIZATION_IDENTIFIER, _UTF8_STRING, None),
    ("title", NameOID.TITLE, _UTF8_STRING, None),
    ("surname", NameOID.SURNAME, _UTF8_STRING, None),
    ("given_name", NameOID.GIVEN_NAME, _UTF8_STRING, None),
    ("serial_number", NameOID.SERIAL_NUMBER, _PRINTABLE_STRING, None),
    ("common_name", NameOID.COMMON_NAME, _UTF8_STRING, range(1, 65)),
)
_ENCODED_SUBJECT = tuple((field, der.object_identifier(oid), tag, lengths) for field, oid, tag, lengths in _SUBJECT)
_Fixed = tuple[str, str, Custody | None, tuple[ObjectIdentifier, ...]]


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
        """The distinguished name. Raises ProfileViolation."""
        attributes = [(oid, getattr(self, field)) for field, oid, _, _ in _SUBJECT]
        try:
            return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes if value is not None])
        except ValueError as exc:  # an attribute is empty or longer than X.520 allows
            raise ProfileViolation("subject", str(exc)) from exc

    def encode(self) -> bytes:
        """The same in DER, at a third of the cost. Raises ProfileViolation."""
        relative_names = []
        for field_name, oid, tag, lengths in _ENCODED_SUBJECT:
            value: str | None = getattr(self, field_name)
            if value is None:
                continue
            octets = value.encode()
            if lengths is not None and len(octets) not in lengths:
                raise ProfileViolation("subject", f"{field_name} of {len(octets)} octets")
            relative_names.append(der.tlv(der.SET, der.sequence(oid, der.tlv(tag, octets))))
        return der.sequence(*relative_names)


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
    portrait_assurance: PortraitAssurance | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    policies: tuple[ObjectIdentifier, ...] = ()


@dataclass(frozen=True, eq=False)
class Issuer:
    """What stands in certificates about who issued them."""

    name: str
    certificate: x509.Certificate
    urls: PublicationUrls
    _fixed: dict[_Fixed, bytes] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def distinguished_name(self) -> bytes:
        return self.certificate.subject.public_bytes()

    @cached_property
    def key_identifier(self) -> bytes:
        return self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    @cached_property
    def validity(self) -> tuple[datetime, datetime]:
        return self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc

    def fixed_extensions(self, profile: Profile, request: CertificateRequest, kind: str) -> bytes:
        """What is the same in all certificates for this profile, kind of key and policies."""
        variant = (profile.name, kind, request.custody, request.policies)
        if variant not in self._fixed:
            policies, publication = _policies(profile, request), _publication(profile.revocation, self)
            self._fixed[variant] = _fixed_extensions(profile, kind, policies, self.key_identifier) + publication
        return self._fixed[variant]


def assemble(
    profile: Profile,
    request: CertificateRequest,
    issuer: Issuer | None,
    algorithm: SignatureAlgorithm,
    now: datetime,
) -> bytes:
    """The TBSCertificate (DER), to be signed by `algorithm`; `issuer` None makes it self-issued.

    Raises ProfileViolation.
    """
    kind = key_kind(request.public_key)
    _check_request(profile, request, kind)
    not_before, not_after = _validity(profile, request, issuer, now)
    subject = request.subject.encode()
    spki = encode_spki(request.public_key)
    key_id = key_identifier(spki)
    if issuer:
        fixed = issuer.fixed_extensions(profile, request, kind)
    else:
        fixed = _fixed_extensions(profile, kind, _policies(profile, request), key_id)
    return der.sequence(
        _VERSION_3,
        der.integer(new_serial_number()),
        algorithm.identifier,
        issuer.distinguished_name if issuer else subject,
        der.sequence(der.time(not_before), der.time(not_after)),
        subject,
        spki,
        der.tlv(_EXTENSIONS, der.sequence(fixed, _own_extensions(request, key_id))),
    )


def new_serial_number() -> int:
    """20 octets exactly, positive, with 158 bits from the system's random source (RFC 5280 §4.1.2.2)."""
    return 1 << 158 | randbits(158)


def _check_request(profile: Profile, request: CertificateRequest, kind: str) -> None:
    uris = request.subject_alternative_uris
    demands = (
        (profile.key_usage_for(kind) is not None, "the key type does not serve this purpose"),
        (len(uris) == (profile.uri_prefix is not None), "the number of alternative URIs"),
        (all(uri.startswith(profile.uri_prefix or "") for uri in uris), "the kind of alternative URI"),
        (bool(request.dns_names) == profile.needs_dns_names, "DNS names"),
        ((request.custody is not None) == profile.needs_custody, "custody"),
        ((request.binding is not None) == profile.needs_binding, "the signature binding"),
        (request.portrait_assurance is None or profile.needs_binding, "the portrait's assurance"),
        (bool(request.policies) == (profile is ISSUING), "certificate policies"),
        (bool(request.subject.organization) or not profile.needs_organization, "no organization is named"),
    )
    for fits, fault in demands:
        if not fits:
            raise ProfileViolation(profile.name, fault)


def _validity(
    profile: Profile, request: CertificateRequest, issuer: Issuer | None, now: datetime
) -> tuple[datetime, datetime]:
    """Whole seconds; never beyond the profile, and cut to the issuer's own validity."""
    earliest, latest = now.replace(microsecond=0) - profile.backdate, now + profile.validity
    not_before, not_after = request.not_before or earliest, request.not_after or latest
    if not_before < earliest or not_after > latest:
        raise ProfileViolation(profile.name, "the validity asked for goes beyond the profile")
    if issuer:
        not_before, not_after = max(not_before, issuer.validity[0]), min(not_after, issuer.validity[1])
    not_before, not_after = not_before.replace(microsecond=0), not_after.replace(microsecond=0)
    if not_before >= not_after or not_after <= now:
        raise ProfileViolation(profile.name, "no validity is left: the issuer or the request ends too early")
    return not_before, not_after


def _own_extensions(request: CertificateRequest, key_id: bytes) -> bytes:
    """What differs from certificate to certificate: key identifier, alternative names, binding."""
    extensions = _SUBJECT_KEY_IDENTIFIER + key_id
    names = [der.tlv(_URI, uri.encode("ascii")) for uri in request.subject_alternative_uris]
    names += [der.tlv(_DNS_NAME, name.encode("ascii")) for name in request.dns_names]
    if names:
        extensions += der.sequence(_SUBJECT_ALTERNATIVE_NAME, der.octet_string(der.sequence(*names)))
    if request.binding:
        extensions += _extension(request.binding.extension())
    if request.portrait_assurance:
        extensions += _extension(request.portrait_assurance.extension())
    return extensions


def _fixed_extensions(
    profile: Profile, kind: str, policies: tuple[ObjectIdentifier, ...], issuer_key_id: bytes
) -> bytes:
    key_usage = profile.key_usage_for(kind)
    assert key_usage is not None
    extensions = _extension(x509.AuthorityKeyIdentifier(issuer_key_id, None, None))
    extensions += _extension(key_usage, critical=True)
    if policies:
        extensions += _extension(x509.CertificatePolicies([x509.PolicyInformation(p, None) for p in policies]))
    if profile.is_authority:
        extensions += _extension(x509.BasicConstraints(ca=True, path_length=profile.path_length), critical=True)
    if profile.extended_key_usage:
        usage = x509.ExtendedKeyUsage([profile.extended_key_usage])
        extensions += _extension(usage, critical=profile.extended_key_usage_critical)
    if profile.revocation is Revocation.NO_CHECK:
        extensions += _extension(x509.OCSPNoCheck())
    if profile.revocation is Revocation.SHORT_TERM:
        extensions += _extension(x509.UnrecognizedExtension(VALIDITY_ASSURED_SHORT_TERM, der.NULL))
    return extensions


def _publication(revocation: Revocation, issuer: Issuer) -> bytes:
    """Where CRL, responder and the issuer's certificate are found (RFC 5280 §4.2.1.13, §4.2.2.1)."""
    access = []
    extensions = b""
    if revocation in (Revocation.CRL, Revocation.CRL_AND_OCSP):
        crl = x509.UniformResourceIdentifier(issuer.urls.crl(issuer.name))
        extensions += _extension(x509.CRLDistributionPoints([x509.DistributionPoint([crl], None, None, None)]))
    if revocation is Revocation.CRL_AND_OCSP:
        access.append((AuthorityInformationAccessOID.OCSP, issuer.urls.ocsp(issuer.name)))
    access.append((AuthorityInformationAccessOID.CA_ISSUERS, issuer.urls.certificate(issuer.name)))
    descriptions = [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in access]
    return extensions + _extension(x509.AuthorityInformationAccess(descriptions))


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> bytes:
    return der.sequence(
        der.object_identifier(value.oid), der.TRUE if critical else b"", der.octet_string(value.public_bytes())
    )


def _policies(profile: Profile, request: CertificateRequest) -> tuple[ObjectIdentifier, ...]:
    own = (profile.policy,) if profile.policy else ()
    custody = (CUSTODY_POLICIES[request.custody],) if request.custody else ()
    return own + custody + request.policies
