"""Introspection (RFC 7662): a client may ask about its own tokens."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, TokenMixin
from authlib.oauth2.rfc7662 import IntrospectionEndpoint as AuthlibIntrospection
from sqlalchemy import select

from app.oauth.authorizations import find_standing
from app.oauth.client_auth import METHODS, Client
from app.oauth.messages import FormRequest
from app.oauth.models import RefreshToken
from app.oauth.scopes import format_scope
from app.oauth.token import digest
from app.oauth.tokens import AccessToken, TokenInvalid, read_access_token


@dataclass(frozen=True, slots=True)
class ActiveToken(TokenMixin):
    """A token that is good now: whose it is, what to say about it, and what revokes it."""

    application_id: str
    facts: dict[str, Any]
    access: AccessToken | None = None
    refresh: RefreshToken | None = field(default=None, repr=False)

    def check_client(self, client: Client) -> bool:
        return self.application_id == client.application.id

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


def find_active_token(server: Any, text: str) -> ActiveToken | None:
    """An access or refresh token that is good now; the hint is not needed to tell them apart."""
    if text.count(".") == 2:
        return _find_access_token(server, text)
    row = server.session.scalars(
        select(RefreshToken).where(
            RefreshToken.token_sha256 == digest(text),
            RefreshToken.revoked_at.is_(None),
            RefreshToken.expires_at > server.services.clock(),
        )
    ).first()
    if row is None or find_standing(server.services, server.session, row.authorization_id) is None:
        return None
    facts = {
        "scope": row.scope,
        "exp": int(row.expires_at.timestamp()),
        "iat": int(row.issued_at.timestamp()),
        "authorization_id": row.authorization_id,
    }
    return ActiveToken(row.application_id, facts, refresh=row)


def _find_access_token(server: Any, text: str) -> ActiveToken | None:
    try:
        token = read_access_token(server.services, server.session, text, server.keys)
    except TokenInvalid:
        return None
    facts: dict[str, Any] = {
        "iss": server.services.settings.issuer_url,
        "client_id": token.client_id,
        "token_type": "Bearer" if token.jkt is None else "DPoP",
        "scope": format_scope(token.scope),
        "exp": int(token.expires_at.timestamp()),
        "iat": int(token.issued_at.timestamp()),
        "jti": token.jti,
        "cnf": {"x5t#S256": token.certificate_x5t_s256} if token.jkt is None else {"jkt": token.jkt},
    }
    if token.authorization_id is not None:
        if find_standing(server.services, server.session, token.authorization_id) is None:
            return None
        facts |= {
            "authorization_id": token.authorization_id,
            "product_x5t#S256": token.product_x5t_s256,
        }
    return ActiveToken(token.application_id, facts, access=token)


class IntrospectionEndpoint(AuthlibIntrospection):
    """`/oauth/introspect`."""

    CLIENT_AUTH_METHODS = METHODS

    def check_params(self, request: FormRequest, client: Client) -> None:
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> ActiveToken | None:
        return find_active_token(self.server, token_string)

    def check_permission(self, token: ActiveToken, client: Client, request: FormRequest) -> bool:
        return token.check_client(client)

    def introspect_token(self, token: ActiveToken) -> dict[str, Any]:
        return {"active": True, **token.facts}
