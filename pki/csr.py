"""The gate for certificate signing requests (PKCS #10, RFC 2986)."""

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import SignatureAlgorithmOID

from pki.errors import InvalidCsr
from pki.keys import PublicKey, check_public_key

MAXIMUM_BYTES = 64 * 1024

_PEM = re.compile(
    rb"-----BEGIN (NEW |)CERTIFICATE REQUEST-----([A-Za-z0-9+/= \t\r\n]+)-----END \1CERTIFICATE REQUEST-----"
)
_WHITE_SPACE = b" \t\r\n"
_UNPARSABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_ECDSA = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class CheckedCsr:
    """A request whose sender proved to hold the private key of a sound `public_key`.

    Subject and extensions of `csr` remain claims: a certificate is made from the caller's own records.
    """

    public_key: PublicKey
    csr: x509.CertificateSigningRequest

    def verify_claims(self, name: x509.Name, uris: tuple[str, ...], dns_names: tuple[str, ...]) -> None:
        """Raise InvalidCsr where the request claims a subject or alternative name other than the certified.

        What it leaves out is no contradiction; each attribute that it names must be among those of `name`.
        """
        certified = {(attribute.oid, attribute.value) for attribute in name}
        if any((attribute.oid, attribute.value) not in certified for attribute in self.csr.subject):
            raise InvalidCsr("it claims another subject")
        names: set[tuple[type, str]] = {(x509.UniformResourceIdentifier, uri) for uri in uris}
        names |= {(x509.DNSName, dns_name) for dns_name in dns_names}
        for extension in self.csr.extensions:
            value = extension.value
            if isinstance(value, x509.SubjectAlternativeName) and any(
                (type(claimed), claimed.value) not in names for claimed in value
            ):
                raise InvalidCsr("it claims another alternative name")
            if isinstance(value, x509.BasicConstraints) and value.ca:
                raise InvalidCsr("it claims to be an authority")


def parse_csr(der_or_pem: bytes) -> CheckedCsr:
    """Check a request of at most 64 KiB: form, proof of possession (RFC 2986 §4.2), soundness of the key.

    Raises InvalidCsr, and WeakKey for a well-formed request with a key that may not be certified.
    """
    if len(der_or_pem) > MAXIMUM_BYTES:
        raise InvalidCsr(f"more than {MAXIMUM_BYTES} bytes")
    der = _der(der_or_pem)
    try:
        csr = x509.load_der_x509_csr(der)
        public_key = csr.public_key()
        _ = csr.extensions, csr.subject  # parsed lazily: malformed ones are refused here
        digest = csr.signature_hash_algorithm
        signature = csr.signature
        is_proven = _is_proven(csr, public_key, signature, digest)
    except _UNPARSABLE as exc:
        raise InvalidCsr("it cannot be parsed") from exc
    if digest is not None and not isinstance(digest, _DIGESTS):
        raise InvalidCsr(f"it is signed with {digest.name}")
    if not is_proven or not der.endswith(b"\0" + signature):
        # the last BIT STRING must not claim unused bits: nothing else in a request is outside the signature
        raise InvalidCsr("its signature does not prove possession of the key")
    return CheckedCsr(check_public_key(public_key), csr)  # last, because it costs the most


def _is_proven(
    csr: x509.CertificateSigningRequest, public_key: object, signature: bytes, digest: hashes.HashAlgorithm | None
) -> bool:
    """RFC 2986 §4.2. For EC with the key that was parsed already: parsing it again costs as much as a signature."""
    if csr.signature_algorithm_oid not in _ECDSA or not isinstance(public_key, ec.EllipticCurvePublicKey):
        return csr.is_signature_valid
    assert digest is not None
    try:
        public_key.verify(signature, csr.tbs_certrequest_bytes, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def _der(der_or_pem: bytes) -> bytes:
    if not der_or_pem.lstrip(_WHITE_SPACE).startswith(b"-----"):
        return der_or_pem
    match = _PEM.fullmatch(der_or_pem.strip(_WHITE_SPACE))
    if match is None:
        raise InvalidCsr("the PEM armour is malformed")
    text = b"".join(match[2].split())
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise InvalidCsr("the PEM armour is malformed") from exc
    if base64.b64encode(der) != text:  # one request has one text: no stray bits behind the padding
        raise InvalidCsr("the PEM armour is malformed")
    return der
