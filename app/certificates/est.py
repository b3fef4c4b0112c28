"""Enrolment by program, on the platforms' door: EST (RFC 7030) for API certificates, and a JSON call for pairs too.

EST knows one certificate per call, so it serves API certificates; a product's pair is issued whole or not at all and
comes through POST /enrol. Bodies of EST are Base64 of DER (RFC 8951 §3.1). Refusals are problem documents.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import AbstractContextManager
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from flask import Blueprint, Response, abort, jsonify, request
from pydantic import BaseModel, ValidationError

from app import once
from app.certificates import messages, service
from app.certificates.models import CertificateRecord
from app.certificates.problems import EnrolmentCodeInvalid
from app.gateway.certificates import KnownCertificate, UnknownCertificate, get_good_certificate
from app.gateway.jose import JoseError, parse_jws
from app.gateway.transport import find_client_certificate
from app.journal.strangers import Strangers
from app.problems import Fault, InvalidInput, NotAuthenticated, to_response
from app.wiring import Services, current_services

blueprint = Blueprint("est", __name__)
Message = TypeVar("Message", bound=BaseModel)
MAXIMUM_BODY = 96 * 1024  # 64 KiB of a CSR in Base64
RENEWAL_AGE = timedelta(minutes=5)
RENEWAL_TYPE = "yunlian-renewal+jwt"
_strangers = Strangers()
_EST = "/.well-known/est"
_CERTS_ONLY = "application/pkcs7-mime; smime-type=certs-only"
_PEM_CHAIN = "application/pem-certificate-chain"  # RFC 8555 §9.1
# RFC 7030 §4.5.2: SEQUENCE { { id-ecPublicKey, { secp256r1 } }, ecdsa-with-SHA256 }, the key that we suggest.
_CSR_ATTRIBUTES = bytes.fromhex("3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302")


@blueprint.get(f"{_EST}/cacerts")
@blueprint.get(f"{_EST}/api/cacerts")
def ca_certificates() -> Response:
    """The root and every generation of the issuing authorities (RFC 7030 §4.1)."""
    hierarchy = current_services().hierarchy
    return _est(_certs_only([hierarchy.root, *hierarchy.trust.intermediates]), _CERTS_ONLY)


@blueprint.get(f"{_EST}/csrattrs")
@blueprint.get(f"{_EST}/api/csrattrs")
def csr_attributes() -> Response:
    """The key and signature that a request should have (RFC 7030 §4.5); names come from our records anyway."""
    return _est(_CSR_ATTRIBUTES, "application/csrattrs")


@blueprint.post(f"{_EST}/simpleenroll")
@blueprint.post(f"{_EST}/api/simpleenroll")
def simple_enroll() -> Response:
    """An API certificate for the one-time code given as HTTP Basic password (RFC 7030 §3.2.3, §4.2.1)."""
    services, csr = current_services(), _read_csr()
    code = request.authorization.password if request.authorization is not None else None
    if request.authorization is None or request.authorization.type != "basic" or not code:
        return _challenge(NotAuthenticated("the enrolment code is the password of HTTP Basic authentication"))
    try:
        with _journal_refusals(services, "est"), services.transaction() as session:
            record = service.enrol_api(services, session, code=code, csr=csr)
    except EnrolmentCodeInvalid as refusal:
        return _challenge(refusal)
    return _issued(record)


@blueprint.post(f"{_EST}/simplereenroll")
@blueprint.post(f"{_EST}/api/simplereenroll")
def simple_reenroll() -> Response:
    """A successor, asked for over TLS with the certificate that it takes over from (RFC 7030 §3.3.2, §4.2.2)."""
    services, csr = current_services(), _read_csr()
    x5t_s256 = find_client_certificate(request.environ)
    if x5t_s256 is None:
        raise NotAuthenticated("re-enrolment is authenticated by the present certificate over TLS")
    known = _authenticate(services, x5t_s256, "api")
    actor = known.application_id or ""
    with service.journal_refusals(services, "renewal", actor=actor), services.transaction() as session:
        record = service.renew_api(services, session, x5t_s256=x5t_s256, csr=csr, actor=actor)
    return _issued(record)


@blueprint.post("/enrol")
def enrol() -> Response:
    """An API certificate, a product's pair, or both at once, for one-time codes: all that was asked for, or nothing.

    JSON in; JSON out, or the chains in PEM one after another for `Accept: application/pem-certificate-chain`.
    """
    services, sent = current_services(), _read(messages.Enrolment)
    issued: dict[str, CertificateRecord] = {}
    with _journal_refusals(services, "enrol"), services.transaction() as session:
        if sent.api is not None:
            issued["api"] = service.enrol_api(services, session, code=sent.api.code, csr=sent.api.csr.encode())
        if sent.product is not None:
            issued["product-sign"], issued["product-encrypt"] = service.enrol_product(
                services,
                session,
                code=sent.product.code,
                sign_csr=sent.product.sign_csr.encode(),
                encrypt_csr=sent.product.encrypt_csr.encode(),
            )
    return _chains(services, issued)


@blueprint.post("/enrol/renew")
def renew() -> Response:
    """A pair's successor, asked for by a JWS of its present signing key (product certificates are not for TLS).

    Header: `typ` yunlian-renewal+jwt and `x5t#S256`; claims as `messages.ProductRenewal`, at most 5 minutes old.
    """
    services = current_services()
    if request.mimetype != "application/jose":
        abort(415)
    x5t_s256, claims = _verify_renewal(services, _body().decode("ascii", "replace"))
    with service.journal_refusals(services, "renewal", actor=x5t_s256), services.transaction() as session:
        signing, encryption = service.renew_product(
            services,
            session,
            x5t_s256=x5t_s256,
            sign_csr=claims.sign_csr.encode(),
            encrypt_csr=claims.encrypt_csr.encode(),
            actor=x5t_s256,
        )
    return _chains(services, {"product-sign": signing, "product-encrypt": encryption})


def _journal_refusals(services: Services, door: str) -> AbstractContextManager[None]:
    return service.journal_refusals(services, "enrolment", actor=door, strangers=_strangers)


def _verify_renewal(services: Services, token: str) -> tuple[str, messages.ProductRenewal]:
    try:
        unverified = parse_jws(token, typ={RENEWAL_TYPE}, limit=3 * MAXIMUM_BODY)
        x5t_s256 = str(unverified.header.get("x5t#S256"))
        public_key = _authenticate(services, x5t_s256, "product-sign").public_key
        claims = _parse(messages.ProductRenewal, unverified.verify(public_key))
    except JoseError as exc:
        raise NotAuthenticated(f"the renewal is not signed by a good product certificate: {exc}") from exc
    now = services.clock().timestamp()
    fresh = now - RENEWAL_AGE.total_seconds() <= claims.iat <= now + 10 and now < claims.exp
    if claims.aud != services.settings.issuer_url or not fresh:
        raise NotAuthenticated("aud is not the issuer URL, or the renewal is too old")
    with services.transaction() as session:
        if not once.spend(session, "renewal", x5t_s256, claims.jti, services.clock() + 2 * RENEWAL_AGE):
            raise NotAuthenticated("this renewal was sent before")
    return x5t_s256, claims


def _authenticate(services: Services, x5t_s256: str, profile: str) -> KnownCertificate:
    try:
        return get_good_certificate(services, x5t_s256, profile)
    except UnknownCertificate as exc:
        raise NotAuthenticated(f"no {profile} certificate of this service") from exc


def _read_csr() -> bytes:
    """The CSR of an EST request: Base64 of DER; PEM is taken as well. Its content is for `parse_csr`."""
    if request.mimetype != "application/pkcs10":
        abort(415)
    body = _body()
    if body.lstrip().startswith(b"-----"):
        return body
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        abort(400, "the body is not Base64 (RFC 8951)")


def _read(model: type[Message]) -> Message:
    if request.mimetype != "application/json":
        abort(415)
    return _parse(model, _body())


def _body() -> bytes:
    if (request.content_length or 0) > 4 * MAXIMUM_BODY:
        abort(413)
    return request.get_data()


def _certs_only(certificates: list[x509.Certificate]) -> bytes:
    """A degenerate SignedData (RFC 5652 §5, RFC 7030 §4.1.3)."""
    return serialize_certificates(certificates, Encoding.DER)


def _issued(record: CertificateRecord) -> Response:
    return _est(_certs_only([x509.load_der_x509_certificate(record.der)]), _CERTS_ONLY)


def _est(der: bytes, content_type: str) -> Response:
    headers = {"Content-Transfer-Encoding": "base64"}
    return Response(base64.encodebytes(der), content_type=content_type, headers=headers)


def _challenge(refusal: NotAuthenticated | EnrolmentCodeInvalid) -> Response:
    """401 with a challenge: RFC 7030 §3.2.3 wants it for a wrong password too."""
    response = to_response(refusal if isinstance(refusal, NotAuthenticated) else NotAuthenticated(refusal.detail))
    response.status_code = HTTPStatus.UNAUTHORIZED
    response.headers["WWW-Authenticate"] = 'Basic realm="enrolment", charset="UTF-8"'
    return response


def _chains(services: Services, issued: dict[str, CertificateRecord]) -> Response:
    chains = {name: service.chain_pem(services, record) for name, record in issued.items()}
    if request.accept_mimetypes.best_match(["application/json", _PEM_CHAIN]) == _PEM_CHAIN:
        return Response("".join(chains.values()), content_type=_PEM_CHAIN)
    return jsonify({name: {"x5t#S256": issued[name].x5t_s256, "chain": chain} for name, chain in chains.items()})


def _parse(model: type[Message], content: bytes | dict[str, object]) -> Message:
    try:
        if isinstance(content, bytes):
            return model.model_validate_json(content)
        return model.model_validate(content)
    except ValidationError as exc:
        faults = tuple(
            Fault("/" + "/".join(str(part) for part in error["loc"]), error["msg"]) for error in exc.errors()
        )
        raise InvalidInput("the message has not the form of the call", faults=faults) from exc
