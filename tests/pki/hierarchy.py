"""A small certificate authority for tests, made once per process and clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509

from pki import keys
from pki.authority import (
    CertificateRequest,
    IssuingAuthority,
    PublicationUrls,
    SignatureBinding,
    Subject,
    create_root,
    sign_issuing,
)
from pki.identifiers import application_urn, organization_identifier, product_urn, signature_urn
from pki.keys import KeyType, PrivateKey
from pki.profiles import (
    API,
    GATEWAY_ENCRYPT,
    GATEWAY_SIGN,
    LOG,
    OCSP,
    PRODUCT_ENCRYPT,
    PRODUCT_SIGN,
    SEAL,
    SIGNER,
    TLS_SERVER,
    TSA,
    Custody,
    IssuingRole,
    Profile,
)

USCC = "91110000600037341L"
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
BINDING = SignatureBinding(b"\1" * 32, b"\2" * 32, b"\3" * 32)

BANK = Subject("云联银行", "云联银行股份有限公司")
ENTERPRISE = Subject("payments", "示例贸易有限公司", organization_identifier(USCC))
PERSON = Subject("张伟", "示例贸易有限公司", organization_identifier(USCC), "法定代表人", "张", "伟")


@dataclass
class MovableClock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Hierarchy:
    """Root and four issuing authorities with keys of one type, and a clock that the test moves."""

    key_type: KeyType = KeyType.EC_P256
    clock: MovableClock = field(default_factory=MovableClock)

    def __post_init__(self) -> None:
        urls = PublicationUrls("http://pki.example.com")
        subject = Subject("Yunlian Root", "云联银行股份有限公司")
        self.root = create_root(subject, keys.generate(self.key_type), urls, self.clock)
        self.issuing: dict[str, IssuingAuthority] = {}
        for role in IssuingRole:
            self.add_issuing(role.value)

    def add_issuing(self, name: str) -> IssuingAuthority:
        key = keys.generate(self.key_type)
        subject = Subject(f"Yunlian Issuing {name}", "云联银行股份有限公司")
        certificate = sign_issuing(self.root, name, subject, key.public_key())
        authority = IssuingAuthority(name, certificate, (self.root.certificate,), key, self.root.urls, self.clock)
        self.issuing[name] = authority
        return authority

    def issue(self, profile: Profile, key_type: KeyType = KeyType.EC_P256) -> tuple[PrivateKey, x509.Certificate]:
        key = keys.generate(key_type)
        authority = self.issuing[AUTHORITY_OF[profile.name]]
        return key, authority.issue(authority.prepare(profile, request_for(profile, key)))


AUTHORITY_OF = {
    API.name: "api", PRODUCT_SIGN.name: "product", PRODUCT_ENCRYPT.name: "product", SIGNER.name: "signer",
    SEAL.name: "service", LOG.name: "service", OCSP.name: "api", TSA.name: "service",
    GATEWAY_SIGN.name: "service", GATEWAY_ENCRYPT.name: "service", TLS_SERVER.name: "service",
}  # fmt: skip


def request_for(profile: Profile, key: PrivateKey) -> CertificateRequest:
    """A request that fits the profile."""
    public_key = keys.check_public_key(key.public_key())
    if profile is API:
        return CertificateRequest(BANK, public_key, (application_urn("app-1"),))
    if profile.needs_custody:
        return CertificateRequest(ENTERPRISE, public_key, (product_urn(USCC, "payments"),), custody=Custody.AGENT)
    if profile is SIGNER:
        return CertificateRequest(PERSON, public_key, (signature_urn("c1", "s1"),), binding=BINDING)
    if profile.needs_dns_names:
        return CertificateRequest(Subject("bank.example.com", "云联银行"), public_key, dns_names=("bank.example.com",))
    return CertificateRequest(BANK, public_key)
