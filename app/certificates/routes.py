"""The plain-http door: CRLs, OCSP, time stamps, issuer certificates, and the journal's heads.

Nothing here depends on TLS (RFC 5280 §8): everything is signed itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, abort, request

from app.certificates import journal_routes, published
from app.certificates.models import PublishedCrl
from app.certificates.refusals import MalformedRequests
from app.certificates.status import status_by_serial
from app.wiring import current_services
from pki.revocation import OcspAnswer, answer_ocsp

blueprint = Blueprint("pki", __name__, url_prefix="/pki")
journal_routes.add_to(blueprint)
MAXIMUM_REQUEST = 64 * 1024
# Short, so that a revocation is seen within a second at the origin and soon behind caches.
_MAX_AGE = 60
_malformed = MalformedRequests()


@blueprint.get("/crl/<issuer>.crl")
def crl(issuer: str) -> Response:
    """The newest complete CRL of an issuing authority (application/pkix-crl, RFC 2585)."""
    return _crl(published.current_crl(current_services(), issuer))


@blueprint.get("/crl/<issuer>-delta.crl")
def delta_crl(issuer: str) -> Response:
    """What has changed since the base CRL, as of now (RFC 5280 §5.2.4, §5.2.6)."""
    return _crl(published.current_delta_crl(current_services(), issuer))


@blueprint.get("/issuers/<name>.crt")
def issuer_certificate(name: str) -> Response:
    """The certificate of an authority, in DER (application/pkix-cert)."""
    hierarchy = current_services().hierarchy
    authority = hierarchy.find_authority(name)
    certificate = hierarchy.root if name == "root" else authority.certificate if authority else None
    if certificate is None:
        abort(404)
    return Response(certificate.public_bytes(Encoding.DER), mimetype="application/pkix-cert")


@blueprint.post("/ocsp/<issuer>")
def ocsp(issuer: str) -> Response:
    """OCSP by POST (RFC 6960 appendix A.1)."""
    if request.mimetype != "application/ocsp-request":
        abort(415)
    return _ocsp(issuer, request.get_data())


@blueprint.get("/ocsp/<issuer>/<path:encoded>")
def ocsp_get(issuer: str, encoded: str) -> Response:
    """OCSP by GET: the request in Base64 in the path (RFC 6960 appendix A.1, RFC 5019 §5)."""
    try:
        der = base64.b64decode(unquote(encoded), validate=True)
    except (binascii.Error, ValueError):
        der = b""
    return _ocsp(issuer, der)


@blueprint.post("/tsa")
def timestamp() -> Response:
    """A time stamp (RFC 3161 §3.4). Bad requests get a TimeStampResp that says so, with status 200."""
    body = request.get_data()
    if len(body) > MAXIMUM_REQUEST:
        abort(413)
    if request.mimetype != "application/timestamp-query":
        abort(415)
    services = current_services()
    answer = services.hierarchy.tsa.answer(body)
    if not _is_granted(answer):
        _malformed.note(services, "timestamp")
    return Response(answer, mimetype="application/timestamp-reply")


def _ocsp(issuer: str, der: bytes) -> Response:
    if len(der) > MAXIMUM_REQUEST:
        abort(413)
    services = current_services()
    responders = [responder for responder in services.hierarchy.responders if responder.issuer_name == issuer]
    if not responders:
        abort(404)
    answer = answer_ocsp(der, responders, lambda name, serial: status_by_serial(services, name, serial), services.clock)
    if _is_unsuccessful(answer):
        _malformed.note(services, "ocsp")
    response = Response(answer.der, mimetype="application/ocsp-response")
    if answer.cacheable_until is None or request.method != "GET":
        return response  # RFC 9654 §4: an answer to a nonce belongs to one request
    # RFC 5019 §6.2
    response.last_modified = answer.produced_at
    response.headers["Expires"] = _http_date(answer.cacheable_until)
    response.headers["Cache-Control"] = f"max-age={_MAX_AGE}, public, no-transform, must-revalidate"
    response.set_etag(hashlib.sha256(answer.der).hexdigest())
    response.make_conditional(request)
    return response


def _crl(row: PublishedCrl) -> Response:
    response = Response(row.der, mimetype="application/pkix-crl")
    response.last_modified = row.this_update
    response.headers["Expires"] = _http_date(row.next_update)
    response.headers["Cache-Control"] = f"max-age={_MAX_AGE}, public, must-revalidate"
    response.set_etag(hashlib.sha256(row.der).hexdigest())
    response.make_conditional(request)
    return response


def _is_unsuccessful(answer: OcspAnswer) -> bool:
    """An OCSPResponse without a body is its status alone: 30 03 0A 01 xx (RFC 6960 §4.2.1)."""
    return len(answer.der) == 5


def _is_granted(answer: bytes) -> bool:
    """A TimeStampResp that was refused carries no token, which alone is longer than this (RFC 3161 §2.4.2)."""
    return len(answer) > 256


def _http_date(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0), usegmt=True)
