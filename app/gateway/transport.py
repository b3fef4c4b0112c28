"""What the transport says about the caller: the client certificate of TLS, seen here or at a proxy of ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from app.gateway.encoding import base64url

if TYPE_CHECKING:
    from app.settings import Settings

_MAX_CERTIFICATE = 16 * 1024  # characters of the field


def client_certificate_proxies(settings: Settings) -> tuple[str, ...]:
    """Addresses or networks whose `Client-Cert` field is believed; none unless configured."""
    return settings.client_certificate_proxies


def find_client_certificate(environ: Mapping[str, Any], proxies: Iterable[str] = ()) -> str | None:
    """x5t#S256 of the client certificate of this TLS connection, None where there was none.

    gunicorn terminates TLS and has proven possession of the key (RFC 8446 §4.4.3) and the chain. Where one of `proxies`
    terminates it, the same is told by the field `Client-Cert` (RFC 9440 §2.2), which such a proxy must remove from
    what clients send; from any other address the field means nothing. Whether the certificate is one of ours and good
    is for the caller to check.
    """
    der = _peer_certificate(environ.get("gunicorn.socket"))
    if not der and _is_from(environ, proxies):
        der = _parse_client_cert(environ.get("HTTP_CLIENT_CERT", ""))
    return base64url(hashlib.sha256(der).digest()) if der else None


def _peer_certificate(connection: Any) -> bytes | None:
    try:
        der: bytes | None = connection.getpeercert(True) if hasattr(connection, "getpeercert") else None
    except ValueError:  # the connection ended while the request was read: nobody will read an answer, either
        return None
    return der


def _is_from(environ: Mapping[str, Any], proxies: Iterable[str]) -> bool:
    """By the address of the connection, which no forwarding field can change."""
    if not proxies:
        return False
    original = environ.get("werkzeug.proxy_fix.orig", environ)
    try:
        peer = ip_address(original.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(peer in ip_network(proxy) for proxy in proxies)


def _parse_client_cert(field: str) -> bytes | None:
    """The octets of a structured field's byte sequence (RFC 9651 §3.3.5); None for anything else."""
    if len(field) > _MAX_CERTIFICATE or len(field) < 2 or field[0] != ":" or field[-1] != ":":
        return None
    try:
        return base64.b64decode(field[1:-1], validate=True)
    except ValueError:
        return None
