import dataclasses
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import keys
from pki.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateRevoked,
    PathInvalid,
    PathTooComplex,
    RevocationUnknown,
    UntrustedIssuer,
    WrongPurpose,
)
from pki.keys import KeyType
from pki.path import MAXIMUM_SIGNATURE_CHECKS, Purpose, TrustPolicy, validate_path
from pki.ports import PrivateKey
from pki.profiles import API, ISSUING, PRODUCT_SIGN, PROFILES, SIGNER, Profile
from pki.revocation import GOOD, Reason, RevocationState
from pki.suite import key_kind
from tests.pki.hierarchy import START, Hierarchy, request_for

CA = Hierarchy()
TRUST = TrustPolicy((CA.root.certificate,), tuple(a.certificate for a in CA.issuing.values()))
_, API_LEAF = CA.issue(API)


def good(_: x509.Certificate) -> RevocationState:
    return GOOD


@pytest.mark.parametrize("purpose", Purpose)
def test_every_profile_passes_for_its_own_purpose_only(purpose: Purpose) -> None:
    _, leaf = CA.issue(PROFILES[purpose])
    path = validate_path(leaf, TRUST, START, purpose=purpose, revocation=good)
    assert path.leaf == leaf
    assert path.anchor == CA.root.certificate
    assert len(path.chain) == 3
    for other in set(Purpose) - {purpose}:
        with pytest.raises(WrongPurpose):
            validate_path(leaf, TRUST, START, purpose=other, revocation=good)


def test_the_edges_of_validity() -> None:
    start, end = API_LEAF.not_valid_before_utc, API_LEAF.not_valid_after_utc
    for at in (start, end):
        validate_path(API_LEAF, TRUST, at, purpose=Purpose.API)
    second = timedelta(seconds=1)
    with pytest.raises(CertificateNotYetValid):
        validate_path(API_LEAF, TRUST, start - second, purpose=Purpose.API)
    with pytest.raises(CertificateExpired):
        validate_path(API_LEAF, TRUST, end + second, purpose=Purpose.API)


def test_expired_is_only_said_of_what_was_trusted() -> None:
    stranger = Hierarchy()
    _, leaf = stranger.issue(API)  # the same names everywhere, but other keys
    for at in (START, START + timedelta(days=9999)):
        with pytest.raises(UntrustedIssuer):
            validate_path(leaf, TRUST, at, purpose=Purpose.API)


def test_an_unknown_intermediate_or_anchor_is_untrusted() -> None:
    for trust in (
        TrustPolicy((CA.root.certificate,)),
        TrustPolicy((), (CA.root.certificate, CA.issuing["api"].certificate)),
    ):
        with pytest.raises(UntrustedIssuer):
            validate_path(API_LEAF, trust, START, purpose=Purpose.API)
    with pytest.raises(UntrustedIssuer):
        validate_path(CA.root.certificate, TRUST, START, purpose=Purpose.API)


def test_an_authority_is_no_leaf() -> None:
    with pytest.raises(WrongPurpose):
        validate_path(CA.issuing["api"].certificate, TRUST, START, purpose=Purpose.API)


@pytest.mark.parametrize("revoked", [API_LEAF, CA.issuing["api"].certificate])
def test_revocation_of_leaf_or_issuer_counts_from_its_time_on(revoked: x509.Certificate) -> None:
    state = RevocationState(START + timedelta(hours=1), Reason.key_compromise)

    def lookup(certificate: x509.Certificate) -> RevocationState:
        return state if certificate == revoked else GOOD

    validate_path(API_LEAF, TRUST, START, purpose=Purpose.API, revocation=lookup)
    with pytest.raises(CertificateRevoked) as caught:
        validate_path(API_LEAF, TRUST, START + timedelta(hours=1), purpose=Purpose.API, revocation=lookup)
    assert "keyCompromise" in str(caught.value)


def test_silence_about_revocation_is_no_consent() -> None:
    with pytest.raises(RevocationUnknown):
        validate_path(API_LEAF, TRUST, START, purpose=Purpose.API, revocation=lambda _: None)


def test_signer_certificates_are_not_looked_up() -> None:
    _, leaf = CA.issue(SIGNER)
    asked = []

    def lookup(certificate: x509.Certificate) -> RevocationState:
        asked.append(certificate)
        return GOOD

    validate_path(leaf, TRUST, START, purpose=Purpose.SIGNER, revocation=lookup)
    assert asked == [CA.issuing["signer"].certificate]


def test_after_a_roll_over_old_and_new_certificates_stand() -> None:
    ca = Hierarchy()
    _, old = ca.issue(API)
    second = ca.add_issuing("api-2")
    new = second.issue(second.prepare(API, request_for(API, keys.generate(KeyType.EC_P256))))
    trust = TrustPolicy((ca.root.certificate,), tuple(a.certificate for a in ca.issuing.values()))
    for leaf in (old, new):
        validate_path(leaf, trust, START, purpose=Purpose.API)


