"""The authorization server of one request: Authlib's core with our grants, endpoints and storage."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, cast

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Response
from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from app.oauth import client_auth, dpop
from app.oauth.client_auth import Client, ClientAuthenticationFailed, ClientProof
from app.oauth.dpop import KeyProof
from app.oauth.introspect import IntrospectionEndpoint
from app.oauth.models import Application, Authorization, RefreshToken
from app.oauth.par import PushedAuthorizationEndpoint
from app.oauth.proofs import InvalidDpopProof
from app.oauth.revoke import RevocationEndpoint
from app.oauth.scopes import SCOPES, format_scope, parse_scope
from app.oauth.token import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    S256Only,
    digest,
)
from app.oauth.token_keys import LIFETIME, KeyRing
from app.oauth.tokens import issue_access_token

if TYPE_CHECKING:
    from app.wiring import Services


_KEEP_REFRESH_TOKEN = insert(cast(Table, RefreshToken.__table__))


class _Issuer(IssuerParameter):
    """`iss` in every authorization response (RFC 9207)."""

    def __init__(self, issuer_url: str) -> None:
        self._issuer_url = issuer_url

    def get_issuer(self) -> str:
        return self._issuer_url


class Server(AuthorizationServer):
    """Made for one request, inside its transaction; `proof` and `keys` are None on pages, where no client speaks.

    `key_proof` is the DPoP key to which the client wants its tokens bound, None for the API certificate.
    """

    def __init__(
        self,
        services: Services,
        session: Session,
        proof: ClientProof | None = None,
        key_proof: KeyProof | None = None,
        keys: KeyRing | None = None,
    ) -> None:
        super().__init__(scopes_supported=sorted(SCOPES))
        self.services = services
        self.session = session
        self.key_proof = key_proof
        self.keys = keys
        self._proof = proof
        self.register_grant(AuthorizationCodeGrant, [S256Only()])
        self.register_grant(RefreshTokenGrant)
        self.register_grant(ClientCredentialsGrant)
        self.register_endpoint(PushedAuthorizationEndpoint)
        self.register_endpoint(IntrospectionEndpoint)
        self.register_endpoint(RevocationEndpoint)
        self.register_extension(_Issuer(services.settings.issuer_url))

    def query_client(self, client_id: str) -> Client | None:
        application = self.session.scalars(
            select(Application).where(Application.client_id == client_id, Application.disabled_at.is_(None))
        ).first()
        return Client(application) if application is not None else None

    def authenticate_client(self, request: OAuth2Request, methods: Any, endpoint: str = "token") -> Client:
        if self._proof is None:
            raise ClientAuthenticationFailed("Client authentication is missing.")
        client = client_auth.admit(self.services, self.session, self._proof)
        request.client, request.auth_method = client, self._proof.method
        if self.key_proof is not None and not dpop.spend_proof(self.session, self.key_proof):
            raise InvalidDpopProof("The DPoP proof was used before.")
        return client

    def generate_token(
        self,
        grant_type: str,
        client: Client,
        user: Authorization | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        granted = parse_scope(scope) or client.own_scopes
        jkt = self.key_proof.jkt if self.key_proof is not None else None
        access_token = issue_access_token(
            self.services,
            application=client.application,
            scope=granted,
            certificate_x5t_s256=client.certificate_x5t_s256 if jkt is None else None,
            jkt=jkt,
            authorization=user,
            keys=self.keys,
        )
        token: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer" if jkt is None else "DPoP",
            "expires_in": int(LIFETIME.total_seconds()),
            "scope": format_scope(granted),
        }
        if user is not None:
            token["authorization_details"] = [_granted_details(user)]
            if include_refresh_token:
                token["refresh_token"] = secrets.token_urlsafe(32)
        return token

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Keep the digest of a new refresh token; access tokens carry their own proof and are not stored."""
        if "refresh_token" not in token:
            return
        authorization: Authorization = request.user
        row = {
            "token_sha256": digest(token["refresh_token"]),
            "application_id": request.client.application.id,
            "authorization_id": authorization.id,
            "scope": token["scope"],
            "issued_at": self.services.clock(),
            "expires_at": authorization.expires_at,
            "revoked_at": None,
        }
        self.session.execute(_KEEP_REFRESH_TOKEN, row)

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        if status == 302:
            status = 303  # RFC 9700 §4.12: the browser must not repeat the consent form's POST elsewhere
        if isinstance(body, dict):
            body = json.dumps(body)
        return Response(body, status, headers)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib announces steps; nobody listens."""


def _granted_details(authorization: Authorization) -> dict[str, Any]:
    """What was granted, which may be less than what was asked for (RFC 9396 §7)."""
    return {
        "type": "product_access",
        "uscc": authorization.uscc,
        "product": authorization.product,
        "limits": authorization.limits,
        "authorization_id": authorization.id,
        "expires_at": authorization.expires_at.isoformat(),
    }
