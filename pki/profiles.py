"""Every kind of certificate that the service issues, and the private object identifiers it uses.

A profile is the whole difference between one kind and another: `pki.assembly` builds from it, `pki.lint`
checks against it, `pki.path` demands it back. Each profile has a certificate policy of its own, and an
issuing authority asserts only the policies of its role, so that none of them can issue for another's purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from types import MappingProxyType

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

# Private object identifiers, under the arc of the UUID 0e9b3a63-d7fd-4605-a2fa-0c20fe77f67f (ITU-T X.667 §7)

_ARC = "2.25.19415182244252287225712460991290668671"
TIMESTAMP_POLICY = ObjectIdentifier(f"{_ARC}.4.1")
SIGNATURE_BINDING = ObjectIdentifier(f"{_ARC}.3.1")
PORTRAIT_ASSURANCE = ObjectIdentifier(f"{_ARC}.3.2")

VALIDITY_ASSURED_SHORT_TERM = ObjectIdentifier("0.4.0.194121.2.1")  # ETSI EN 319 412-1 §5.2.2
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336


class Custody(StrEnum):
    """Who holds the key of a product certificate; limits depend on it."""

    AGENT = "agent"
    BROWSER = "browser"
    PLATFORM = "platform"


CUSTODY_POLICIES: Mapping[Custody, ObjectIdentifier] = MappingProxyType(
    {
        Custody.AGENT: ObjectIdentifier(f"{_ARC}.2.1"),
        Custody.BROWSER: ObjectIdentifier(f"{_ARC}.2.2"),
        Custody.PLATFORM: ObjectIdentifier(f"{_ARC}.2.3"),
    }
)


class Revocation(Enum):
    """How a relying party learns that a certificate was revoked."""

    NONE = "a trust anchor: removed from the store instead"
    CRL = "a CRL"
    CRL_AND_OCSP = "a CRL or OCSP"
    NO_CHECK = "not at all: an OCSP responder, RFC 6960 §4.2.2.2.1"
    SHORT_TERM = "not at all: gone before it could be revoked, ETSI EN 319 412-1 §5.2.2"


def _key_usage(*bits: str) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in bits for name in names})


_SIGN = _key_usage("digital_signature")
_SIGN_AND_COMMIT = _key_usage("digital_signature", "content_commitment")
_CERTIFY = _key_usage("key_cert_sign", "crl_sign")
_ENCRYPT_BY_KIND = MappingProxyType(
    {
        "P-256": _key_usage("key_agreement"),
        "P-384": _key_usage("key_agreement"),
        "RSA": _key_usage("key_encipherment"),
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of certificate. It carries one subject alternative URI with `uri_prefix`, or none at all."""

    name: str
    validity: timedelta
    backdate: timedelta
    key_usage: x509.KeyUsage | Mapping[str, x509.KeyUsage]
    """Fixed, or by kind of key (`pki.suite.key_kind`); a kind that is missing is refused."""
    revocation: Revocation
    policy: ObjectIdentifier | None = None
    extended_key_usage: ObjectIdentifier | None = None
    extended_key_usage_critical: bool = False
    is_authority: bool = False
    path_length: int | None = None
    uri_prefix: str | None = None
    needs_dns_names: bool = False
    needs_custody: bool = False
    needs_binding: bool = False
    needs_organization: bool = True

    def key_usage_for(self, kind: str) -> x509.KeyUsage | None:
        """The key usage of this profile for such a key (`pki.suite.key_kind`); None where it does not take it."""
        if isinstance(self.key_usage, x509.KeyUsage):
            return self.key_usage
        return self.key_usage.get(kind)


_YEAR = timedelta(days=365)
_BACKDATE = timedelta(minutes=1)  # for clocks that run behind


def _policy(number: int) -> ObjectIdentifier:
    return ObjectIdentifier(f"{_ARC}.1.{number}")


ROOT = Profile("root", 20 * _YEAR, _BACKDATE, _CERTIFY, Revocation.NONE, is_authority=True)

ISSUING = Profile("issuing", 10 * _YEAR, _BACKDATE, _CERTIFY, Revocation.CRL, is_authority=True, path_length=0)

API = Profile(
    "api",
    _YEAR,
    _BACKDATE,
    _SIGN,
    Revocation.CRL_AND_OCSP,
    policy=_policy(1),
    extended_key_usage=ExtendedKeyUsageOID.CLIENT_AUTH,
    uri_prefix="urn:yunlian:app:",
)

