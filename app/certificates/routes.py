"""The plain-http door: CRLs, OCSP, time stamps and issuer certificates. Nothing here depends on TLS (RFC 5280 §8)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, abort, request

from app.certificates import published
from app.certificates.status import status_by_serial
from app.wiring import current_services
from pki.revocation import answer_ocsp

blueprint = Blueprint("pki", __name__, url_prefix="/pki")
MAXIMUM_REQUEST = 64 * 1024


@blueprint.get("/crl/<issuer>.crl")
def crl(issuer: str) -> Response:
    """The newest complete CRL of an issuing authority (application/pkix-crl, RFC 2585)."""
    row = published.current_crl(current_services(), issuer)
    return _cacheable(row.der, "application/pkix-crl", row.this_update, row.next_update)


@blueprint.get("/issuers/<name>.crt")
def issuer_certificate(name: str) -> Response:
    """The certificate of an authority, in DER (application/pkix-cert)."""
    hierarchy = current_services().hierarchy
    authorities = {authority.name: authority.certificate for authority in hierarchy.authorities}
    certificate = {**authorities, "root": hierarchy.root}.get(name)
    if certificate is None:
        abort(404)
    return Response(certificate.public_bytes(Encoding.DER), mimetype="application/pkix-cert")


@blueprint.post("/ocsp/<issuer>")
def ocsp(issuer: str) -> Response:
    """OCSP by POST (RFC 6960 appendix A.1)."""
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
    return Response(current_services().hierarchy.tsa.answer(body), mimetype="application/timestamp-reply")


def _ocsp(issuer: str, der: bytes) -> Response:
    if len(der) > MAXIMUM_REQUEST:
        abort(413)
    services = current_services()
    responders = [responder for responder in services.hierarchy.responders if responder.issuer_name == issuer]
    if not responders:
        abort(404)
    answer = answer_ocsp(der, responders, lambda name, serial: status_by_serial(services, name, serial), services.clock)
    response = Response(answer.der, mimetype="application/ocsp-response")
    if answer.cacheable_until is not None and request.method == "GET":
        response.headers["Expires"] = _http_date(answer.cacheable_until)
        # Short, so that a revocation is seen within a second at the origin and soon behind caches.
        response.headers["Cache-Control"] = "max-age=60, public, no-transform, must-revalidate"
    return response


def _cacheable(der: bytes, mimetype: str, this_update: datetime, next_update: datetime) -> Response:
    response = Response(der, mimetype=mimetype)
    response.headers["Last-Modified"] = _http_date(this_update)
    response.headers["Expires"] = _http_date(next_update)
    response.headers["Cache-Control"] = "max-age=60, public, must-revalidate"
    return response


def _http_date(at: datetime) -> str:
    return format_datetime(at.replace(microsecond=0), usegmt=True)
