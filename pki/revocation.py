"""Revocation: its state, CRLs full and delta (RFC 5280 §5), and OCSP (RFC 6960, RFC 9654)."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.authority import IssuingAuthority
from pki.errors import InvalidRevocation
from pki.keys import PrivateKey, check_public_key, encode_spki, public_key_bits
from pki.ports import Clock
from pki.signatures import algorithm_of

Reason = x509.ReasonFlags

MAXIMUM_OCSP_BYTES = 64 * 1024
OCSP_LIFETIME = timedelta(minutes=10)
"""How long an OCSP answer may be cached: the longest time for which a revocation can stay unseen there."""

_NOT_FOR_CRL = (Reason.unspecified,)  # RFC 5280 §5.3.1: leave the reason out instead


@dataclass(frozen=True, slots=True)
class RevocationState:
    """What is known of one certificate. `revoked_at` None: good. certificateHold is a suspension."""

    revoked_at: datetime | None = None
    reason: x509.ReasonFlags = Reason.unspecified

    @property
    def is_held(self) -> bool:
        return self.revoked_at is not None and self.reason is Reason.certificate_hold


GOOD = RevocationState()


@dataclass(frozen=True, slots=True)
class RevokedEntry:
    """One line of a CRL. removeFromCRL is for delta CRLs alone: a suspension that was released."""

    serial_number: int
    revoked_at: datetime
    reason: x509.ReasonFlags = Reason.unspecified


def build_crl(
    authority: IssuingAuthority,
    entries: Iterable[RevokedEntry],
    number: int,
    this_update: datetime,
    next_update: datetime,
    *,
    delta_of: int | None = None,
    has_deltas: bool = True,
) -> bytes:
    """A signed CRL (DER): complete, or with `delta_of` the changes since the complete CRL of that number.

    Complete and delta CRLs draw their rising numbers from one series (RFC 5280 §5.2.3). A complete one says where its
    deltas are, if there are any (`has_deltas`): some validators use none without its delta (RFC 5280 §5.2.6).
    Raises InvalidRevocation.
    """
    if next_update <= this_update:
        raise InvalidRevocation("the next update of a CRL lies after this update")
    if delta_of is not None and not 0 <= delta_of < number:
        raise InvalidRevocation("a delta CRL has a higher number than the complete CRL it builds on")
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject,
        last_update=this_update,
        next_update=next_update,
        revoked_certificates=[_crl_entry(entry, is_delta=delta_of is not None) for entry in entries],
    )
    for value, critical in _crl_extensions(authority, number, delta_of, has_deltas):
        builder = builder.add_extension(value, critical)
    return builder.sign(authority.key, algorithm_of(authority.key).digest).public_bytes(Encoding.DER)


def _crl_extensions(
    authority: IssuingAuthority, number: int, delta_of: int | None, has_deltas: bool
) -> list[tuple[x509.ExtensionType, bool]]:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), False),
        (x509.CRLNumber(number), False),
    ]
    if delta_of is not None:
        extensions.append((x509.DeltaCRLIndicator(delta_of), True))
    elif has_deltas:
        delta = x509.UniformResourceIdentifier(authority.urls.delta_crl(authority.name))
        extensions.append((x509.FreshestCRL([x509.DistributionPoint([delta], None, None, None)]), False))
    return extensions


def _crl_entry(entry: RevokedEntry, *, is_delta: bool) -> x509.RevokedCertificate:
    if entry.reason is Reason.remove_from_crl and not is_delta:
        raise InvalidRevocation("removeFromCRL stands in delta CRLs only")
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial_number).revocation_date(entry.revoked_at)
    if entry.reason not in _NOT_FOR_CRL:
        builder = builder.add_extension(x509.CRLReason(entry.reason), critical=False)
    return builder.build()


# OCSP


@dataclass(frozen=True)
class OcspResponder:
    """A delegated responder (RFC 6960 §4.2.2.2) for the certificates of one authority."""

    issuer_name: str
    """The authority's name, as in `IssuingAuthority.name`."""
    issuer: x509.Certificate
    certificate: x509.Certificate
    key: PrivateKey

    @cached_property
    def issuer_hashes(self) -> dict[str, tuple[bytes, bytes]]:
        """By digest name: the hashes of the issuer's name and key in a CertID (RFC 6960 §4.1.1)."""
        name = self.issuer.subject.public_bytes()
        key = public_key_bits(encode_spki(check_public_key(self.issuer.public_key())))
        return {
            algorithm.name: (
                hashlib.new(algorithm.name, name).digest(),
                hashlib.new(algorithm.name, key).digest(),
            )
            for algorithm in (hashes.SHA1(), hashes.SHA256())  # noqa: S303  (names a key, protects nothing)
        }


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """An OCSPResponse (DER), and for the answer's headers (RFC 5019 §6.2) until when it may be cached.

    `cacheable_until` is None for answers to a nonce and for errors: those belong to one request.
    """

    der: bytes
    produced_at: datetime
    cacheable_until: datetime | None


