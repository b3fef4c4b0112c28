"""Checks over the very octets that an authority's key is about to sign.

Each check is one function that cites its rule and returns a finding, or None. They read the encoded
TBSCertificate and not what it was built from, so that a mistake in `pki.assembly` cannot hide behind itself.

Here stand the checks of what a certificate has of its own; they run every time. What an authority repeats in all
that it signs for a profile is for `pki.lint_repeated`. That verdict follows from those octets alone, so a good one
is remembered, by the octets themselves: let one of them differ, and they are judged anew.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import NameOID, ObjectIdentifier

from pki import der
from pki.binding import PortraitAssurance, SignatureBinding
from pki.errors import InvalidBinding, InvalidIdentifier, LintFailed, WeakKey
from pki.identifiers import organization_identifier, parse_product_urn
from pki.keys import is_p256_spki, load_spki, public_key_bits
from pki.lint_repeated import OWN_EXTENSIONS, Repeated, find_in_repeated
from pki.profiles import PORTRAIT_ASSURANCE, SIGNATURE_BINDING, Profile
from pki.suite import key_kind
from pki.tbs import Extension, TbsCertificate, octets_of, parse_alternative_names, parse_extensions, parse_tbs

_START_OF_OWN = der.sequence(
    der.object_identifier(x509.SubjectKeyIdentifier.oid), der.octet_string(der.octet_string(bytes(20)))
)[:-20]
"""The subject key identifier, which comes first behind all that repeats; where not, that is a finding."""


class Candidate(NamedTuple):
    """What a certificate to be has of its own, what it claims to be, and who limits its validity."""

    tbs: TbsCertificate
    profile: Profile
    issuer_validity: tuple[datetime, datetime]
    subject: list[tuple[ObjectIdentifier, str]]
    spki: bytes
    extensions: Mapping[ObjectIdentifier, Extension]
    """Those of OWN_EXTENSIONS."""
    alternative_names: list[tuple[str, str]]

    def values_of(self, oid: ObjectIdentifier) -> list[str]:
        return [value for each, value in self.subject if each == oid]


class Linter:
    """For one authority; for a root to be, `issuer` is that root itself, not yet signed."""

    def __init__(self, issuer: x509.Certificate) -> None:
        self._issuer = issuer
        self._issuer_validity = (issuer.not_valid_before_utc, issuer.not_valid_after_utc)
        self._good: dict[Repeated, Profile] = {}

    def verify(self, to_be_signed: bytes, profile: Profile) -> None:
        """Raises LintFailed with every finding; for what cannot be decoded, or holds a weak key, with that alone."""
        try:
            tbs = parse_tbs(to_be_signed)
            repeating, start, rest = bytes(tbs.extensions.data).partition(_START_OF_OWN)
            listed = parse_extensions(start + rest)
            own = {extension.oid: extension for extension in listed if extension.oid in OWN_EXTENSIONS}
            names = own.get(x509.SubjectAlternativeName.oid)
            alternative_names = parse_alternative_names(names.value) if names else []
            spki = octets_of(tbs.subject_public_key_info)
            # Baseline Requirements §6.1.5 and §6.1.6: type, size, exponent and curve
            kind = "P-256" if is_p256_spki(spki) else key_kind(load_spki(spki))
        except (ValueError, WeakKey) as exc:
            raise LintFailed(str(exc)) from exc
        subject = [(attribute.oid, attribute.text) for rdn in tbs.subject for attribute in rdn.as_list()]
        candidate = Candidate(tbs, profile, self._issuer_validity, subject, spki, own, alternative_names)
        findings = [finding for check in CHECKS if (finding := check(candidate)) is not None]
        if len(own) < len(listed):
            findings.append("an extension is there twice, or behind those of its own")
        repeated = Repeated(tbs.version, octets_of(tbs.signature), octets_of(tbs.issuer), kind, repeating)
        if findings or self._good.get(repeated) is not profile:
            findings += find_in_repeated(repeated, own, to_be_signed, profile, self._issuer)
            if findings:
                raise LintFailed("; ".join(findings))
            self._good[repeated] = profile


def check_serial_number(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.2: positive, at most 20 octets; ours have exactly 20."""
    number = candidate.tbs.serial_number
    return None if number > 0 and number.bit_length() == 159 else "the serial number does not have 159 bits"


def check_validity(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.5, shell model: within the issuer's validity, and no longer than the profile's."""
    validity, profile = candidate.tbs.validity, candidate.profile
    start, end = validity.not_before.as_datetime(), validity.not_after.as_datetime()
    for time, encoded in ((start, validity.not_before), (end, validity.not_after)):
        if time.microsecond or (time.year < 2050) != isinstance(encoded, asn1.UTCTime):
            return "the validity is not in UTCTime through 2049, or has fractions of a second"
    if not start < end:
        return "the validity ends before it begins"
    if start < candidate.issuer_validity[0] or end > candidate.issuer_validity[1]:
        return "the validity exceeds the issuer's"
    longest = profile.validity + profile.backdate + timedelta(seconds=1)
    return None if end - start <= longest else "the validity exceeds the profile's"


def check_subject(candidate: Candidate) -> str | None:
    """RFC 5280 §4.1.2.6: one country, one common name; X.520 §6.3.1: the country has two capital letters."""
    countries = candidate.values_of(NameOID.COUNTRY_NAME)
    if len(countries) != 1 or not countries[0].isupper():
        return "the country is missing or not in capitals"
    if len(candidate.values_of(NameOID.COMMON_NAME)) != 1:
        return "there is not one common name"
    stray = any(value != value.strip() or not value.isprintable() for _, value in candidate.subject)
    return "a name begins or ends with a space or holds control characters" if stray else None


def check_subject_key_identifier(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.2: not critical, the SHA-1 of the key's bits (method 1)."""
    extension = candidate.extensions.get(x509.SubjectKeyIdentifier.oid)
    if extension is None or extension.critical:
        return "subject key identifier missing or critical"
    digest = hashlib.sha1(public_key_bits(candidate.spki), usedforsecurity=False).digest()
    return None if extension.value == b"\x04\x14" + digest else "subject key identifier of another key"


def check_alternative_names(candidate: Candidate) -> str | None:
    """RFC 5280 §4.2.1.6: not critical, the profile's URI or DNS names, and nothing else."""
    profile = candidate.profile
    extension = candidate.extensions.get(x509.SubjectAlternativeName.oid)
    kinds = {kind for kind, _ in candidate.alternative_names}
    if profile.needs_dns_names:
        good = kinds == {"DNS"}
    elif profile.uri_prefix:
        names = candidate.alternative_names
        good = len(names) == 1 and kinds == {"URI"} and names[0][1].startswith(profile.uri_prefix)
    else:
        good = extension is None
    critical = extension is not None and extension.critical
    return None if good and not critical else "alternative names are critical or not the profile's"


def check_product_names_one_enterprise(candidate: Candidate) -> str | None:
    """ETSI EN 319 412-1 §5.1.4: the organizationIdentifier is that of the enterprise in the product URN."""
    if not candidate.profile.needs_custody:
        return None
    try:
        expected = [organization_identifier(parse_product_urn(urn)[0]) for _, urn in candidate.alternative_names]
    except InvalidIdentifier as exc:
        return str(exc)
    found = candidate.values_of(NameOID.ORGANIZATION_IDENTIFIER)
    return None if found == expected else "subject and URN name different enterprises"


def check_signature_binding(candidate: Candidate) -> str | None:
    """The three digests in signer certificates and nowhere else (`pki.binding`)."""
    found = candidate.extensions.get(SIGNATURE_BINDING)
    if not candidate.profile.needs_binding:
        return "signature binding outside a signer certificate" if found else None
    if found is None:
        return "signature binding missing"
    try:
        SignatureBinding.parse(found.value)
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
        PortraitAssurance.parse(found.value)
    except InvalidBinding as exc:
        return str(exc)
    return None


CHECKS: tuple[Callable[[Candidate], str | None], ...] = (
    check_serial_number,
    check_validity,
    check_subject,
    check_subject_key_identifier,
    check_alternative_names,
    check_product_names_one_enterprise,
    check_signature_binding,
    check_portrait_assurance,
)
