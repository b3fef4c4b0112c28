"""The enterprise's side: content signed by the product key and sealed to the bank, sealed answers opened."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from yunlian import tokens
from yunlian.keys import (
    JoseKey,
    PrivateKey,
    load_certificate,
    load_private_key,
    subject_uri,
    x5t_s256,
)

CONTENT_LIFETIME = 300  # seconds; the protocol allows 600


class Enterprise:
    """One product of one enterprise: its signing key with certificate, and its decryption key."""

    def __init__(
        self,
        product_key: Path | str | bytes | PrivateKey,
        product_certificate: Path | str | bytes | x509.Certificate,
        encryption_key: Path | str | bytes | PrivateKey | None = None,
    ) -> None:
        self._key = load_private_key(product_key)
        certificate = load_certificate(product_certificate)
        self._encryption_key = load_private_key(encryption_key) if encryption_key is not None else None
        self.x5t_s256 = x5t_s256(certificate)
        self.urn = subject_uri(certificate)

    def claims(
        self, document: Mapping[str, Any], *, issuer: str, client_id: str, method: str, url: str, now: datetime
    ) -> dict[str, Any]:
        """The claims of the content, for this platform, this endpoint and the next five minutes."""
        issued = int(now.timestamp())
        return {
            "iss": self.urn,
            "aud": issuer,
            "client_id": client_id,
            "htm": method,
            "htu": url,
            "iat": issued,
            "exp": issued + CONTENT_LIFETIME,
            "jti": secrets.token_urlsafe(18),
            "document": document,
        }

    def content(
        self, document: Mapping[str, Any], *, issuer: str, client_id: str, method: str, url: str, now: datetime
    ) -> str:
        """The signed content of a request, as a JWS."""
        claims = self.claims(document, issuer=issuer, client_id=client_id, method=method, url=url, now=now)
        return self.sign(claims)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The content as a JWS."""
        return tokens.sign(self._key, claims, {"typ": "yunlian-content+jwt", "x5t#S256": self.x5t_s256})

    def seal(self, claims: Mapping[str, Any], bank_key: JoseKey, algorithm: str, kid: str) -> bytes:
        """The signed content as a JWE to the bank: the body of a request."""
        header = {"kid": kid, "cty": "JWT"}
        return tokens.encrypt(self.sign(claims).encode(), bank_key, algorithm, header).encode()

    def open(self, sealed: str) -> dict[str, Any]:
        """What the bank sealed for this enterprise alone. Raises ValueError, joserfc.errors.JoseError."""
        if self._encryption_key is None:
            raise ValueError("opening sealed answers needs the encryption key of the product")
        opened: dict[str, Any] = json.loads(tokens.decrypt(sealed, self._encryption_key))
        return opened