def answer_ocsp(
    request_der: bytes,
    responders: Sequence[OcspResponder],
    status_of: Callable[[str, int], RevocationState | None],
    clock: Clock,
) -> OcspAnswer:
    """Answer any bytes: bad requests get malformedRequest, foreign issuers unauthorized (RFC 6960 §2.3).

    `status_of(issuer_name, serial_number)` returns None for a certificate that was never issued, which is
    answered "unknown" (RFC 6960 §2.2). One certificate per request (RFC 5019 §2.1.1); a nonce of 1 to 128
    octets comes back (RFC 9654 §2.1).
    """
    now = clock().replace(microsecond=0)
    if len(request_der) > MAXIMUM_OCSP_BYTES:
        return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST, now)
    try:
        request = ocsp.load_der_ocsp_request(request_der)
        _check_serial_number(request.serial_number)
        nonce = _find_nonce(request)
        responder = _responder_for(request, responders)
    except (ValueError, NotImplementedError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST, now)
    if responder is None:
        return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED, now)
    state = status_of(responder.issuer_name, request.serial_number)
    return _answer(request, responder, state, nonce, now)


def _answer(
    request: ocsp.OCSPRequest,
    responder: OcspResponder,
    state: RevocationState | None,
    nonce: x509.OCSPNonce | None,
    now: datetime,
) -> OcspAnswer:
    status = ocsp.OCSPCertStatus.UNKNOWN if state is None else ocsp.OCSPCertStatus.GOOD
    revoked_at, reason = None, None
    if state is not None and state.revoked_at is not None:
        status = ocsp.OCSPCertStatus.REVOKED
        revoked_at = state.revoked_at
        reason = None if state.reason is Reason.unspecified else state.reason
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            request.issuer_name_hash,
            request.issuer_key_hash,
            request.serial_number,
            request.hash_algorithm,
            status,
            now,
            now + OCSP_LIFETIME,
            revoked_at,
            reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([responder.certificate])
    )
    if nonce is not None:
        builder = builder.add_extension(nonce, critical=False)
    der = builder.sign(responder.key, algorithm_of(responder.key).digest).public_bytes(Encoding.DER)
    return OcspAnswer(der, now, None if nonce is not None else now + OCSP_LIFETIME)


def _responder_for(request: ocsp.OCSPRequest, responders: Sequence[OcspResponder]) -> OcspResponder | None:
    asked = (request.issuer_name_hash, request.issuer_key_hash)
    digest = request.hash_algorithm.name
    return next((r for r in responders if r.issuer_hashes.get(digest) == asked), None)


def _check_serial_number(serial_number: int) -> None:
    """RFC 5280 §4.1.2.2. Raises ValueError."""
    if not 0 <= serial_number < 2**160:
        raise ValueError("negative, or longer than 20 octets")


def _find_nonce(request: ocsp.OCSPRequest) -> x509.OCSPNonce | None:
    """Raises ValueError where its length is not 1 to 128 octets, or another extension is critical."""
    nonce = None
    for extension in request.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value
        elif extension.critical:
            raise ValueError("a critical extension that is not processed")
    if nonce is not None and not 1 <= len(nonce.nonce) <= 128:
        raise ValueError("the length of the nonce")
    return nonce


def _unsuccessful(status: ocsp.OCSPResponseStatus, now: datetime) -> OcspAnswer:
    response = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
    return OcspAnswer(response.public_bytes(Encoding.DER), now, None)
