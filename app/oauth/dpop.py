"""DPoP (RFC 9449): a key that the client made itself, proven on every use, with a nonce of this server in every proof.

The nonce needs no storage: it is a minute and its MAC, so every worker knows the nonces of all others. What makes a
proof good for one use only is its `jti`, which is spent in the database.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from app import once
from app.gateway.encoding import base64url, parse_base64url
from app.gateway.jose import JoseError, parse_jws, parse_public_jwk, thumbprint
from pki.suite import DEFAULT_SUITE

if TYPE_CHECKING:
    from app.wiring import Services

ALGORITHMS = tuple(sorted({row.jose_signature for row in DEFAULT_SUITE.rows.values()}))
WINDOW = timedelta(seconds=60)  # how far `iat` may be from our clock, either way
_MAX_PROOF = 4096
_NONCE_STEP = 60  # seconds
_NONCE_STEPS = range(-1, 6)  # how old a nonce may be; -1 is another worker whose clock is ahead
_MAC_BYTES = 16


class InvalidProof(Exception):
    """Not a DPoP proof for this request by this key. The reason may be told to the sender."""


class NonceNeeded(InvalidProof):
    """A good proof but for its nonce, which is missing, too old or not ours (RFC 9449 §8, §9)."""


@dataclass(frozen=True, slots=True)
class KeyProof:
    """A proven key, by its RFC 7638 thumbprint. The proof must still be spent, by its `jti`."""

    jkt: str
    jti: str
    expires_at: datetime


def verify_proof(
    services: Services, proof: str, *, method: str, target_uri: str, access_token: str | None = None,
    jkt: str | None = None,
) -> KeyProof:  # fmt: skip
    """Check a proof as RFC 9449 §4.3 lists it; with a token also `ath` and the key that the token names.

    `target_uri` is the request's, query included or not. Raises InvalidProof, NonceNeeded.
    """
    try:
        unverified = parse_jws(proof, typ={"dpop+jwt"}, limit=_MAX_PROOF)
        jwk = unverified.header.get("jwk")
        proven_jkt = thumbprint(jwk)
        if jkt is not None and not hmac.compare_digest(jkt.encode(), proven_jkt.encode()):
            raise InvalidProof("the proof is by another key than the token's")
        claims = unverified.verify(parse_public_jwk(jwk))
    except JoseError as exc:
        raise InvalidProof(str(exc)) from exc
    if claims.get("htm") != method or _without_query(claims.get("htu")) != _without_query(target_uri):
        raise InvalidProof("htm or htu is not that of the request")
    if access_token is not None and claims.get("ath") != base64url(hashlib.sha256(access_token.encode()).digest()):
        raise InvalidProof("ath is not the digest of the access token")
    jti, expires_at = claims.get("jti"), _check_time(claims.get("iat"), services.clock())
    if not isinstance(jti, str) or not 8 <= len(jti) <= 128:
        raise InvalidProof("jti is not 8 to 128 characters")
    _check_nonce(services, claims.get("nonce"))
    return KeyProof(proven_jkt, jti, expires_at)


def spend_proof(session: Session, proof: KeyProof) -> bool:
    """True for the first use of a proof, in the caller's transaction."""
    return once.spend(session, "dpop-proof", proof.jkt, proof.jti, proof.expires_at)


def server_nonce(services: Services) -> str:
    """The nonce of this minute, for the DPoP-Nonce field; good for five minutes."""
    return _nonce(services, int(services.clock().timestamp()) // _NONCE_STEP)


def _nonce(services: Services, step: int) -> str:
    minute = step.to_bytes(8, "big")
    mac = hmac.digest(services.settings.secret_key.encode(), b"yunlian dpop nonce\0" + minute, "sha256")
    return base64url(minute + mac[:_MAC_BYTES])


def _check_nonce(services: Services, nonce: object) -> None:
    try:
        step = int.from_bytes(parse_base64url(nonce if isinstance(nonce, str) else "")[:8], "big")
    except ValueError:
        step = 0
    now = int(services.clock().timestamp()) // _NONCE_STEP
    if now - step not in _NONCE_STEPS or not hmac.compare_digest(_nonce(services, step).encode(), str(nonce).encode()):
        raise NonceNeeded("the proof needs the nonce of the DPoP-Nonce field")


def _check_time(issued_at: Any, now: datetime) -> datetime:
    if type(issued_at) is not int or abs(now.timestamp() - issued_at) > WINDOW.total_seconds():
        raise InvalidProof("iat is not within 60 s of the bank's clock")
    # `iat` lets the proof in until WINDOW after it; the second WINDOW is for clocks that were set back.
    return datetime.fromtimestamp(issued_at, UTC) + 2 * WINDOW


def _without_query(uri: object) -> str | None:
    return uri.partition("#")[0].partition("?")[0] if isinstance(uri, str) else None
