"""CRLs and OCSP responses as evidence: what they say of one certificate, for one moment in the past or the present.

An answer counts where its signer's authority signed it, where it is proven to have existed while that signer's
certificate lasted, and where it is fresh for the moment in question: issued after it, or not older than its own next
update then (ETSI EN 319 102-1 §5.2.5). An answer issued after the certificate's end says nothing: authorities drop
expired certificates from their lists.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from contracts.report import RevocationSource
from pki.keys import public_key_bits

MAX_ANSWERS = 64
MAX_ANSWER_BYTES = 4 * 1024 * 1024

_Parsed = TypeVar("_Parsed")
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, NotImplementedError)
_HARMLESS_IN_CRL = frozenset({ExtensionOID.CRL_NUMBER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one CRL or OCSP response says of one certificate."""

    source: RevocationSource
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    on_hold: bool
    existed_at: datetime
    """When the answer is proven to have existed."""
    signer_not_after: datetime
    embedded: bool

    def is_proven(self) -> bool:
        """Whether it existed while its signer's certificate lasted."""
        return self.existed_at <= self.signer_not_after

    def is_fresh(self, at: datetime, certificate: x509.Certificate) -> bool:
        """Whether it settles the state of the certificate at that time."""
        if self.this_update > certificate.not_valid_after_utc:
            return False
        return self.this_update >= at or (self.next_update is not None and at <= self.next_update)


@dataclass(frozen=True, slots=True)
class _Material:
    der: bytes
    existed_at: datetime
    embedded: bool


@dataclass(slots=True)
class RevocationData:
    """Everything at hand. Signatures are checked once per answer and issuer; unreadable data is nothing at all."""

    crls: list[_Material] = field(default_factory=list)
    ocsps: list[_Material] = field(default_factory=list)
    _signed: dict[tuple[bytes, bytes], x509.Certificate | None] = field(default_factory=dict)

    def add(
        self, crls: Iterable[bytes], ocsp_responses: Iterable[bytes], existed_at: datetime, *, embedded: bool
    ) -> None:
        """DER of CRLs and OCSP responses that are proven to have existed at a time (aware UTC).

        Raises ValueError for more than anybody needs.
        """
        for known, added in ((self.crls, crls), (self.ocsps, ocsp_responses)):
            known.extend(_Material(der, existed_at, embedded) for der in added)
            if len(known) > MAX_ANSWERS or any(len(material.der) > MAX_ANSWER_BYTES for material in known):
                raise ValueError("too much revocation data")

    def prove(self, ders: Container[bytes], existed_at: datetime) -> None:
        """A time stamp proves that these existed at its time, if that is earlier than what was known."""
        for known in (self.crls, self.ocsps):
            known[:] = [replace(m, existed_at=min(m.existed_at, existed_at)) if m.der in ders else m for m in known]

    def is_signed(self, der: bytes, issuers: Iterable[x509.Certificate]) -> bool:
        """Whether a CRL or OCSP response verifies under one of these authorities."""
        response = _parsed(der, ocsp.load_der_ocsp_response)
        if response is not None:
            good = response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
            return good and any(_ocsp_signer(response, issuer) is not None for issuer in issuers)
        crl = _parsed(der, x509.load_der_x509_crl)
        return crl is not None and any(_is_signed_crl(crl, issuer) for issuer in issuers)

    def answers(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Iterator[Answer]:
        """What is known of a certificate by the word of its issuer."""
        for material in self.crls:
            crl = _parsed(material.der, x509.load_der_x509_crl)
            if crl is not None and self._is_crl_of(material.der, crl, issuer):
                yield from _crl_answer(crl, material, certificate, issuer)
        for material in self.ocsps:
            response = _parsed(material.der, ocsp.load_der_ocsp_response)
            if response is not None:
                yield from self._ocsp_answers(response, material, certificate, issuer)

    def _is_crl_of(self, der: bytes, crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
        """A complete CRL by this very authority. Delta, indirect and partial CRLs say so critically."""
        key = (der, issuer.fingerprint(SHA256()))
        if key not in self._signed:
            complete = not any(e.critical and e.oid not in _HARMLESS_IN_CRL for e in crl.extensions)
            self._signed[key] = issuer if complete and _is_signed_crl(crl, issuer) else None
        return self._signed[key] is not None

    def _ocsp_answers(
        self, response: ocsp.OCSPResponse, material: _Material, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> Iterator[Answer]:
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return
        for single in response.responses:
            if single.serial_number != certificate.serial_number or not _names_issuer(single, issuer):
                continue
            key = (material.der, issuer.fingerprint(SHA256()))
            if key not in self._signed:
                self._signed[key] = _ocsp_signer(response, issuer)
            signer = self._signed[key]
            if signer is not None and single.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN:
                yield Answer(
                    RevocationSource.OCSP,
                    single.this_update_utc,
                    single.next_update_utc,
                    single.revocation_time_utc,
                    single.revocation_reason is x509.ReasonFlags.certificate_hold,
                    material.existed_at,
                    signer.not_valid_after_utc,
                    material.embedded,
                )


def _is_signed_crl(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        return crl.issuer == issuer.subject and usage.crl_sign and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (*_UNREADABLE, x509.ExtensionNotFound):
        return False


@lru_cache(maxsize=128)
def _parsed(der: bytes, load: Callable[[bytes], _Parsed]) -> _Parsed | None:
    try:
        return load(der)
    except _UNREADABLE:
        return None


def _crl_answer(
    crl: x509.CertificateRevocationList, material: _Material, certificate: x509.Certificate, issuer: x509.Certificate
) -> Iterator[Answer]:
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    yield Answer(
        RevocationSource.CRL,
        crl.last_update_utc,
        crl.next_update_utc,
        entry.revocation_date_utc if entry is not None else None,
        entry is not None and _reason(entry) is x509.ReasonFlags.certificate_hold,
        material.existed_at,
        issuer.not_valid_after_utc,
        material.embedded,
    )


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return x509.ReasonFlags.unspecified


def _names_issuer(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bool:
    """CertID (RFC 6960 §4.1.1): digests of the issuer's name and key. SHA-1 only names here."""
    if not isinstance(single.hash_algorithm, (SHA1, SHA256, SHA384)):
        return False
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digests = []
    for named in (issuer.subject.public_bytes(), public_key_bits(spki)):
        digest = Hash(single.hash_algorithm)
        digest.update(named)
        digests.append(digest.finalize())
    return digests == [single.issuer_name_hash, single.issuer_key_hash]


def _ocsp_signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """The issuer itself, or a responder that it delegated to (RFC 6960 §4.2.2.2); None where neither signed."""
    known_at = min(single.this_update_utc for single in response.responses)
    delegated = [c for c in response.certificates if c != issuer and _is_delegated(c, issuer, known_at)]
    return next((signer for signer in (issuer, *delegated) if _signed_by(response, signer)), None)


def _is_delegated(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    try:
        responder.verify_directly_issued_by(issuer)
        usages = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (*_UNREADABLE, InvalidSignature, x509.ExtensionNotFound):
        return False
    lasts = responder.not_valid_before_utc <= at <= responder.not_valid_after_utc
    return lasts and ExtendedKeyUsageOID.OCSP_SIGNING in usages


def _signed_by(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    signature, data = response.signature, response.tbs_response_bytes
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            return False
    except (InvalidSignature, *_UNREADABLE):
        return False
    return not isinstance(algorithm, SHA1)
