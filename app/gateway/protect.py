"""`@protected`: the only way into /api/v1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.gateway.answers import GatewayAnswer, make_response
from app.gateway.problems import ContentTooLarge
from app.gateway.refusals import record_refusal
from app.gateway.requests import MAX_BODY, IncomingRequest
from app.gateway.transport import client_certificate_proxies, find_client_certificate
from app.gateway.verify import Attempt, verify_request
from app.problems import Problem
from app.wiring import Services, current_services

_ATTRIBUTE = "gateway_protection"
_FIELDS = {
    "HTTP_AUTHORIZATION": "authorization",
    "CONTENT_TYPE": "content-type",
    "HTTP_CONTENT_DIGEST": "content-digest",
    "HTTP_CONTENT_ENCODING": "content-encoding",
    "HTTP_DPOP": "dpop",
    "HTTP_SIGNATURE": "signature",
    "HTTP_SIGNATURE_INPUT": "signature-input",
}


@dataclass(frozen=True, slots=True)
class Protection:
    """What a view demands: a scope, and whether an enterprise's content is the second identity; how many octets it
    takes at most, and whether it looks at the document's numbers itself."""

    scope: str
    content: bool
    max_body: int = MAX_BODY
    any_numbers: bool = False


def protected(
    *, scope: str, content: bool = True, max_body: int = MAX_BODY, any_numbers: bool = False
) -> Callable[[Callable[..., GatewayAnswer]], Callable[..., Response]]:
    """Let only verified requests reach the view, as its argument `verified`, and make its answer a response.

    `content=False` is for what concerns no enterprise: the platform's signature alone. Without `any_numbers` a document
    with a number that is no integer of 53 bits is refused as a whole.
    """
    protection = Protection(scope, content, max_body, any_numbers)

    def decorate(view: Callable[..., GatewayAnswer]) -> Callable[..., Response]:
        @wraps(view)
        def guarded(**path: Any) -> Response:
            services = current_services()
            attempt = g.gateway_attempt = Attempt(g.request_id)
            try:
                incoming = read_request(services, max_body)
                verified = verify_request(services, attempt, incoming, **asdict(protection))
            except Problem as refusal:
                attempt.refusal = refusal
                record_refusal(services, attempt, refusal, str(request.url_rule))
                raise
            answer = view(verified=verified, **path)
            return make_response(services, answer, verified.product_x5t_s256)

        setattr(guarded, _ATTRIBUTE, protection)
        return guarded

    return decorate


def find_protection(view: Callable[..., Any]) -> Protection | None:
    """What `@protected` demands for a view; None for a view that it does not guard."""
    return getattr(view, _ATTRIBUTE, None)


def read_request(services: Services, max_body: int = MAX_BODY) -> IncomingRequest:
    """The request as sent, with its body. Raises ContentTooLarge."""
    request.max_content_length = max_body
    try:
        return read_head(services, request.get_data())
    except RequestEntityTooLarge as exc:
        raise ContentTooLarge(f"a request has at most {max_body} octets") from exc


def read_head(services: Services, body: bytes = b"") -> IncomingRequest:
    """The request of Flask's context without reading its body."""
    return read_environ(services, request.environ, body)


def read_environ(services: Services, environ: Mapping[str, Any], body: bytes) -> IncomingRequest:
    """A request as WSGI gives it. The target is built on the issuer URL: Host is the sender's word only."""
    settings = services.settings
    return IncomingRequest(
        method=environ["REQUEST_METHOD"],
        target_uri=settings.issuer_url + _target(environ),
        headers={name: environ[variable] for variable, name in _FIELDS.items() if variable in environ},
        body=body,
        tls_x5t_s256=find_client_certificate(environ, client_certificate_proxies(settings)),
    )


def _target(environ: Mapping[str, Any]) -> str:
    """Path and query as they stood in the request line, before anything decoded them."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if raw.startswith("/"):
        return str(raw)
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=-._~")
    query = environ.get("QUERY_STRING", "")
    return f"/{path.lstrip('/')}" + (f"?{query}" if query else "")