def forge(
    subject: str,
    key: PrivateKey,
    issuer: x509.Certificate,
    issuer_key: PrivateKey,
    *extensions: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    """A certificate as a careless or hostile holder of an authority's key would make it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    end = START + ISSUING.validity
    builder = x509.CertificateBuilder(issuer.subject, name, key.public_key(), 4711, START, end)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def leaf_extensions(profile: Profile, key: PrivateKey) -> list[tuple[x509.ExtensionType, bool]]:
    usage = profile.key_usage_for(key_kind(key))
    assert usage
    assert profile.policy
    return [
        (usage, True),
        (x509.ExtendedKeyUsage([profile.extended_key_usage]), False),
        (x509.CertificatePolicies([x509.PolicyInformation(profile.policy, None)]), False),
    ]


def test_an_issuing_authority_cannot_serve_another_role() -> None:
    key, product = keys.generate(KeyType.EC_P256), CA.issuing["product"]
    leaf = forge("rogue", key, product.certificate, product.key, *leaf_extensions(API, key))
    with pytest.raises(WrongPurpose):
        validate_path(leaf, TRUST, START, purpose=Purpose.API)


def test_a_leaf_cannot_issue() -> None:
    key, (leaf_key, leaf) = keys.generate(KeyType.EC_P256), CA.issue(API)
    below = forge("below", key, leaf, leaf_key, *leaf_extensions(API, key))
    trust = dataclasses.replace(TRUST, intermediates=(*TRUST.intermediates, leaf))
    with pytest.raises(WrongPurpose):
        validate_path(below, trust, START, purpose=Purpose.API)


def test_path_length_is_kept() -> None:
    key, sub_key, api = keys.generate(KeyType.EC_P256), keys.generate(KeyType.EC_P256), CA.issuing["api"]
    policies = api.certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    usage = api.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    sub = forge("sub", sub_key, api.certificate, api.key, (constraints, True), (usage, True), (policies, False))
    leaf = forge("leaf", key, sub, sub_key, *leaf_extensions(API, key))
    trust = dataclasses.replace(TRUST, intermediates=(*TRUST.intermediates, sub))
    with pytest.raises(WrongPurpose, match="path length"):
        validate_path(leaf, trust, START, purpose=Purpose.API)


def test_an_unknown_critical_extension_is_refused() -> None:
    key, api = keys.generate(KeyType.EC_P256), CA.issuing["api"]
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    for critical in (True, False):
        extensions = [*leaf_extensions(API, key), (strange, critical)]
        leaf = forge("strange", key, api.certificate, api.key, *extensions)
        if critical:
            with pytest.raises(WrongPurpose, match="critical"):
                validate_path(leaf, TRUST, START, purpose=Purpose.API)
        else:
            validate_path(leaf, TRUST, START, purpose=Purpose.API)


def test_a_thicket_of_issuers_with_one_name_is_bounded() -> None:
    subject = CA.issuing["api"].certificate.subject
    key = keys.generate(KeyType.EC_P256)
    thicket = tuple(
        x509.CertificateBuilder(subject, subject, key.public_key(), serial + 1, START, START + API.validity).sign(
            key, hashes.SHA256()
        )
        for serial in range(MAXIMUM_SIGNATURE_CHECKS + 1)
    )
    with pytest.raises(PathTooComplex):
        validate_path(API_LEAF, TrustPolicy(thicket), START, purpose=Purpose.API)
    loop = forge("loop", key, thicket[0], key)
    with pytest.raises(PathInvalid):
        validate_path(loop, TrustPolicy((CA.root.certificate,), thicket), START, purpose=Purpose.API)


@given(st.integers(0))
def test_no_flipped_bit_of_the_signed_part_passes(bit: int) -> None:
    der = bytearray(PRODUCT_LEAF.public_bytes(Encoding.DER))
    bit %= len(PRODUCT_LEAF.tbs_certificate_bytes) * 8
    der[4 + bit // 8] ^= 1 << bit % 8
    try:
        leaf = x509.load_der_x509_certificate(bytes(der))
    except (ValueError, x509.InvalidVersion):
        return
    with pytest.raises(PathInvalid):
        validate_path(leaf, TRUST, START, purpose=Purpose.PRODUCT_SIGN)


_, PRODUCT_LEAF = CA.issue(PRODUCT_SIGN)


def test_times_are_compared_as_aware() -> None:
    naive = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001
    with pytest.raises(TypeError):
        validate_path(API_LEAF, TRUST, naive, purpose=Purpose.API)
