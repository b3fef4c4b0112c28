"""The WWW-Authenticate field of a 401 (RFC 6750 §3, RFC 9449 §7.1)."""

from __future__ import annotations

from app.gateway.requests import IncomingRequest
from app.oauth.dpop import ALGORITHMS
from app.problems import Problem

_ALGORITHMS = f'algs="{" ".join(ALGORITHMS)}"'
_DPOP_ERRORS = {"use-dpop-nonce": "use_dpop_nonce", "invalid-dpop-proof": "invalid_dpop_proof"}


def challenge(incoming: IncomingRequest, refusal: Problem | None) -> str:
    """In the scheme that the sender used; without any authorization, both schemes and no error."""
    authorization = incoming.headers.get("authorization")
    if authorization is None:
        return f"Bearer, DPoP {_ALGORITHMS}"
    if authorization.startswith("DPoP "):
        error = _DPOP_ERRORS.get(refusal.code if refusal is not None else "", "invalid_token")
        return f'DPoP error="{error}", {_ALGORITHMS}'
    return 'Bearer error="invalid_token"'
