import os
import re
from functools import cache

import pytest
from asn1crypto import csr as asn1_csr
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import der, keys
from pki.csr import parse_csr
from pki.errors import InvalidCsr, PkiError, WeakKey
from pki.keys import KeyType
from pki.ports import PrivateKey
from pki.signatures import algorithm_of, sign, signed

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
URI = "urn:yunlian:app:app-1"
TYPES = (KeyType.EC_P256, KeyType.EC_P384, KeyType.ED25519, KeyType.RSA_2048)


def make_csr(
    key: PrivateKey,
    *extensions: x509.ExtensionType,
    digest: hashes.HashAlgorithm | None = None,
    subject: x509.Name = NAME,
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
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


# Small in every run, 200 requests of every kind where YUNLIAN_PROOF=full: minutes of CPU time.
REQUESTS = {"ec-p256": 120, "ec-p384": 30, "ed25519": 30, "rsa-2048": 20}
IS_FULL = os.environ.get("YUNLIAN_PROOF") == "full"


@pytest.mark.parametrize("key_type", TYPES)
def test_no_flipped_bit_of_any_request_is_certified_proof(key_type: KeyType) -> None:
    for number in range(REQUESTS[key_type] if IS_FULL else 1):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"应用 {number}")])
        names = [x509.UniformResourceIdentifier(f"{URI}-{number}")] * (number % 3)
        extensions = [x509.SubjectAlternativeName(names)] if names else []
        original = make_csr(keys.generate(key_type), *extensions, subject=subject).public_bytes(Encoding.DER)
        parse_csr(original)
        for bit in range(len(original) * 8):
            flipped = bytearray(original)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(PkiError):
                parse_csr(bytes(flipped))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCsr):
        parse_csr(data)


def der_of(key_type: KeyType = KeyType.EC_P256) -> bytes:
    return csr(key_type).public_bytes(Encoding.DER)


def pem() -> bytes:
    return csr(KeyType.EC_P256).public_bytes(Encoding.PEM)


def resigned(algorithm: str, key_type: KeyType = KeyType.EC_P256) -> bytes:
    """A good request whose signature claims another algorithm."""
    request = asn1_csr.CertificationRequest.load(der_of(key_type))
    request["signature_algorithm"] = {"algorithm": algorithm}
    return bytes(request.dump(force=True))


def with_subject_of(content: bytes) -> bytes:
    """Properly signed, but with this in the place of the subject."""
    key = generate_ec()
    spki = keys.encode_spki(key.public_key())
    info = der.sequence(der.integer(0), content, spki, der.tlv(0xA0))
    return signed(info, algorithm_of(key), sign(key, info))


def generate_ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


BAD_REQUESTS = {
    "empty": lambda: b"",
    "truncated": lambda: der_of()[:-1],
    "truncated to its header": lambda: der_of()[:4],
    "trailing octet": lambda: der_of() + b"\0",
    "oversized": lambda: der_of() + bytes(70_000),
    "oversized armour": lambda: pem() + b"\n" * 70_000,
    "indefinite length": lambda: b"\x30\x80" + der_of()[4:] + b"\0\0",
    "length in too many octets": lambda: b"\x30\x83\x00" + der_of()[2:],
    "a certificate": lambda: re.sub(rb"CERTIFICATE REQUEST", b"CERTIFICATE", pem()),
    "armour with two blanks": lambda: pem().replace(b"END CERTIFICATE", b"END  CERTIFICATE"),
    "armour with strange letters": lambda: pem().replace(b"\n", b"\n!", 1),
    "two requests": lambda: pem() + pem(),
    "SHA-1": lambda: resigned("sha1_ecdsa"),
    "RSA over an EC key": lambda: resigned("sha256_rsa"),
    "Ed25519 over an EC key": lambda: resigned("ed25519"),
    "ECDSA over an RSA key": lambda: resigned("sha256_ecdsa", KeyType.RSA_2048),
    "another digest": lambda: resigned("sha384_ecdsa"),
    "SHA-3": lambda: make_csr(generate_ec(), digest=hashes.SHA3_256()).public_bytes(Encoding.DER),
    "the subject is no name": lambda: with_subject_of(der.octet_string(b"x")),
    "a country that is a bit string": lambda: with_subject_of(
        der.sequence(
            der.set_of(der.sequence(der.object_identifier(NameOID.COUNTRY_NAME), der.bit_string(b"CN"))),
        )
    ),
    "an empty attribute": lambda: with_subject_of(der.sequence(der.tlv(der.SET))),
}


@pytest.mark.parametrize("kind", BAD_REQUESTS)
def test_bad_requests_are_refused_with_a_typed_error(kind: str) -> None:
    with pytest.raises(InvalidCsr):
        parse_csr(BAD_REQUESTS[kind]())


def test_weak_keys_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(3, 2048)):
        with pytest.raises(WeakKey):
            parse_csr(make_csr(key).public_bytes(Encoding.DER))


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