PRODUCT_SIGN = Profile(
    "product-sign",
    2 * _YEAR,
    _BACKDATE,
    _SIGN_AND_COMMIT,
    Revocation.CRL_AND_OCSP,
    policy=_policy(2),
    uri_prefix="urn:yunlian:enterprise:",
    needs_custody=True,
)

PRODUCT_ENCRYPT = Profile(
    "product-encrypt",
    2 * _YEAR,
    _BACKDATE,
    _ENCRYPT_BY_KIND,
    Revocation.CRL_AND_OCSP,
    policy=_policy(3),
    uri_prefix="urn:yunlian:enterprise:",
    needs_custody=True,
)

SIGNER = Profile(
    "signer",
    timedelta(minutes=10),
    timedelta(minutes=1),
    _SIGN_AND_COMMIT,
    Revocation.SHORT_TERM,
    policy=_policy(4),
    extended_key_usage=DOCUMENT_SIGNING,
    uri_prefix="urn:yunlian:signature:",
    needs_binding=True,
    needs_organization=False,
)

SEAL = Profile(
    "seal",
    3 * _YEAR,
    _BACKDATE,
    _SIGN_AND_COMMIT,
    Revocation.CRL_AND_OCSP,
    policy=_policy(5),
    extended_key_usage=DOCUMENT_SIGNING,
)

LOG = Profile("log", 5 * _YEAR, _BACKDATE, _SIGN, Revocation.CRL_AND_OCSP, policy=_policy(6))

OCSP = Profile(
    "ocsp",
    _YEAR,
    _BACKDATE,
    _SIGN,
    Revocation.NO_CHECK,
    extended_key_usage=ExtendedKeyUsageOID.OCSP_SIGNING,
)

TSA = Profile(
    "tsa",
    5 * _YEAR,
    _BACKDATE,
    _SIGN,
    Revocation.CRL_AND_OCSP,
    policy=_policy(7),
    extended_key_usage=ExtendedKeyUsageOID.TIME_STAMPING,
    extended_key_usage_critical=True,  # RFC 3161 §2.3
)

GATEWAY_SIGN = Profile("gateway-sign", 2 * _YEAR, _BACKDATE, _SIGN, Revocation.CRL_AND_OCSP, policy=_policy(8))

GATEWAY_ENCRYPT = Profile(
    "gateway-encrypt", 2 * _YEAR, _BACKDATE, _ENCRYPT_BY_KIND, Revocation.CRL_AND_OCSP, policy=_policy(9)
)

TLS_SERVER = Profile(
    "tls-server",
    _YEAR,
    _BACKDATE,
    _SIGN,
    Revocation.CRL_AND_OCSP,
    policy=_policy(10),
    extended_key_usage=ExtendedKeyUsageOID.SERVER_AUTH,
    needs_dns_names=True,
)

_ALL = (
    ROOT, ISSUING, API, PRODUCT_SIGN, PRODUCT_ENCRYPT, SIGNER, SEAL, LOG, OCSP, TSA,
    GATEWAY_SIGN, GATEWAY_ENCRYPT, TLS_SERVER,
)  # fmt: skip

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})


class IssuingRole(StrEnum):
    """What an issuing authority is for. Its name is the role, after a roll-over with a number: `api-2`."""

    API = "api"
    PRODUCT = "product"
    SIGNER = "signer"
    SERVICE = "service"


_PROFILES_OF_ROLE = {
    IssuingRole.API: (API,),
    IssuingRole.PRODUCT: (PRODUCT_SIGN, PRODUCT_ENCRYPT),
    IssuingRole.SIGNER: (SIGNER,),
    IssuingRole.SERVICE: (SEAL, LOG, TSA, GATEWAY_SIGN, GATEWAY_ENCRYPT, TLS_SERVER),
}


def policies_of_role(role: IssuingRole) -> tuple[ObjectIdentifier, ...]:
    """The certificate policies that an issuing authority of this role asserts (RFC 5280 §4.2.1.4)."""
    own = tuple(profile.policy for profile in _PROFILES_OF_ROLE[role] if profile.policy)
    return own + (tuple(CUSTODY_POLICIES.values()) if role is IssuingRole.PRODUCT else ())


def find_custody(certificate: x509.Certificate) -> Custody | None:
    """Who holds the key, by the one custody policy of a product certificate; None for any other."""
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return None
    asserted = {policy.policy_identifier for policy in policies}
    found = [custody for custody, oid in CUSTODY_POLICIES.items() if oid in asserted]
    return found[0] if len(found) == 1 else None
