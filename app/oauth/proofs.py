"""DPoP at the endpoints of the authorization server: what RFC 9449 §5 and §8 answer there."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749.errors import OAuth2Error

from app.oauth.dpop import InvalidProof, KeyProof, NonceNeeded, server_nonce, verify_proof

if TYPE_CHECKING:
    from app.wiring import Services


class InvalidDpopProof(OAuth2Error):
    """RFC 9449 §5."""

    error = "invalid_dpop_proof"


class UseDpopNonce(OAuth2Error):
    """RFC 9449 §8: the client tries again with this nonce. Nothing of its request was spent."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("The DPoP proof needs the nonce of the DPoP-Nonce field.")
        self._nonce = nonce

    def get_headers(self) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = super().get_headers()
        return [*headers, ("DPoP-Nonce", self._nonce)]


def prove_key(services: Services, proof: str | None, target_uri: str) -> KeyProof | None:
    """The key of a POST's DPoP field, None where there is none. Raises InvalidDpopProof, UseDpopNonce."""
    if proof is None:
        return None
    try:
        return verify_proof(services, proof, method="POST", target_uri=target_uri)
    except NonceNeeded as exc:
        raise UseDpopNonce(server_nonce(services)) from exc
    except InvalidProof as exc:
        raise InvalidDpopProof(str(exc).translate({34: 39, 92: 47})) from exc
