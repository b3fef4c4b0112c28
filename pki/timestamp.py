"""The time-stamp authority (RFC 3161, RFC 5816, ETSI EN 319 422)."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from secrets import randbits
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pki import der
from pki.errors import InvalidTimestampRequest, ProfileViolation
from pki.keys import PrivateKey
from pki.ports import Clock
from pki.profiles import TIMESTAMP_POLICY
from pki.signatures import algorithm_of, sign

MAXIMUM_BYTES = 64 * 1024
ACCURACY_SECONDS = 1

_CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")  # RFC 5035
_TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")

_DIGEST_OIDS = {
    "sha256": ObjectIdentifier("2.16.840.1.101.3.4.2.1"),
    "sha384": ObjectIdentifier("2.16.840.1.101.3.4.2.2"),
    "sha512": ObjectIdentifier("2.16.840.1.101.3.4.2.3"),
}
_DIGEST_NAMES = {oid: name for name, oid in _DIGEST_OIDS.items()}
_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}


class PkiFailure(IntEnum):
    """PKIFailureInfo bits (RFC 3161 §2.4.2)."""

    BAD_ALG = 0
    BAD_DATA_FORMAT = 5
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """What was asked for. `digest` is the message imprint, `digest_name` sha256, sha384 or sha512."""

    digest: bytes
    digest_name: str
    nonce: int | None
    wants_certificate: bool


@asn1.sequence
class _AlgorithmIdentifier:
    algorithm: ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _MessageImprint:
    hash_algorithm: _AlgorithmIdentifier
    hashed_message: bytes


@asn1.sequence
class _Extension:
    extension_id: ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class _TimeStampReq:
    version: int
    message_imprint: _MessageImprint
    policy: ObjectIdentifier | None
    nonce: int | None
    cert_req: Annotated[bool, asn1.Default(False)]
    extensions: Annotated[list[_Extension] | None, asn1.Implicit(0)]


def parse_timestamp_request(request_der: bytes) -> TimestampRequest:
    """Raises InvalidTimestampRequest with the PKIFailureInfo bit to answer with."""
    if len(request_der) > MAXIMUM_BYTES:
        raise InvalidTimestampRequest(f"more than {MAXIMUM_BYTES} bytes", PkiFailure.BAD_DATA_FORMAT)
    try:
        request = asn1.decode_der(_TimeStampReq, request_der)
    except ValueError as exc:
        raise InvalidTimestampRequest("not a TimeStampReq", PkiFailure.BAD_DATA_FORMAT) from exc
    if request.version != 1:
        raise InvalidTimestampRequest("the version is not 1", PkiFailure.BAD_DATA_FORMAT)
    name = _DIGEST_NAMES.get(request.message_imprint.hash_algorithm.algorithm)
    if name is None:
        raise InvalidTimestampRequest("not SHA-256, SHA-384 or SHA-512", PkiFailure.BAD_ALG)
    if len(request.message_imprint.hashed_message) != _DIGEST_BYTES[name]:
        raise InvalidTimestampRequest("the digest has the wrong length", PkiFailure.BAD_DATA_FORMAT)
    if request.policy not in (None, TIMESTAMP_POLICY):
        raise InvalidTimestampRequest("another policy", PkiFailure.UNACCEPTED_POLICY)
    if request.extensions:
        raise InvalidTimestampRequest("extensions", PkiFailure.UNACCEPTED_EXTENSION)
    return TimestampRequest(request.message_imprint.hashed_message, name, request.nonce, request.cert_req)


class TimestampAuthority:
    """Answers requests, and stamps digests of the same process directly.

    `chain` holds the certificates above the authority's own, the root last; tokens carry the own certificate
    and the issuing authorities, not the root. What is the same in every token is encoded once.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        chain: tuple[x509.Certificate, ...],
        key: PrivateKey,
        clock: Clock,
    ) -> None:
        """Raises ProfileViolation where the certificate is not for time stamping only (RFC 3161 §2.3)."""
        _check_certificate(certificate, key)
        self._key = key
        self._clock = clock
        algorithm = algorithm_of(key)
        assert algorithm.digest is not None
        self._signature_algorithm = algorithm.identifier
        self._digest_name = algorithm.digest.name
        self._digest_algorithm = der.sequence(der.object_identifier(_DIGEST_OIDS[algorithm.digest.name]))
        own = certificate.public_bytes(Encoding.DER)
        issuing = [above.public_bytes(Encoding.DER) for above in chain if above.subject != above.issuer]
        self._certificates = der.tlv(0xA0, *sorted([own, *issuing]))
        self._signer_id = der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number))
        self._fixed_attributes = (
            _attribute(_CONTENT_TYPE, der.object_identifier(_TST_INFO)),
            _attribute(_SIGNING_CERTIFICATE_V2, _signing_certificate_v2(own, certificate)),
        )

    def answer(self, request_der: bytes) -> bytes:
        """A TimeStampResp (DER) for any bytes at all: bad requests are answered with status rejection."""
        try:
            request = parse_timestamp_request(request_der)
        except InvalidTimestampRequest as exc:
            return _rejection(str(exc), int(exc.args[1]))
        return der.sequence(der.sequence(der.integer(0)), self._stamp(request))

    def token(self, message_imprint: bytes, hash_name: str = "sha256") -> bytes:
        """A TimeStampToken (DER ContentInfo) over a digest. Raises InvalidTimestampRequest."""
        if len(message_imprint) != _DIGEST_BYTES.get(hash_name):
            raise InvalidTimestampRequest("no such digest, or the wrong length", PkiFailure.BAD_ALG)
        return self._stamp(TimestampRequest(message_imprint, hash_name, None, wants_certificate=True))

    def _stamp(self, request: TimestampRequest) -> bytes:
        info = self._tst_info(request)
        digest = hashlib.new(self._digest_name, info).digest()
        attributes = sorted((*self._fixed_attributes, _attribute(_MESSAGE_DIGEST, der.octet_string(digest))))
        signature = sign(self._key, der.tlv(der.SET, *attributes))  # RFC 5652 §5.4
        signer_info = der.sequence(
            der.integer(1),
            self._signer_id,
            self._digest_algorithm,
            der.tlv(0xA0, *attributes),
            self._signature_algorithm,
            der.octet_string(signature),
        )
        signed_data = der.sequence(
            der.integer(3),
            der.set_of(self._digest_algorithm),
            der.sequence(der.object_identifier(_TST_INFO), der.tlv(0xA0, der.octet_string(info))),
            self._certificates if request.wants_certificate else b"",
            der.set_of(signer_info),
        )
        return der.sequence(der.object_identifier(_SIGNED_DATA), der.tlv(0xA0, signed_data))

    def _tst_info(self, request: TimestampRequest) -> bytes:
        return der.sequence(
            der.integer(1),
            der.object_identifier(TIMESTAMP_POLICY),
            der.sequence(
                der.sequence(der.object_identifier(_DIGEST_OIDS[request.digest_name]), der.NULL),
                der.octet_string(request.digest),
            ),
            der.integer(randbits(159)),  # RFC 3161 §2.4.2: up to 160 bits, unique without a counter to keep
            der.generalized_time(self._clock()),
            der.sequence(der.integer(ACCURACY_SECONDS)),
            der.integer(request.nonce) if request.nonce is not None else b"",
        )


