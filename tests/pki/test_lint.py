from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki import lint, lint_repeated
from pki.assembly import Issuer, Subject, assemble
from pki.binding import PortraitAssurance
from pki.errors import LintFailed
from pki.identifiers import organization_identifier
from pki.keys import KeyType, generate
from pki.profiles import (
    API,
    CUSTODY_POLICIES,
    ISSUING,
    OCSP,
    PORTRAIT_ASSURANCE,
    PRODUCT_SIGN,
    SIGNATURE_BINDING,
    SIGNER,
    VALIDITY_ASSURED_SHORT_TERM,
    Custody,
    Profile,
)
from pki.signatures import algorithm_of, signed
from tests.pki.hierarchy import AUTHORITY_OF, ENTERPRISE, START, Hierarchy, request_for

CA = Hierarchy()
OTHER_USCC = "91350100M000100Y43"


class Draft:
    """A correct certificate of a profile, taken apart so that a test can break one thing."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.authority = CA.issuing[AUTHORITY_OF[profile.name]]
        self.linter = lint.Linter(self.authority.certificate)
        issuer = Issuer(self.authority.name, self.authority.certificate, self.authority.urls)
        self.key = generate(KeyType.EC_P256)
        algorithm = algorithm_of(self.authority.key)
        to_be_signed = assemble(profile, request_for(profile, self.key), issuer, algorithm, START)
        good = x509.load_der_x509_certificate(signed(to_be_signed, algorithm, b""))
        self.subject, self.issuer_name = good.subject, good.issuer
        self.serial_number, self.public_key = good.serial_number, good.public_key()
        self.start, self.end = good.not_valid_before_utc, good.not_valid_after_utc
        self.extensions = {e.oid: (e.value, e.critical) for e in good.extensions}

    def put(self, value: x509.ExtensionType, *, critical: bool = False) -> None:
        self.extensions[value.oid] = (value, critical)

    def drop(self, kind: type[x509.ExtensionType] | x509.ObjectIdentifier) -> None:
        del self.extensions[kind if isinstance(kind, x509.ObjectIdentifier) else kind.oid]

    def flip(self, kind: type[x509.ExtensionType] | x509.ObjectIdentifier) -> None:
        oid = kind if isinstance(kind, x509.ObjectIdentifier) else kind.oid
        value, critical = self.extensions[oid]
        self.extensions[oid] = (value, not critical)

    def put_first(self, kind: type[x509.ExtensionType]) -> None:
        self.extensions = {kind.oid: self.extensions.pop(kind.oid), **self.extensions}

    def put_last(self, kind: type[x509.ExtensionType]) -> None:
        self.extensions[kind.oid] = self.extensions.pop(kind.oid)

    def policies(self, *oids: x509.ObjectIdentifier | None) -> None:
        self.put(x509.CertificatePolicies([x509.PolicyInformation(oid, None) for oid in oids if oid]))

    def verify(self) -> None:
        builder = x509.CertificateBuilder(
            self.issuer_name, self.subject, self.public_key, self.serial_number, self.start, self.end
        )
        for value, critical in self.extensions.values():
            builder = builder.add_extension(value, critical)
        certificate = builder.sign(self.authority.key, hashes.SHA256())
        self.linter.verify(certificate.tbs_certificate_bytes, self.profile)


def name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def with_enterprise(uscc: str) -> x509.Name:
    return Subject(ENTERPRISE.common_name, ENTERPRISE.organization, organization_identifier(uscc)).name()


UNKNOWN = x509.ObjectIdentifier("2.25.1")
START_OF_OWN = bytes.fromhex("301d0603551d0e04160414") + bytes(20)
C, CN = (NameOID.COUNTRY_NAME, "CN"), (NameOID.COMMON_NAME, "x")
CA_CONSTRAINTS = x509.BasicConstraints(ca=True, path_length=None)
WEAK = rsa.generate_private_key(3, 2048).public_key()
HTTPS = x509.DistributionPoint([x509.UniformResourceIdentifier("https://x/crl")], None, None, None)
SAN = x509.SubjectAlternativeName
MALFORMED_URN = x509.UniformResourceIdentifier("urn:yunlian:enterprise:nobody")

BROKEN: list[tuple[str, Profile, Callable[[Draft], object]]] = [
    ("serial number", API, lambda d: setattr(d, "serial_number", 4711)),
    ("issuer name", API, lambda d: setattr(d, "issuer_name", name(C, CN))),
    ("validity exceeds the issuer", API, lambda d: setattr(d, "end", START + 2 * ISSUING.validity)),
    ("validity exceeds the profile", API, lambda d: setattr(d, "end", START + timedelta(days=400))),
    ("validity exceeds the profile", SIGNER, lambda d: setattr(d, "end", START + timedelta(minutes=11))),
    ("country", API, lambda d: setattr(d, "subject", name(CN))),
    ("country", API, lambda d: setattr(d, "subject", name((NameOID.COUNTRY_NAME, "cn"), CN))),
    ("common name", API, lambda d: setattr(d, "subject", name(C))),
    ("common name", API, lambda d: setattr(d, "subject", name(C, CN, (NameOID.COMMON_NAME, "y")))),
    ("space", API, lambda d: setattr(d, "subject", name(C, (NameOID.COMMON_NAME, " x")))),
    ("control", API, lambda d: setattr(d, "subject", name(C, (NameOID.COMMON_NAME, "a\u202eb")))),
    ("exponent", API, lambda d: setattr(d, "public_key", WEAK)),
    ("subject key identifier", API, lambda d: d.drop(x509.SubjectKeyIdentifier)),
    ("subject key identifier", API, lambda d: d.put(x509.SubjectKeyIdentifier(bytes(20)))),
    ("authority key identifier", API, lambda d: d.drop(x509.AuthorityKeyIdentifier)),
    ("authority key identifier", API, lambda d: d.put(x509.AuthorityKeyIdentifier(bytes(20), None, None))),
    ("basic constraints", API, lambda d: d.put(CA_CONSTRAINTS, critical=True)),
    ("key usage", API, lambda d: d.flip(x509.KeyUsage)),
    ("key usage", API, lambda d: d.put(PRODUCT_SIGN.key_usage, critical=True)),
    ("extended key usage", API, lambda d: d.drop(x509.ExtendedKeyUsage)),
    ("extended key usage", API, lambda d: d.put(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))),
    ("extended key usage", PRODUCT_SIGN, lambda d: d.put(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))),
    ("policies", API, lambda d: d.drop(x509.CertificatePolicies)),
    ("policies", API, lambda d: d.flip(x509.CertificatePolicies)),
    ("policy", API, lambda d: d.policies(API.policy, SIGNER.policy)),
    ("custody", PRODUCT_SIGN, lambda d: d.policies(PRODUCT_SIGN.policy)),
    ("custody", PRODUCT_SIGN, lambda d: d.policies(PRODUCT_SIGN.policy, *CUSTODY_POLICIES.values())),
    ("custody", API, lambda d: d.policies(API.policy, CUSTODY_POLICIES[Custody.AGENT])),
    ("alternative names", API, lambda d: d.drop(SAN)),
    ("alternative names", API, lambda d: d.put(SAN([x509.DNSName("localhost")]))),
    ("alternative names", OCSP, lambda d: d.put(SAN([x509.DNSName("localhost")]))),
    ("different enterprises", PRODUCT_SIGN, lambda d: setattr(d, "subject", with_enterprise(OTHER_USCC))),
    ("different enterprises", PRODUCT_SIGN, lambda d: setattr(d, "subject", name(C, CN))),
    ("product URN", PRODUCT_SIGN, lambda d: d.put(SAN([MALFORMED_URN]))),
    ("CRL distribution", API, lambda d: d.drop(x509.CRLDistributionPoints)),
    ("CRL distribution", API, lambda d: d.put(x509.CRLDistributionPoints([HTTPS]))),
    ("CRL distribution", SIGNER, lambda d: d.put(x509.CRLDistributionPoints([HTTPS]))),
    ("information access", API, lambda d: d.drop(x509.AuthorityInformationAccess)),
    ("nocheck", API, lambda d: d.put(x509.OCSPNoCheck())),
    ("nocheck", OCSP, lambda d: d.drop(x509.OCSPNoCheck)),
    ("validity-assured", SIGNER, lambda d: d.drop(VALIDITY_ASSURED_SHORT_TERM)),
    ("validity-assured", SIGNER, lambda d: d.flip(VALIDITY_ASSURED_SHORT_TERM)),
    ("validity-assured", API, lambda d: d.put(x509.UnrecognizedExtension(VALIDITY_ASSURED_SHORT_TERM, b"\x05\0"))),
    ("binding", SIGNER, lambda d: d.drop(SIGNATURE_BINDING)),
    ("binding", SIGNER, lambda d: d.put(x509.UnrecognizedExtension(SIGNATURE_BINDING, b"\x30\0"))),
    ("assurance", SIGNER, lambda d: d.put(x509.UnrecognizedExtension(PORTRAIT_ASSURANCE, b"\x0c\x01x"))),
    ("assurance", SIGNER, lambda d: d.put(x509.UnrecognizedExtension(PORTRAIT_ASSURANCE, b"\xff"))),
    ("assurance", SIGNER, lambda d: d.put(PortraitAssurance.LOW.extension(), critical=True)),
    ("assurance", API, lambda d: d.put(PortraitAssurance.LOW.extension())),
    ("binding", API, lambda d: d.put(x509.UnrecognizedExtension(SIGNATURE_BINDING, b"\x30\0"))),
    ("before what repeats", API, lambda d: d.put_first(SAN)),
    ("behind", API, lambda d: d.put_last(x509.KeyUsage)),
    ("behind", API, lambda d: d.put_last(x509.AuthorityKeyIdentifier)),
    ("behind", API, lambda d: d.put(x509.UnrecognizedExtension(UNKNOWN, START_OF_OWN))),
]


@pytest.mark.parametrize("profile", [API, PRODUCT_SIGN, SIGNER, OCSP], ids=lambda profile: profile.name)
def test_an_untouched_draft_passes(profile: Profile) -> None:
    Draft(profile).verify()


@pytest.mark.parametrize("remembers", [False, True], ids=["anew", "after a good one"])
@pytest.mark.parametrize(("finding", "profile", "break_it"), BROKEN)
def test_each_fault_is_found(
    finding: str, profile: Profile, break_it: Callable[[Draft], object], remembers: bool
) -> None:
    draft = Draft(profile)
    if remembers:
        draft.verify()
    break_it(draft)
    with pytest.raises(LintFailed, match=finding):
        draft.verify()


def test_another_extension_is_not_hidden_by_one_that_looks_like_the_first_of_its_own() -> None:
    draft = Draft(API)
    draft.verify()
    draft.put(x509.UnrecognizedExtension(UNKNOWN, START_OF_OWN))
    draft.extensions = {UNKNOWN: draft.extensions.pop(UNKNOWN), **draft.extensions}
    with pytest.raises(LintFailed):
        draft.verify()


def test_octets_that_are_no_certificate_are_refused() -> None:
    draft = Draft(API)
    for octets in (b"", b"\x30\x00", bytes(300)):
        with pytest.raises(LintFailed):
            draft.linter.verify(octets, API)


def test_every_check_cites_its_rule() -> None:
    for check in (*lint.CHECKS, *lint_repeated.CHECKS):
        assert check.__doc__, check.__name__
