"""DPoP proofs (RFC 9449) by joserfc."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from yunlian import tokens
from yunlian.keys import PrivateKey, jose_key


class Prover:
    """A key and the newest nonce that the server gave for it."""

    def __init__(self, key: PrivateKey, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._clock = clock
        self._jwk = jose_key(key).as_dict(private=False)
        self._jwk.pop("kid", None)
        self.nonce: str | None = None

    def proof(self, method: str, url: str, access_token: str | None = None) -> str:
        """A fresh proof for one request; `url` may have a query, which a proof does not cover."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(18),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(self._clock().timestamp()),
        }
        if self.nonce is not None:
            claims["nonce"] = self.nonce
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return tokens.sign(self._key, claims, {"typ": "dpop+jwt", "jwk": self._jwk})
