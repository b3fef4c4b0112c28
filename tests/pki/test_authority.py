import dataclasses
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import keys
from pki.authority import CertificateRequest, Subject, generation_of, next_generation, role_of, sign_issuing
from pki.binding import PortraitAssurance, find_portrait_assurance, get_signature_binding
from pki.errors import InvalidIdentifier, PreparedTwice, ProfileViolation, WeakKey
from pki.identifiers import application_urn, product_urn
from pki.keys import KeyType
from pki.profiles import (
    API,
    ISSUING,
    PRODUCT_ENCRYPT,
    PRODUCT_SIGN,
    PROFILES,
    SIGNER,
    TSA,
    VALIDITY_ASSURED_SHORT_TERM,
    Custody,
    IssuingRole,
    Profile,
    find_custody,
)
from tests.pki import pkilint_oracle
from tests.pki.hierarchy import AUTHORITY_OF, BANK, BINDING, ENTERPRISE, USCC, Hierarchy, request_for

HIERARCHY = Hierarchy()
HIERARCHIES = {KeyType.EC_P256: HIERARCHY}
LEAF_PROFILES = [PROFILES[name] for name in AUTHORITY_OF]


def hierarchy(key_type: KeyType) -> Hierarchy:
    if key_type not in HIERARCHIES:
        HIERARCHIES[key_type] = Hierarchy(key_type)
    return HIERARCHIES[key_type]


@pytest.mark.parametrize("authority_key", [KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048])
def test_pkilint_finds_nothing_in_any_profile(authority_key: KeyType) -> None:
    ca = hierarchy(authority_key)
    assert pkilint_oracle.lint_certificate(ca.root.certificate) == []
    for authority in ca.issuing.values():
        assert pkilint_oracle.lint_certificate(authority.certificate) == []
        assert pkilint_oracle.lint_pair(ca.root.certificate, authority.certificate) == []
    for profile in LEAF_PROFILES:
        _, certificate = ca.issue(profile)
        issuer = ca.issuing[AUTHORITY_OF[profile.name]].certificate
        assert pkilint_oracle.lint_certificate(certificate) == [], profile.name
        assert pkilint_oracle.lint_pair(issuer, certificate) == [], profile.name


@pytest.mark.parametrize("leaf_key", [KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048])
@pytest.mark.parametrize("profile", LEAF_PROFILES, ids=lambda profile: profile.name)
def test_every_key_type_of_a_profile_is_clean(profile: Profile, leaf_key: KeyType) -> None:
    if leaf_key is KeyType.ED25519 and profile.name.endswith("encrypt"):
        with pytest.raises(ProfileViolation):
            HIERARCHY.issue(profile, leaf_key)
    else:
        _, certificate = HIERARCHY.issue(profile, leaf_key)
        assert pkilint_oracle.lint_certificate(certificate) == []


OPENSSL_PURPOSE = {
    "api": "sslclient",
    "tls-server": "sslserver",
    "tsa": "timestampsign",
    "ocsp": "ocsphelper",
}


@pytest.mark.parametrize("profile", LEAF_PROFILES, ids=lambda profile: profile.name)
def test_our_encoding_is_that_of_the_certificate_builder(profile: Profile) -> None:
    _, certificate = HIERARCHY.issue(profile)
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        list(certificate.extensions),
    )
    key = HIERARCHY.issuing[AUTHORITY_OF[profile.name]].key
    again = builder.sign(key, certificate.signature_hash_algorithm)
    assert again.tbs_certificate_bytes == certificate.tbs_certificate_bytes


