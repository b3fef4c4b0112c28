import itertools
import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki.authority import IssuingAuthority
from pki.errors import CertificateExpired, CertificateRevoked, PathInvalid, PathTooComplex, RevocationUnknown
from pki.foreign import MAXIMUM_BYTES, MAXIMUM_INTERMEDIATES, PolicyInputs, validate_foreign_path
from pki.keys import KeyType, generate
from pki.profiles import API, SIGNER
from pki.revocation import RevokedEntry, build_crl
from tests.pki.hierarchy import START, Hierarchy

CA = Hierarchy()
_, LEAF = CA.issue(API)
DAY = timedelta(days=1)


def crls_of(authority: IssuingAuthority, *entries: RevokedEntry) -> tuple[bytes, bytes]:
    """A complete CRL and, because it points to one, a delta CRL."""
    complete = build_crl(authority, entries, 1, START, START + DAY)
    return complete, build_crl(authority, [], 2, START, START + DAY, delta_of=1)


ROOT_CRLS, CRLS = crls_of(CA.root), crls_of(CA.issuing["api"])


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def validate(
    leaf: bytes, *intermediates: bytes, crls: tuple[bytes, ...] = (*ROOT_CRLS, *CRLS), **options: object
) -> tuple[bytes, ...]:
    at = options.pop("at", START + timedelta(hours=1))
    return validate_foreign_path(leaf, [der(CA.root.certificate)], intermediates, crls, at, **options)


ISSUER = der(CA.issuing["api"].certificate)


def test_our_own_hierarchy_passes_the_full_algorithm_too() -> None:
    inputs = PolicyInputs(frozenset({API.policy.dotted_string}), require_explicit=True)
    assert validate(der(LEAF), ISSUER, policies=inputs) == (der(LEAF), ISSUER, der(CA.root.certificate))
    foreign = PolicyInputs(frozenset({SIGNER.policy.dotted_string}), require_explicit=True)
    with pytest.raises(PathInvalid):
        validate(der(LEAF), ISSUER, policies=foreign)


def test_time_and_revocation_have_their_own_errors() -> None:
    with pytest.raises(CertificateExpired):
        validate(der(LEAF), ISSUER, at=START + timedelta(days=9999))
    with pytest.raises(RevocationUnknown):
        validate(der(LEAF), ISSUER, crls=ROOT_CRLS)
    revoked = crls_of(CA.issuing["api"], RevokedEntry(LEAF.serial_number, START))
    with pytest.raises(CertificateRevoked):
        validate(der(LEAF), ISSUER, crls=(*ROOT_CRLS, *revoked))


def cross_signed(names: int) -> list[bytes]:
    """Authorities that all sign each other with one key, so that every order of them is a path."""
    key = generate(KeyType.EC_P256)
    subjects = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {n}")]) for n in range(names)]
    return [
        der(
            x509.CertificateBuilder(issuer, subject, key.public_key(), number + 1, START, START + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        for number, (issuer, subject) in enumerate(itertools.permutations(subjects, 2))
    ]


def test_hostile_chains_end_in_time() -> None:
    (*thicket, leaf), started = cross_signed(4), time.process_time()
    with pytest.raises(PathInvalid):
        validate(leaf, *thicket)
    assert time.process_time() - started < 5
    with pytest.raises(PathTooComplex):
        validate(leaf, *cross_signed(5))
    with pytest.raises(PathTooComplex):
        validate(leaf, *[ISSUER] * (MAXIMUM_INTERMEDIATES + 1))
    with pytest.raises(PathTooComplex):
        validate(leaf, bytes(MAXIMUM_BYTES + 1))


def test_name_constraints_cannot_be_multiplied_with_names() -> None:
    key, name = generate(KeyType.EC_P256), CA.root.certificate.subject
    names = [x509.DNSName(f"{n}.example.com") for n in range(500)]
    many = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, START, START + DAY)
        .add_extension(x509.NameConstraints(names, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    with pytest.raises(PathTooComplex):
        validate(der(many))


@given(st.sampled_from((0, 1, 2)), st.integers(0))
def test_a_flipped_bit_anywhere_is_refused_with_a_typed_error(which: int, bit: int) -> None:
    parts = [der(LEAF), ISSUER, CRLS[0]]
    flipped = bytearray(parts[which])
    bit %= len(flipped) * 8
    flipped[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(flipped)
    with pytest.raises(PathInvalid):
        validate(parts[0], parts[1], crls=(*ROOT_CRLS, parts[2], CRLS[1]))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    for arguments in ((data, ISSUER), (der(LEAF), data)):
        with pytest.raises(PathInvalid):
            validate(*arguments)
