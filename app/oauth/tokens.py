"""Access tokens: JWTs after RFC 9068, five minutes, bound to an API certificate (RFC 8705) or DPoP key (RFC 9449)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.gateway.cache import caches_of
from app.gateway.jose import JoseError, parse_jws, sign_jwt
from app.oauth.models import Application, Authorization, RevokedToken
from app.oauth.scopes import format_scope, parse_scope
from app.oauth.token_keys import LIFETIME, SKEW, KeyRing, key_ring
from pki.identifiers import product_urn

if TYPE_CHECKING:
    from app.wiring import Services

MAX_TOKEN = 4096  # characters; ours have about 900
_TYP = "at+jwt"


class TokenInvalid(Exception):
    """Not an access token of this server that is good now. The reason may be shown to whoever sent it."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token whose signature and issuer are proven. What it is bound to must still be shown by its bearer.

    That is either an API certificate or a DPoP key (`jkt`), never both.
    """

    jti: str
    client_id: str
    application_id: str
    platform_tenant_id: str
    scope: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    certificate_x5t_s256: str | None
    jkt: str | None
    authorization_id: str | None
    product_x5t_s256: str | None


def audience(services: Services) -> str:
    """The protected resource that tokens are good for (RFC 9068 §2.2)."""
    return f"{services.settings.issuer_url}/api/v1"


def issue_access_token(
    services: Services,
    *,
    application: Application,
    scope: frozenset[str],
    certificate_x5t_s256: str | None = None,
    jkt: str | None = None,
    authorization: Authorization | None = None,
    keys: KeyRing | None = None,
) -> str:
    """A signed token bound to the API certificate with which the client authenticated, or to its DPoP key.

    Inside a transaction `keys` must be given, which were read before it.
    """
    if (certificate_x5t_s256 is None) == (jkt is None):
        raise TypeError("a token is bound to one certificate or to one DPoP key")
    signing = (keys or key_ring(services)).signing(services.clock())
    now = int(services.clock().timestamp())
    claims: dict[str, Any] = {
        "iss": services.settings.issuer_url,
        "sub": application.client_id,
        "aud": audience(services),
        "iat": now,
        "exp": now + int(LIFETIME.total_seconds()),
        "jti": secrets.token_urlsafe(18),
        "client_id": application.client_id,
        "scope": format_scope(scope),
        "cnf": {"x5t#S256": certificate_x5t_s256} if jkt is None else {"jkt": jkt},
    }
    if authorization is not None:
        claims |= {
            "sub": product_urn(authorization.uscc, authorization.product),
            "authorization_id": authorization.id,
            "product_x5t#S256": authorization.product_x5t_s256,
        }
    return sign_jwt(signing.key, claims, typ=_TYP, header={"kid": signing.kid})


def verify_access_token(services: Services, text: str) -> AccessToken:
    """The token, proven to be ours and good now; remembered per worker until the revocation epoch moves on.

    Raises TokenInvalid.
    """

    def prove() -> AccessToken:
        keys = key_ring(services)  # before the session: who holds one connection must not wait for a second
        with services.reading() as session:
            return _prove(services, session, text, keys)

    key = hashlib.sha256(text.encode()).hexdigest()
    token = caches_of(services).tokens.get_or_make(services.epoch.current(), key, prove)
    _check_time(token, services.clock())
    return token


def read_access_token(services: Services, session: Session, text: str, keys: KeyRing) -> AccessToken:
    """As `verify_access_token`, in the caller's transaction and from no memory. Raises TokenInvalid."""
    token = _prove(services, session, text, keys)
    _check_time(token, services.clock())
    return token


def _prove(services: Services, session: Session, text: str, keys: KeyRing) -> AccessToken:
    try:
        unverified = parse_jws(text, typ={_TYP}, limit=MAX_TOKEN)
        signing = keys.find(unverified.header.get("kid"), services.clock())
        if signing is None:
            raise TokenInvalid("the access token is not signed by this server")
        claims = unverified.verify(signing.public_key)
    except JoseError as exc:
        raise TokenInvalid("the access token is not signed by this server") from exc
    if (claims["iss"], claims["aud"]) != (services.settings.issuer_url, audience(services)):
        raise TokenInvalid("the access token is for another server")
    application = session.scalars(select(Application).where(Application.client_id == claims["client_id"])).first()
    revoked = session.get(RevokedToken, claims["jti"]) is not None
    if application is None or application.disabled_at is not None or revoked:
        raise TokenInvalid("the access token was revoked")
    return AccessToken(
        jti=claims["jti"],
        client_id=claims["client_id"],
        application_id=application.id,
        platform_tenant_id=application.tenant_id,
        scope=parse_scope(claims["scope"]),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        certificate_x5t_s256=claims["cnf"].get("x5t#S256"),
        jkt=claims["cnf"].get("jkt"),
        authorization_id=claims.get("authorization_id"),
        product_x5t_s256=claims.get("product_x5t#S256"),
    )


def _check_time(token: AccessToken, now: datetime) -> None:
    if now >= token.expires_at:
        raise TokenInvalid("the access token has expired")
    if now < token.issued_at - SKEW:
        raise TokenInvalid("the access token is from the future")