@pytest.mark.parametrize("profile", LEAF_PROFILES, ids=lambda profile: profile.name)
def test_openssl_verifies_the_chain_strictly(tmp_path: Path, profile: Profile) -> None:
    _, leaf = HIERARCHY.issue(profile)
    issuer = HIERARCHY.issuing[AUTHORITY_OF[profile.name]].certificate
    for name, certificate in {"root": HIERARCHY.root.certificate, "issuer": issuer, "leaf": leaf}.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-policy_check"]
    command += ["-attime", str(int(HIERARCHY.clock().timestamp())), "-CAfile", "root", "-untrusted", "issuer"]
    command += ["-purpose", OPENSSL_PURPOSE.get(profile.name, "any")]
    if profile.policy is not None:
        command += ["-explicit_policy", "-policy", profile.policy.dotted_string]
    done = subprocess.run([*command, "leaf"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "leaf: OK", done.stderr


def test_serial_numbers_have_twenty_octets_and_differ() -> None:
    serials = {HIERARCHY.issue(API)[1].serial_number for _ in range(50)}
    assert len(serials) == 50
    assert all(serial.bit_length() == 159 for serial in serials)


def test_a_signer_certificate_lives_eleven_minutes_and_carries_its_binding() -> None:
    _, certificate = HIERARCHY.issue(SIGNER)
    now = HIERARCHY.clock()
    assert certificate.not_valid_before_utc == now - timedelta(minutes=1)
    assert certificate.not_valid_after_utc == now + timedelta(minutes=10)
    assert get_signature_binding(certificate) == BINDING
    extension = certificate.extensions.get_extension_for_oid(VALIDITY_ASSURED_SHORT_TERM)
    assert extension.value.public_bytes() == b"\x05\x00"
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)


@pytest.mark.parametrize("assurance", [*PortraitAssurance, None])
def test_a_signer_certificate_may_say_how_good_the_portrait_was(assurance: PortraitAssurance | None) -> None:
    authority = HIERARCHY.issuing["signer"]
    request = request_for(SIGNER, keys.generate(KeyType.EC_P256))
    request = dataclasses.replace(request, portrait_assurance=assurance)
    certificate = authority.issue(authority.prepare(SIGNER, request))
    assert find_portrait_assurance(certificate) is assurance
    assert pkilint_oracle.lint_pair(authority.certificate, certificate) == []


@pytest.mark.parametrize("custody", Custody)
def test_custody_stands_in_both_halves_of_a_product_pair(custody: Custody) -> None:
    authority = HIERARCHY.issuing["product"]
    for profile in (PRODUCT_SIGN, PRODUCT_ENCRYPT):
        request = dataclasses.replace(request_for(profile, keys.generate(KeyType.EC_P256)), custody=custody)
        assert find_custody(authority.issue(authority.prepare(profile, request))) is custody
    assert find_custody(HIERARCHY.issue(API)[1]) is None


def test_validity_is_cut_to_the_issuers() -> None:
    ca = Hierarchy()
    ca.clock.advance(ISSUING.validity - timedelta(days=30))
    _, certificate = ca.issue(API)
    assert certificate.not_valid_after_utc == ca.issuing["api"].certificate.not_valid_after_utc
    ca.clock.advance(timedelta(days=31))
    with pytest.raises(ProfileViolation):
        ca.issue(API)


def test_a_request_may_narrow_the_validity_but_not_widen_it() -> None:
    authority, now = HIERARCHY.issuing["api"], HIERARCHY.clock()
    request = request_for(API, keys.generate(KeyType.EC_P256))
    narrow = dataclasses.replace(request, not_before=now, not_after=now + timedelta(days=3))
    certificate = authority.issue(authority.prepare(API, narrow))
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (
        now,
        now + timedelta(days=3),
    )
    for wrong in (
        {"not_before": now - timedelta(days=1)},
        {"not_after": now + timedelta(days=400)},
        {"not_before": now + timedelta(days=2), "not_after": now + timedelta(days=1)},
        {"not_after": now - timedelta(seconds=30)},
    ):
        with pytest.raises(ProfileViolation):
            authority.prepare(API, dataclasses.replace(request, **wrong))


def test_what_was_prepared_is_issued_once_and_by_its_own_authority() -> None:
    authority = HIERARCHY.issuing["api"]
    prepared = authority.prepare(API, request_for(API, keys.generate(KeyType.EC_P256)))
    with pytest.raises(PreparedTwice):
        HIERARCHY.issuing["product"].issue(prepared)
    certificate = authority.issue(prepared)
    certificate.verify_directly_issued_by(authority.certificate)
    with pytest.raises(PreparedTwice):
        authority.issue(prepared)


URN = application_urn("app-1")
API_KEY = keys.generate(KeyType.EC_P256).public_key()


@pytest.mark.parametrize(
    ("profile", "request_"),
    [
        (API, CertificateRequest(BANK, API_KEY)),
        (API, CertificateRequest(BANK, API_KEY, (URN, URN))),
        (API, CertificateRequest(BANK, API_KEY, (product_urn(USCC, "payments"),))),
        (API, CertificateRequest(BANK, API_KEY, (URN,), dns_names=("localhost",))),
        (API, CertificateRequest(BANK, API_KEY, (URN,), custody=Custody.AGENT)),
        (API, CertificateRequest(BANK, API_KEY, (URN,), binding=BINDING)),
        (API, CertificateRequest(BANK, API_KEY, (URN,), portrait_assurance=PortraitAssurance.LOW)),
        (API, CertificateRequest(BANK, API_KEY, (URN,), policies=(PRODUCT_SIGN.policy,))),
        (API, CertificateRequest(Subject("nobody"), API_KEY, (URN,))),
        (API, CertificateRequest(Subject("x" * 65, "云联银行"), API_KEY, (URN,))),
        (API, CertificateRequest(Subject("", "云联银行"), API_KEY, (URN,))),
        (PRODUCT_SIGN, CertificateRequest(ENTERPRISE, API_KEY, (product_urn(USCC, "payments"),))),
        (TSA, CertificateRequest(BANK, API_KEY)),
        (ISSUING, CertificateRequest(BANK, API_KEY, policies=(API.policy,))),
    ],
)
def test_requests_outside_the_profile_or_the_authority_are_refused(
    profile: Profile, request_: CertificateRequest
) -> None:
    name = "product" if profile is PRODUCT_SIGN else "api"
    with pytest.raises(ProfileViolation):
        HIERARCHY.issuing[name].prepare(profile, request_)


def test_weak_keys_are_refused_whoever_asks() -> None:
    key = ec.generate_private_key(ec.SECP521R1()).public_key()
    with pytest.raises(WeakKey):
        HIERARCHY.issuing["api"].prepare(API, CertificateRequest(BANK, key, (URN,)))


def test_the_root_signs_issuing_authorities_only() -> None:
    with pytest.raises(ProfileViolation):
        HIERARCHY.root.prepare(API, request_for(API, keys.generate(KeyType.EC_P256)))
    key = keys.generate(KeyType.EC_P256)
    with pytest.raises(InvalidIdentifier):
        sign_issuing(HIERARCHY.root, "everything", BANK, key.public_key())


def test_an_authority_needs_the_key_of_its_certificate() -> None:
    api = HIERARCHY.issuing["api"]
    with pytest.raises(ProfileViolation):
        dataclasses.replace(api, key=keys.generate(KeyType.EC_P256))


def test_a_second_generation_publishes_under_its_own_name() -> None:
    ca = Hierarchy()
    second = ca.add_issuing("api-2")
    certificate = second.issue(second.prepare(API, request_for(API, keys.generate(KeyType.EC_P256))))
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == "http://pki.example.com/pki/crl/api-2.crl"


@pytest.mark.parametrize(
    ("names", "following"),
    [([], "api"), (["api"], "api-2"), (["api", "api-9", "product-11", "api-2"], "api-10"), (["product"], "api")],
)
def test_the_next_generation_counts_on(names: list[str], following: str) -> None:
    assert next_generation(IssuingRole.API, names) == following
    assert role_of(following) is IssuingRole.API
    assert generation_of("api") == 1
    assert generation_of("api-12") == 12


@pytest.mark.parametrize("name", ["", "api-", "api-x", "api-٢", "api-0", "api-1", "api-02", "root", "API", "api2"])
def test_other_names_have_no_role(name: str) -> None:
    assert role_of("api-2") is IssuingRole.API
    with pytest.raises(InvalidIdentifier):
        role_of(name)


TEXT = st.none() | st.text(max_size=30)


@given(st.builds(Subject, st.text(max_size=70), TEXT, TEXT, TEXT, TEXT, TEXT, country=st.sampled_from(("CN", "C", ""))))
def test_a_subject_is_encoded_as_the_name_that_it_is(subject: Subject) -> None:
    try:
        expected = subject.name().public_bytes()
    except ProfileViolation:
        with pytest.raises(ProfileViolation):
            subject.encode()
    else:
        assert subject.encode() == expected


def test_chinese_names_are_kept() -> None:
    _, certificate = HIERARCHY.issue(SIGNER)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "张伟"
