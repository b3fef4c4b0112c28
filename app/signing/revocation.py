"""What stays with an archived contract about the state of certificates, so that nobody has to be asked later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from app.certificates.published import current_crl, current_delta_crl
from app.certificates.status import status_by_serial
from contracts.archive import timestamp_certificate
from pki.authority import ROOT_NAME, IssuingAuthority
from pki.revocation import answer_ocsp

if TYPE_CHECKING:
    from app.wiring import Services


def archive_data(services: Services) -> dict[str, Any]:
    """For a contract that is complete: its certificates, the lists of their authorities, and for those that are not
    short-term an OCSP answer given after the last signature."""
    hierarchy = services.hierarchy
    own = (hierarchy.seal.certificate, hierarchy.tsa_certificate)
    return {
        "certificates": [*_authorities(services), *own],
        "crls": current_crls(services),
        "ocsp_responses": [_ocsp_answer(services, certificate) for certificate in own],
    }


def renewal_data(services: Services, pdf: bytes) -> dict[str, Any]:
    """For an archived contract whose newest time stamp ends: an answer about its certificate alone, and about the
    authorities. A later list of the same authority says nothing of the other certificates, which have expired, yet some
    validators (pyHanko) would judge them by it."""
    return {
        "certificates": _authorities(services),
        "crls": [current_crl(services, ROOT_NAME).der],
        "ocsp_responses": [_ocsp_answer(services, timestamp_certificate(pdf))],
    }


def current_crls(services: Services) -> list[bytes]:
    """Fresh CRLs (DER) of the root and of whoever issued the seal's and the time stamps' certificates, with deltas.
    Signers' certificates are short-term (ETSI EN 319 412-1 §5.2.2) and never looked up."""
    hierarchy = services.hierarchy
    issuers = [_issuer(services, c).name for c in (hierarchy.seal.certificate, hierarchy.tsa_certificate)]
    crls = [current_crl(services, ROOT_NAME).der]
    for issuer in dict.fromkeys(issuers):
        crls += [current_crl(services, issuer).der, current_delta_crl(services, issuer).der]
    return crls


def _authorities(services: Services) -> list[x509.Certificate]:
    hierarchy = services.hierarchy
    return [hierarchy.root, *(authority.certificate for authority in hierarchy.authorities)]


def _ocsp_answer(services: Services, certificate: x509.Certificate) -> bytes:
    """What the certificate's authority says of it now (DER)."""
    issuer = _issuer(services, certificate).certificate
    question = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
    return answer_ocsp(
        question.public_bytes(Encoding.DER),
        services.hierarchy.responders,
        lambda name, serial: status_by_serial(services, name, serial),
        services.clock,
    ).der


def _issuer(services: Services, certificate: x509.Certificate) -> IssuingAuthority:
    """The issuing authority, of whichever generation."""
    return next(a for a in services.hierarchy.authorities if a.certificate.subject == certificate.issuer)
