"""Revocation (RFC 7009): a client gives back its own tokens. Ending the authorization is the enterprise's right."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint as AuthlibRevocation

from app.oauth.client_auth import METHODS, Client
from app.oauth.introspect import ActiveToken, find_active_token
from app.oauth.messages import FormRequest
from app.oauth.models import RevokedToken


class RevocationEndpoint(AuthlibRevocation):
    """`/oauth/revoke`. Unknown and foreign tokens answer alike, so nothing can be probed."""

    CLIENT_AUTH_METHODS = METHODS

    def authenticate_token(self, request: FormRequest, client: Client) -> ActiveToken | None:
        if "token" not in request.form:
            raise InvalidRequestError("token is missing.")
        token = find_active_token(self.server, request.form["token"])
        return token if token is not None and token.check_client(client) else None

    def revoke_token(self, token: ActiveToken, request: FormRequest) -> None:
        services, session = self.server.services, self.server.session
        services.epoch.bump(session)  # first: of two in one group the second would come to it with a row in hand
        if token.refresh is not None:
            token.refresh.revoked_at = services.clock()
        if token.access is not None:
            session.merge(RevokedToken(jti=token.access.jti, expires_at=token.access.expires_at))