def _check_certificate(certificate: x509.Certificate, key: PrivateKey) -> None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raise ProfileViolation("tsa", "Ed25519 is not understood by common time-stamp verifiers")
    if key.public_key() != certificate.public_key():
        raise ProfileViolation("tsa", "the key is not that of the certificate")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as exc:
        raise ProfileViolation("tsa", "no extended key usage") from exc
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise ProfileViolation("tsa", "the certificate is not for time stamping only")


def _attribute(oid: ObjectIdentifier, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(oid), der.set_of(value))


def _signing_certificate_v2(own: bytes, certificate: x509.Certificate) -> bytes:
    """SigningCertificateV2 with its default digest, SHA-256 (RFC 5035 §3, RFC 5816 §2.2.1)."""
    issuer = der.sequence(der.tlv(0xA4, certificate.issuer.public_bytes()))
    issuer_serial = der.sequence(issuer, der.integer(certificate.serial_number))
    return der.sequence(der.sequence(der.sequence(der.octet_string(hashlib.sha256(own).digest()), issuer_serial)))


def _rejection(reason: str, failure: int) -> bytes:
    """A TimeStampResp with status rejection (2), the reason as text, and one failure bit."""
    bits = 1 << 7 - failure % 8
    failure_info = bytes((7 - failure % 8,)) + bytes(failure // 8) + bytes((bits,))
    status = der.sequence(der.integer(2), der.sequence(der.tlv(0x0C, reason.encode())), der.tlv(0x03, failure_info))
    return der.sequence(status)
