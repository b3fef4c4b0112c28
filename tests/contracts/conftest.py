"""A small but real hierarchy and a signed contract, made once per test process."""

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPRequestBuilder

from contracts import seals
from contracts.archive import archive
from contracts.binding import SignatureBinding
from contracts.consent import get_wording
from contracts.render import render
from contracts.signing import begin_signature, finish_signature, prepare_document, sign_with_key
from kyc.evidence import build_evidence
from pki.assembly import CertificateRequest, PublicationUrls, Subject
from pki.authority import IssuingAuthority, create_root, sign_issuing
from pki.identifiers import organization_identifier, signature_urn, uscc_check_digit
from pki.path import TrustPolicy
from pki.profiles import LOG, OCSP, SEAL, SIGNER, TSA, Profile
from pki.revocation import GOOD, OcspResponder, RevocationState, answer_ocsp, build_crl
from pki.timestamp import TimestampAuthority

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def uscc(first17: str) -> str:
    return first17 + uscc_check_digit(first17)


ENTERPRISE_USCC = uscc("91330106MA2CFLDG4")
BANK_USCC = uscc("91110000100001234")
TERMS: dict[str, Any] = {
    "contract_number": "YL-2026-000128",
    "document_date": "2026-11-22",
    "enterprise": {
        "name": "杭州云启智造科技有限公司",
        "uscc": ENTERPRISE_USCC,
        "legal_representative": "张㛃𠮷",
        "address": "浙江省杭州市西湖区文三路 478 号",
    },
    "bank": {
        "name": "华夏东方银行股份有限公司",
        "uscc": BANK_USCC,
        "legal_representative": "李明远",
        "address": "北京市西城区金融大街 22 号",
    },
    "products": [
        {
            "product": "payments",
            "name": "企业支付与代发",
            "single_limit": 5_000_000,
            "daily_limit": 100_000_000,
            "custody": "agent",
        }
    ],
    "start_date": "2026-12-01",
    "end_date": "2027-11-30",
    "fees": [{"item": "企业支付", "unit": "每笔", "amount": 50}],
    "dispute": {"method": "court", "body": "北京市西城区人民法院"},
}


def make_face_evidence(*, documents: str, pictures: str) -> dict[str, Any]:
    """What the identity package writes, its pictures forgotten."""
    evidence = build_evidence(
        {name: {"about": name} for name in documents.split()}, dict.fromkeys(pictures.split(), b"")
    )
    return evidence.forget(frozenset(pictures.split())).to_json()


FACE_EVIDENCE = make_face_evidence(
    documents="report policy nonce consent", pictures="portrait frame-000 frame-001 frame-002"
)


class Clock:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Timestamps:
    """The port, answered by the embedded authority."""

    authority: TimestampAuthority

    def timestamp(self, digest_sha256: bytes) -> bytes:
        return self.authority.token(digest_sha256, "sha256")


