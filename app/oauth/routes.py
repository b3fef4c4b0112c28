"""HTTP of the authorization server on the platforms' door: parse, one call, answer. Errors keep RFC 6749 bodies."""

from __future__ import annotations

from collections.abc import Callable

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.errors import OAuth2Error
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from app.gateway.transport import client_certificate_proxies, find_client_certificate
from app.oauth import client_auth, dpop, registration
from app.oauth.jwks import key_set
from app.oauth.messages import MAX_FORM, FormRequest, parse_parameters
from app.oauth.metadata import server_metadata
from app.oauth.proofs import prove_key
from app.oauth.server import Server
from app.oauth.token_keys import key_ring
from app.wiring import current_services

blueprint = Blueprint("oauth", __name__)

_FORM = "application/x-www-form-urlencoded"


@blueprint.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    response = jsonify(server_metadata(current_services().settings))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.get("/oauth/jwks")
def jwks() -> Response:
    response = jsonify(key_set(current_services()))
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@blueprint.post("/oauth/token")
def token() -> Response:
    return _answer(Server.create_token_response, binds_tokens=True)


@blueprint.post("/oauth/par")
def pushed_authorization_request() -> Response:
    return _answer(
        lambda server, form: server.create_endpoint_response("pushed_authorization_request", form), binds_tokens=True
    )


@blueprint.post("/oauth/introspect")
def introspect() -> Response:
    return _answer(lambda server, form: server.create_endpoint_response("introspection", form))


@blueprint.post("/oauth/revoke")
def revoke() -> Response:
    return _answer(lambda server, form: server.create_endpoint_response("revocation", form))


@blueprint.post("/oauth/register")
def register() -> Response:
    """RFC 7591, with a registration code as initial access token."""
    request.max_content_length = registration.MAX_METADATA
    scheme, _, code = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme != "Bearer":
            raise registration.CodeInvalid("the registration code is sent as a bearer token")
        registered = registration.register(current_services(), code, request.get_data())
    except registration.CodeInvalid as refusal:
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"', "Cache-Control": "no-store"}
        return _refusal(401, "invalid_token", str(refusal), headers)
    except registration.InvalidMetadata as refusal:
        return _refusal(400, refusal.error, str(refusal), {"Cache-Control": "no-store"})
    return Response(jsonify(registered).data, 201, {"Content-Type": "application/json", "Cache-Control": "no-store"})


def _refusal(status: int, error: str, description: str, headers: dict[str, str]) -> Response:
    body = jsonify({"error": error, "error_description": description}).data
    return Response(body, status, {"Content-Type": "application/json", **headers})


def _answer(endpoint: Callable[[Server, FormRequest], Response], *, binds_tokens: bool = False) -> Response:
    """Prove the client first, then everything that must happen once in one transaction.

    Authlib turns a refusal into an answer, so the transaction commits and what was spent stays spent.
    """
    services = current_services()
    form = _parse_form(services.settings.issuer_url)
    keys = key_ring(services)  # before the transaction, which must not wait for a second connection
    shown = find_client_certificate(request.environ, client_certificate_proxies(services.settings))
    proof = client_auth.prove(services, form, shown)
    key_proof = prove_key(services, request.headers.get("DPoP"), form.uri) if binds_tokens else None
    response = services.commits.run(
        lambda session: endpoint(Server(services, session, proof, key_proof, keys), form.again())
    )
    if key_proof is not None:
        response.headers["DPoP-Nonce"] = dpop.server_nonce(services)
    return response


def _parse_form(issuer_url: str) -> FormRequest:
    request.max_content_length = MAX_FORM
    if request.mimetype != _FORM or request.query_string:
        raise InvalidRequestError(f"Parameters are sent as {_FORM} in the body.")
    return FormRequest("POST", issuer_url + request.path, parse_parameters(request.form.items(multi=True)))


@blueprint.errorhandler(OAuth2Error)
def _oauth_error(error: OAuth2Error) -> Response:
    status, body, headers = error()
    return Response(jsonify(body).data, status, headers)


@blueprint.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> Response:
    response = jsonify({"error": "invalid_request", "error_description": error.name})
    response.status_code = error.code or 400
    return response
