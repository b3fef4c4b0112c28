"""Pushed authorization requests (RFC 9126): checked while the client is there to hear what is wrong."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnsupportedResponseTypeError
from authlib.oauth2.rfc6749.endpoint import Endpoint
from authlib.oauth2.rfc6749.errors import OAuth2Error
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.oauth.client_auth import METHODS, Client
from app.oauth.details import InvalidAuthorizationDetails, ProductAccess, parse_authorization_details
from app.oauth.dpop import KeyProof
from app.oauth.messages import FormRequest
from app.oauth.models import Application, PushedRequest
from app.oauth.scopes import format_scope, parse_scope
from app.oauth.token import digest

if TYPE_CHECKING:
    from app.wiring import Services

LIFETIME = timedelta(minutes=5)
_JKT = re.compile(r"[A-Za-z0-9_-]{43}")
_URN = "urn:ietf:params:oauth:request_uri:"
_KEPT = ("response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "dpop_jkt")
_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class InvalidAuthorizationDetailsError(OAuth2Error):
    """RFC 9396 §5."""

    error = "invalid_authorization_details"


class PushedAuthorizationEndpoint(Endpoint):
    """`/oauth/par`: client authentication, every check of the authorization request, one stored request."""

    ENDPOINT_NAME = "pushed_authorization_request"

    def create_endpoint_response(self, request: FormRequest) -> tuple[int, Any, list[tuple[str, str]]]:
        client = self.server.authenticate_client(request, METHODS, self.ENDPOINT_NAME)
        details = _check(request.form, client)
        _check_dpop_key(request.form.get("dpop_jkt"), self.server.key_proof)
        request.payload.data.setdefault("client_id", client.get_client_id())
        request.payload.data["scope"] = format_scope(parse_scope(request.payload.scope) or frozenset({details.product}))
        if self.server.key_proof is not None:
            request.payload.data["dpop_jkt"] = self.server.key_proof.jkt
        grant = self.server.get_authorization_grant(request)
        try:
            grant.validate_authorization_request()
        except OAuth2Error as exc:
            exc.redirect_uri = None  # Authlib would redirect, but here the client itself is listening
            raise
        if details.product not in parse_scope(request.scope):
            raise InvalidScopeError()
        handle = _URN + secrets.token_urlsafe(32)
        parameters = {name: request.form[name] for name in _KEPT if name in request.form}
        self.server.session.add(
            PushedRequest(
                uri_sha256=digest(handle),
                application_id=client.application.id,
                parameters={**parameters, "details": details.model_dump()},
                expires_at=self.server.services.clock() + LIFETIME,
                used_at=None,
            )
        )
        return 201, {"request_uri": handle, "expires_in": int(LIFETIME.total_seconds())}, _HEADERS


def _check_dpop_key(named: str | None, shown: KeyProof | None) -> None:
    """RFC 9449 §10: the code's key is named by `dpop_jkt`, or shown by a proof; where both, they are the same."""
    if named is None:
        return
    if not _JKT.fullmatch(named) or (shown is not None and shown.jkt != named):
        raise InvalidRequestError("dpop_jkt is not the thumbprint of the key of the DPoP proof.")


def find_pushed(services: Services, session: Session, client_id: str, request_uri: str) -> PushedRequest | None:
    """The request behind a request_uri, unused and in time, if it is this client's."""
    return session.scalars(
        select(PushedRequest)
        .join(Application, Application.id == PushedRequest.application_id)
        .where(
            PushedRequest.uri_sha256 == digest(request_uri),
            PushedRequest.used_at.is_(None),
            PushedRequest.expires_at > services.clock(),
            Application.client_id == client_id,
            Application.disabled_at.is_(None),
        )
    ).first()


def spend_pushed(services: Services, session: Session, pushed: PushedRequest) -> bool:
    """Use the request up; True for the first caller only."""
    now = services.clock()
    spent = session.scalar(
        update(PushedRequest)
        .where(
            PushedRequest.uri_sha256 == pushed.uri_sha256,
            PushedRequest.used_at.is_(None),
            PushedRequest.expires_at > now,
        )
        .values(used_at=now)
        .returning(PushedRequest.application_id)
    )
    return spent is not None


def _check(form: dict[str, str], client: Client) -> ProductAccess:
    if "request_uri" in form or "request" in form:
        raise InvalidRequestError("request_uri and request are not accepted here.")
    if form.get("client_id", client.get_client_id()) != client.get_client_id():
        raise InvalidRequestError("client_id is not the authenticated client.")
    if form.get("response_type") != "code":
        raise UnsupportedResponseTypeError("anything but code")
    if form.get("response_mode", "query") != "query":
        raise InvalidRequestError("response_mode is query.")
    # Compared here because Authlib would quote the sender's URI in its description, which may hold any characters.
    if not client.check_redirect_uri(form.get("redirect_uri", "")):
        raise InvalidRequestError("redirect_uri is missing or not registered.")
    state = form.get("state", "")
    if len(state) > 512 or not state.isascii() or not state.isprintable():
        raise InvalidRequestError("state is at most 512 printable ASCII characters.")
    try:
        return parse_authorization_details(form.get("authorization_details", "null"))
    except InvalidAuthorizationDetails as exc:
        raise InvalidAuthorizationDetailsError(
            f"One product_access is required ({str(exc).translate({34: 39, 92: 47})})."
        ) from exc