class Hierarchy:
    """Root, issuing authorities for signers and services, time-stamp authority, the bank's seal."""

    def __init__(self, timestamp_profile: Profile = TSA) -> None:
        # no longer than the certificates last: other validators lose the signature afterwards
        self.crl_lifetimes = {"signer": timedelta(minutes=5)}
        self.clock = Clock(NOW - timedelta(days=30))
        urls = PublicationUrls("http://localhost:8080")
        self.root = create_root(Subject("测试根", organization="测试"), _key(), urls, self.clock)
        self.signers, self.services = (self._issuing(name, urls) for name in ("signer", "service"))
        self.seal_key = _key()
        self.renew_timestamps(timestamp_profile)
        self.seal = self._issue(
            self.services,
            SEAL,
            Subject("测试银行", "测试银行", organization_identifier(BANK_USCC)),
            self.seal_key,
        )
        self.log_key = ed25519.Ed25519PrivateKey.generate()
        self.log = self._issue(self.services, LOG, Subject("存证日志", "测试银行"), self.log_key)
        self.seal_chain = [self.services.certificate]
        self.signer_chain = [self.signers.certificate]
        self.trust = TrustPolicy((self.root.certificate,), (self.signers.certificate, self.services.certificate))
        self.clock.now = NOW

    def renew_timestamps(self, profile: Profile = TSA) -> None:
        """A time-stamp authority with a new key and certificate, valid from now."""
        key = _key()
        self.timestamp_certificate = self._issue(
            self.services, profile, Subject("时间戳", organization="测试银行"), key
        )
        chain = (self.services.certificate, self.root.certificate)
        self.timestamps = Timestamps(TimestampAuthority(self.timestamp_certificate, chain, key, self.clock))

    @property
    def authorities(self) -> list[x509.Certificate]:
        return [self.root.certificate, self.services.certificate, self.signers.certificate]

    def crls(self, at: datetime | None = None, **revoked: Any) -> list[bytes]:
        """A complete CRL of each authority for the week from `at`, and its delta; revoked by name of the authority."""
        at = at or self.clock.now
        return [
            build_crl(
                authority,
                revoked.get(authority.name, ()),
                1 + is_delta,
                at,
                at + self.crl_lifetimes.get(authority.name, timedelta(days=7)),
                delta_of=1 if is_delta else None,
            )
            for authority in (self.root, self.services, self.signers)
            for is_delta in (False, True)
        ]

    def ocsp(self, *certificates: x509.Certificate) -> list[bytes]:
        """The answer of each certificate's authority, which knows of no revocation, by a responder of its own."""
        return [self._ocsp(certificate) for certificate in certificates]

    def _ocsp(self, certificate: x509.Certificate) -> bytes:
        authority = next(a for a in (self.signers, self.services) if a.certificate.subject == certificate.issuer)
        key = _key()
        delegated = self._issue(authority, OCSP, Subject("应答", organization="测试"), key)
        responder = OcspResponder(authority.name, authority.certificate, delegated, key)
        question = OCSPRequestBuilder().add_certificate(certificate, authority.certificate, hashes.SHA256()).build()
        der = question.public_bytes(Encoding.DER)
        return answer_ocsp(der, [responder], lambda issuer, serial: GOOD, self.clock).der

    def signer(self, binding: SignatureBinding) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate for one signature and its key, as the browser would hold it."""
        key = _key()
        subject = Subject("张㛃𠮷", surname="张", given_name="㛃𠮷")
        request = CertificateRequest(
            subject, key.public_key(), (signature_urn("ceremony-1", "enterprise"),), binding=binding
        )
        return self.signers.issue(self.signers.prepare(SIGNER, request)), key

    def _issuing(self, name: str, urls: PublicationUrls) -> IssuingAuthority:
        key = _key()
        subject = Subject(f"测试签发 {name}", organization="测试")
        certificate = sign_issuing(self.root, name, subject, key.public_key())
        return IssuingAuthority(name, certificate, (self.root.certificate,), key, urls, self.clock)

    def _issue(self, authority: IssuingAuthority, profile: Any, subject: Subject, key: Any) -> x509.Certificate:
        request = CertificateRequest(subject, key.public_key())
        return authority.issue(authority.prepare(profile, request))


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def webcrypto_sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """r||s, as `crypto.subtle.sign` answers."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass
class SignedContract:
    rendered: Any
    prepared: bytes
    binding: SignatureBinding
    signer: x509.Certificate
    once: bytes
    """Signed by the legal representative."""
    twice: bytes
    """And sealed by the bank."""
    archived: bytes
    """And with validation data and an archive time stamp."""


@pytest.fixture
def now() -> datetime:
    return NOW


def nothing_revoked(certificate: x509.Certificate) -> RevocationState:
    """An authority's own records, in which every certificate is good."""
    return GOOD


@pytest.fixture
def records() -> Callable[[x509.Certificate], RevocationState]:
    return nothing_revoked


@pytest.fixture
def terms() -> dict[str, Any]:
    return copy.deepcopy(TERMS)


@pytest.fixture
def face_evidence() -> dict[str, Any]:
    return copy.deepcopy(FACE_EVIDENCE)


@pytest.fixture
def webcrypto() -> Callable[[ec.EllipticCurvePrivateKey, bytes], bytes]:
    return webcrypto_sign


@pytest.fixture(scope="session")
def hierarchy() -> Hierarchy:
    return Hierarchy()


@pytest.fixture(scope="session")
def sign_contract() -> Callable[[Hierarchy], SignedContract]:
    def sign(hierarchy: Hierarchy) -> SignedContract:
        rendered = render("product-service-agreement", TERMS)
        prepared = prepare_document(rendered.pdf, rendered.places)
        binding = SignatureBinding(
            bytes.fromhex(FACE_EVIDENCE["root"]), get_wording().sha256, hashlib.sha256(prepared).digest()
        )
        certificate, key = hierarchy.signer(binding)
        enterprise = TERMS["enterprise"]
        both = seals.company_and_person_seal(enterprise["name"], ENTERPRISE_USCC, enterprise["legal_representative"])
        field, bank_field = (place.name for place in rendered.places)
        pending = begin_signature(prepared, field, certificate, hierarchy.signer_chain, binding, both, at=NOW)
        once = finish_signature(pending, webcrypto_sign(key, pending.signed_attributes), hierarchy.timestamps)
        twice = sign_with_key(
            once,
            bank_field,
            hierarchy.seal_key,
            hierarchy.seal,
            hierarchy.seal_chain,
            hierarchy.timestamps,
            at=NOW,
            seal=seals.company_seal(TERMS["bank"]["name"], BANK_USCC),
        )
        archived = archive(twice, hierarchy.timestamps, certificates=hierarchy.authorities, crls=hierarchy.crls())
        return SignedContract(rendered, prepared, binding, certificate, once, twice, archived)

    return sign


@pytest.fixture(scope="session")
def contract(hierarchy: Hierarchy, sign_contract: Callable[[Hierarchy], SignedContract]) -> SignedContract:
    return sign_contract(hierarchy)
