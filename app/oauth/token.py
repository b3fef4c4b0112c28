"""The grants of the token endpoint, on Authlib's own. What may happen once is one conditional UPDATE."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    InvalidRequestError,
    InvalidScopeError,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy import Row, Table, bindparam, select, update

from app.oauth.authorizations import find_standing
from app.oauth.client_auth import METHODS, Client
from app.oauth.messages import FormRequest
from app.oauth.models import Authorization, AuthorizationCode, RefreshToken
from app.oauth.scopes import parse_scope

CODE_LIFETIME = timedelta(seconds=60)  # FAPI 2.0 §5.3.2.1


# Statements of the hot path are made once, and of tables: making them costs more than SQLite's part, objects even more.
_CODES = cast(Table, AuthorizationCode.__table__)
_REDEEM = (
    update(_CODES)
    .where(
        _CODES.c.code_sha256 == bindparam("digest"),
        _CODES.c.application_id == bindparam("application"),
        _CODES.c.used_at.is_(None),
        _CODES.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
    .returning(*_CODES.c)
)


def digest(value: str) -> bytes:
    """How codes, request URIs and refresh tokens are stored: they carry 256 random bits, so no salt is needed."""
    return hashlib.sha256(value.encode()).digest()


class S256Only(CodeChallenge):
    """PKCE (RFC 7636) with S256 from everyone; Authlib's own asks public clients only and defaults to plain."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - Authlib's own declaration style

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        values = grant.request.payload.data
        if values.get("code_challenge_method") != "S256" or len(values.get("code_challenge", "")) != 43:
            raise InvalidRequestError("A code_challenge with code_challenge_method S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
        return "S256"


@dataclass(frozen=True, slots=True)
class RedeemedCode(AuthorizationCodeMixin):
    """A code that this request, and no other, has redeemed."""

    row: Row[Any]  # of the table of AuthorizationCode

    def get_redirect_uri(self) -> str:
        return str(self.row.redirect_uri)

    def get_scope(self) -> str:
        return str(self.row.scope)

    @property
    def code_challenge(self) -> str:
        return str(self.row.code_challenge)


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    """`authorization_code` (RFC 6749 §4.1). The "user" of Authlib is the Authorization here."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def generate_authorization_code(self) -> str:
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        authorization: Authorization = request.user
        values = request.payload.data
        now = self.server.services.clock()
        self.server.session.add(
            AuthorizationCode(
                code_sha256=digest(code),
                application_id=request.client.application.id,
                authorization_id=authorization.id,
                redirect_uri=values["redirect_uri"],
                code_challenge=values["code_challenge"],
                dpop_jkt=values.get("dpop_jkt"),
                scope=request.scope,
                expires_at=now + CODE_LIFETIME,
                used_at=None,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> RedeemedCode | None:
        """Redeem the code: of parallel requests exactly one gets the row, whatever becomes of it afterwards."""
        now = self.server.services.clock()
        redeemed = {"digest": digest(code), "application": client.application.id, "now": now}
        row = self.server.session.execute(_REDEEM, redeemed).first()
        key_proof = self.server.key_proof
        if row is None or row.dpop_jkt not in {None, key_proof.jkt if key_proof is not None else None}:
            return None
        return RedeemedCode(row)

    def delete_authorization_code(self, authorization_code: RedeemedCode) -> None:
        """Nothing to do: redeeming was spending."""

    def authenticate_user(self, authorization_code: RedeemedCode) -> Authorization | None:
        return find_standing(self.server.services, self.server.session, authorization_code.row.authorization_id)


@dataclass(frozen=True, slots=True)
class StoredRefreshToken(TokenMixin):
    """A refresh token that is neither revoked nor over, with its standing authorization."""

    row: RefreshToken
    authorization: Authorization

    def check_client(self, client: Client) -> bool:
        return self.row.application_id == client.application.id

    def get_scope(self) -> str:
        return self.row.scope


class RefreshTokenGrant(grants.RefreshTokenGrant):
    """`refresh_token` (RFC 6749 §6), sender-constrained by client authentication, not rotated (FAPI 2.0 §5.3.2.1)."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = False

    def authenticate_refresh_token(self, refresh_token: str) -> StoredRefreshToken | None:
        services, session = self.server.services, self.server.session
        row = session.scalars(
            select(RefreshToken).where(
                RefreshToken.token_sha256 == digest(refresh_token),
                RefreshToken.revoked_at.is_(None),
                RefreshToken.expires_at > services.clock(),
            )
        ).first()
        authorization = find_standing(services, session, row.authorization_id) if row else None
        return StoredRefreshToken(row, authorization) if row and authorization else None

    def authenticate_user(self, refresh_token: StoredRefreshToken) -> Authorization:
        return refresh_token.authorization

    def revoke_old_credential(self, refresh_token: StoredRefreshToken) -> None:
        """Nothing to do: the token is not rotated."""


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    """`client_credentials` (RFC 6749 §4.4): the platform as itself, never in the name of an enterprise."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_requested_scope(self) -> None:
        allowed = self.client.own_scopes
        if not allowed or not parse_scope(self.request.payload.scope) <= allowed:
            raise InvalidScopeError()
