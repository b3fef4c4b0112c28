"""Authorization server metadata (RFC 8414), as FAPI 2.0 clients read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.oauth import details, dpop
from app.oauth.client_auth import METHODS
from app.oauth.scopes import SCOPES
from pki.suite import DEFAULT_SUITE

if TYPE_CHECKING:
    from app.settings import Settings

_ENDPOINTS = {
    "token_endpoint": "/oauth/token",
    "pushed_authorization_request_endpoint": "/oauth/par",
    "introspection_endpoint": "/oauth/introspect",
    "revocation_endpoint": "/oauth/revoke",
    "registration_endpoint": "/oauth/register",
}


def server_metadata(settings: Settings) -> dict[str, Any]:
    """The document at /.well-known/oauth-authorization-server."""
    endpoints = {name: settings.issuer_url + path for name, path in _ENDPOINTS.items()}
    algorithms = sorted({row.jose_signature for row in DEFAULT_SUITE.rows.values()})
    authentication = {
        f"{endpoint}_endpoint_auth_{member}": value
        for endpoint in ("token", "introspection", "revocation")
        for member, value in (("methods_supported", METHODS), ("signing_alg_values_supported", algorithms))
    }
    return {
        "issuer": settings.issuer_url,
        "authorization_endpoint": f"{settings.people_url}/oauth/authorize",
        **endpoints,
        "jwks_uri": f"{settings.issuer_url}/oauth/jwks",
        "mtls_endpoint_aliases": endpoints,  # RFC 8705 §5: this door takes client certificates anyway
        **authentication,
        "scopes_supported": sorted(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "require_pushed_authorization_requests": True,
        "authorization_response_iss_parameter_supported": True,
        "authorization_details_types_supported": [details.TYPE],
        "tls_client_certificate_bound_access_tokens": True,
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
    }
