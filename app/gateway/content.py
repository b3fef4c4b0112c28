"""The inner layer: what the enterprise signed and sealed for the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.gateway.certificates import KnownCertificate
from app.gateway.jose import JoseError, SealedJwe, UnverifiedJws, parse_jws
from app.gateway.problems import InvalidContent
from app.gateway.requests import IncomingRequest

if TYPE_CHECKING:
    from app.oauth.tokens import AccessToken
    from app.wiring import Services

TYP = "yunlian-content+jwt"
MAX_LIFETIME = 600  # seconds from iat to exp
_SKEW = 60


@dataclass(frozen=True, slots=True)
class SignedContent:
    """Claims that the product key signed for this platform, this endpoint and this time."""

    jti: str
    expires_at: datetime
    document: Mapping[str, Any]


def open_content(services: Services, sealed: SealedJwe) -> UnverifiedJws:
    """Decrypt with the gateway's key. Raises InvalidContent."""
    held = services.hierarchy.gateway_encrypt
    try:
        if "kid" in sealed.header and sealed.header["kid"] != held.x5t_s256:
            raise JoseError("sealed to another key")
        token = sealed.open(held.key).decode("ascii")
        return parse_jws(token, typ={TYP}, limit=len(token))  # shorter than the body, which was bounded
    except (JoseError, UnicodeDecodeError) as exc:
        raise InvalidContent from exc


def verify_content(
    services: Services,
    unverified: UnverifiedJws,
    certificate: KnownCertificate,
    token: AccessToken,
    incoming: IncomingRequest,
) -> SignedContent:
    """The content signature, then `iss`, `aud`, `client_id`, `htm`, `htu`, `iat` and `exp`. Raises InvalidContent."""
    try:
        claims = unverified.verify(certificate.public_key)
    except JoseError as exc:
        raise InvalidContent from exc
    expected = {
        "iss": certificate.uri,
        "aud": services.settings.issuer_url,
        "client_id": token.client_id,
        "htm": incoming.method,
        "htu": incoming.target_uri.partition("?")[0],  # without query, as in RFC 9449 §4.2
    }
    if any(claims.get(name) != value for name, value in expected.items()):
        raise InvalidContent
    issued, expires, jti, document = (claims.get(name) for name in ("iat", "exp", "jti", "document"))
    if type(issued) is not int or type(expires) is not int:
        raise InvalidContent
    now = int(services.clock().timestamp())
    if issued > now + _SKEW or not now < expires <= issued + MAX_LIFETIME:
        raise InvalidContent
    if not isinstance(jti, str) or not 16 <= len(jti) <= 128 or not isinstance(document, dict):
        raise InvalidContent
    return SignedContent(jti, datetime.fromtimestamp(expires, UTC), document)
