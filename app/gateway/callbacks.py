"""Callbacks: signed requests of the bank to the address that an application registered (protocol.md, Callbacks).

What is here makes one request and sends it once. When to send, and again until a 2xx, is the outbox's.
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.gateway import httpsig
from app.gateway.answers import seal_to_product

if TYPE_CHECKING:
    from app.wiring import Services

LABEL, TAG = "callback", "yunlian-callback"
TIMEOUT = 10.0  # seconds, for the connection and for each read
_COMPONENTS = ('"@method"', '"@target-uri"', '"content-type"', '"content-digest"')
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Sequence[Address]]


class CallbackRefused(Exception):
    """The address is none that the bank calls. Trying again later does not help until it is changed."""


class CallbackFailed(Exception):
    """Not delivered, or not answered by 2xx: try again later. `status` is None where nothing was answered."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """One signed POST. Made anew for every attempt, because its signature is good for a minute."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def make_callback(
    services: Services,
    url: str,
    event_id: str,
    body: Mapping[str, Any],
    *,
    sealed: Mapping[str, Any] | None = None,
    product_x5t_s256: str | None = None,
) -> CallbackRequest:
    """The event as JSON, with what only the enterprise may read sealed to its product, signed by the gateway.

    The receiver knows a repeated event by `event_id`. Raises UnknownCertificate, ExpiredCertificate,
    RevokedCertificate, and TypeError where something is to be sealed to nobody.
    """
    document = {"event_id": event_id, **body}
    if sealed is not None:
        if product_x5t_s256 is None:
            raise TypeError("a callback can be sealed only to a product")
        document["sealed"] = seal_to_product(services, product_x5t_s256, sealed)
    octets = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "Content-Digest": httpsig.content_digest(octets)}
    values = dict(zip(_COMPONENTS, ("POST", url, headers["Content-Type"], headers["Content-Digest"]), strict=True))
    held = services.hierarchy.gateway_sign
    parameters: dict[str, int | str] = {
        "created": int(services.clock().timestamp()),
        "nonce": secrets.token_urlsafe(18),
        "keyid": held.x5t_s256,
        "tag": TAG,
    }
    headers |= httpsig.sign(held.key, LABEL, _COMPONENTS, values, parameters)
    return CallbackRequest(url, headers, octets)


def verify_callback_url(url: str) -> None:
    """Raises CallbackRefused unless it is an absolute https URL that the bank could call."""
    _parse(url)


def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a name, in the system's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]


def send_callback(
    services: Services,
    request: CallbackRequest,
    *,
    resolver: Resolver = resolve,
    context: ssl.SSLContext | None = None,
) -> int:
    """Send once and return the 2xx status. Redirects are not followed, and the answer's content is not read.

    The name is resolved once and the connection made to the very address that was checked, so that no second look-up
    can lead elsewhere. Raises CallbackRefused, CallbackFailed.
    """
    host, port, path = _parse(request.url)
    try:
        address = _choose(resolver(host, port), private=not services.settings.production)
        connection = _PinnedConnection(host, port, str(address), context or ssl.create_default_context())
        try:
            connection.request("POST", path, request.body, dict(request.headers))
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException) as exc:
        raise CallbackFailed(f"not delivered: {type(exc).__name__}") from exc
    if not 200 <= status < 300:
        raise CallbackFailed(f"answered by {status}", status)
    return status


class _PinnedConnection(HTTPSConnection):
    """To one address; the certificate is still checked against the name."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), timeout=TIMEOUT)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _parse(url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as exc:
        raise CallbackRefused("not a URL") from exc
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or "#" in url or not url.isascii():
        raise CallbackRefused("a callback goes to an absolute https URL without user and fragment")
    return parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _choose(addresses: Sequence[Address], *, private: bool) -> Address:
    """The first address, where all are public: a name that leads inside by one of many is not called at all."""
    if not addresses:
        raise CallbackFailed("the name has no address")
    if not private and not all(_is_public(address) for address in addresses):
        raise CallbackRefused("the name leads to an address that is not public")
    return addresses[0]


def _is_public(address: Address) -> bool:
    """Neither this machine nor a private, link-local, multicast or reserved network, also as IPv4 within IPv6."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if within is not None:
            return _is_public(within)
        if address in _NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast
