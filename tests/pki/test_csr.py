import re
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import keys
from pki.csr import parse_csr
from pki.errors import InvalidCsr, PkiError, WeakKey
from pki.keys import KeyType
from pki.ports import PrivateKey

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
URI = "urn:yunlian:app:app-1"
TYPES = (KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048)


def make_csr(
    key: PrivateKey, *extensions: x509.ExtensionType, digest: hashes.HashAlgorithm | None = None
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(NAME)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    is_ed25519 = not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return builder.sign(key, None if is_ed25519 else digest or hashes.SHA256())


@cache
def csr(key_type: KeyType) -> x509.CertificateSigningRequest:
    san = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI)])
    return make_csr(keys.generate(key_type), san)


@pytest.mark.parametrize("key_type", TYPES)
def test_der_and_pem_are_accepted(key_type: KeyType) -> None:
    request = csr(key_type)
    pem = request.public_bytes(Encoding.PEM)
    microsoft = pem.replace(b"CERTIFICATE", b"NEW CERTIFICATE").replace(b"\n", b"\r\n")
    for form in (request.public_bytes(Encoding.DER), pem, b"\n" + pem + b"\n\n", microsoft):
        assert parse_csr(form).public_key == request.public_key()


@given(st.sampled_from(TYPES), st.sampled_from((Encoding.DER, Encoding.PEM)), st.integers(0))
def test_no_flipped_bit_is_accepted(key_type: KeyType, encoding: Encoding, bit: int) -> None:
    flipped = bytearray(csr(key_type).public_bytes(encoding))
    bit %= (len(flipped) - 1) * 8  # the newline after the PEM armour is nobody's
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PkiError):
        parse_csr(bytes(flipped))


def test_every_single_bit_of_one_request_counts() -> None:
    original = csr(KeyType.EC_P256).public_bytes(Encoding.DER)
    for bit in range(len(original) * 8):
        flipped = bytearray(original)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PkiError):
            parse_csr(bytes(flipped))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCsr):
        parse_csr(data)


def test_malformed_requests_are_refused() -> None:
    der = csr(KeyType.EC_P256).public_bytes(Encoding.DER)
    pem = csr(KeyType.EC_P256).public_bytes(Encoding.PEM)
    for bad in (
        b"",
        der[:-1],
        der + b"\0",
        der + bytes(70_000),
        pem.replace(b"END CERTIFICATE", b"END  CERTIFICATE"),
        pem.replace(b"\n", b"\n!", 1),
        re.sub(rb"CERTIFICATE REQUEST", b"CERTIFICATE", pem),
        pem + pem,
    ):
        with pytest.raises(InvalidCsr):
            parse_csr(bad)


def test_weak_keys_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(3, 2048)):
        with pytest.raises(WeakKey):
            parse_csr(make_csr(key).public_bytes(Encoding.DER))


def test_a_weak_digest_is_refused() -> None:
    request = make_csr(keys.generate(KeyType.EC_P256), digest=hashes.SHA3_256())
    with pytest.raises(InvalidCsr):
        parse_csr(request.public_bytes(Encoding.DER))


def test_a_foreign_signature_proves_nothing() -> None:
    one, other = (csr(KeyType.EC_P256), make_csr(keys.generate(KeyType.EC_P256)))
    swapped = one.public_bytes(Encoding.DER).replace(
        one.public_key().public_numbers().x.to_bytes(32, "big"),
        other.public_key().public_numbers().x.to_bytes(32, "big"),
    )
    with pytest.raises(InvalidCsr):
        parse_csr(swapped)


def test_claims_are_matched_and_never_taken_over() -> None:
    key = keys.generate(KeyType.EC_P256)
    checked = parse_csr(csr(KeyType.EC_P256).public_bytes(Encoding.DER))
    checked.verify_claims(NAME, (URI,), ())
    with pytest.raises(InvalidCsr):
        checked.verify_claims(NAME, ("urn:yunlian:app:app-2",), ())
    with pytest.raises(InvalidCsr):
        checked.verify_claims(x509.Name([]), (URI,), ())
    authority = make_csr(key, x509.BasicConstraints(ca=True, path_length=None))
    with pytest.raises(InvalidCsr):
        parse_csr(authority.public_bytes(Encoding.DER)).verify_claims(NAME, (URI,), ())
    named = make_csr(key, x509.SubjectAlternativeName([x509.DirectoryName(NAME)]))
    with pytest.raises(InvalidCsr):
        parse_csr(named.public_bytes(Encoding.DER)).verify_claims(NAME, (URI,), ())
