"""Registration of applications by program (RFC 7591), with a code that a platform's developer or the bank hands out.

The code is the initial access token of RFC 7591 §3: it names the platform and its end under a MAC, needs no storage,
and is spent by the one registration that it is good for. Keys come later, with the API certificate.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app import once
from app.gateway.documents import InvalidJson, parse_object
from app.gateway.encoding import base64url, parse_base64url
from app.oauth.client_auth import METHODS
from app.oauth.models import Application
from app.oauth.scopes import format_scope, parse_scope
from app.oauth.service import register_application
from app.problems import InvalidInput, NotFound

if TYPE_CHECKING:
    from app.wiring import Services

CODE_LIFETIME = timedelta(days=7)
MAX_METADATA = 16 * 1024  # octets
GRANTS = ("authorization_code", "client_credentials", "refresh_token")
_LABEL = b"yunlian registration code\0"
_ID, _TIME, _NONCE, _MAC = 26, 8, 16, 32  # octets


class CodeInvalid(Exception):
    """Not a registration code of this bank that is good now."""


class InvalidMetadata(Exception):
    """What is registered is refused; `error` is RFC 7591 §3.2.2's."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(reason)
        self.error = error


class ClientMetadata(BaseModel):
    """The members that mean something here; others are ignored, as RFC 7591 §2 wants."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    client_name: str
    scope: str
    redirect_uris: list[str] = []
    token_endpoint_auth_method: str = "private_key_jwt"  # noqa: S105 - the name of a method
    grant_types: list[str] = list(GRANTS)
    response_types: list[str] = ["code"]


def make_code(services: Services, tenant_id: str) -> str:
    """A code for one application of a platform, good for a week."""
    ends = int((services.clock() + CODE_LIFETIME).timestamp())
    facts = tenant_id.encode().ljust(_ID) + ends.to_bytes(_TIME, "big") + secrets.token_bytes(_NONCE)
    return base64url(facts + _mac(services, facts))


def register(services: Services, code: str, document: bytes) -> dict[str, Any]:
    """Register one application and say what was registered (RFC 7591 §3.2.1). Raises CodeInvalid, InvalidMetadata."""
    tenant_id, ends = _read_code(services, code)
    metadata = _read_metadata(document)
    with services.transaction() as session:
        if not once.spend(session, "registration-code", tenant_id, code, ends):
            raise CodeInvalid("the registration code was used before")
        try:
            application = register_application(
                services,
                session,
                tenant_id=tenant_id,
                name=metadata.client_name,
                redirect_uris=metadata.redirect_uris,
                scopes=sorted(parse_scope(metadata.scope)),
                actor=tenant_id,
            )
        except NotFound as exc:
            raise CodeInvalid("the registration code is of no platform") from exc
        except InvalidInput as exc:
            at_uris = any(fault.pointer.startswith("/redirect_uris") for fault in exc.faults)
            error = "invalid_redirect_uri" if at_uris else "invalid_client_metadata"
            raise InvalidMetadata(error, "; ".join(f"{fault.pointer}: {fault.reason}" for fault in exc.faults)) from exc
    return _describe(application, metadata)


def _describe(application: Application, metadata: ClientMetadata) -> dict[str, Any]:
    return {
        "client_id": application.client_id,
        "client_id_issued_at": int(application.created_at.timestamp()),
        "client_name": application.name,
        "redirect_uris": application.redirect_uris,
        "scope": format_scope(frozenset(application.scopes)),
        "token_endpoint_auth_method": metadata.token_endpoint_auth_method,
        "grant_types": list(GRANTS),
        "response_types": ["code"],
        "tls_client_certificate_bound_access_tokens": True,
    }


def _read_metadata(document: bytes) -> ClientMetadata:
    try:
        metadata = ClientMetadata.model_validate(parse_object(document))
    except InvalidJson as exc:
        raise InvalidMetadata("invalid_client_metadata", exc.reason) from exc
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors(include_url=False, include_input=False)[0]["loc"])
        raise InvalidMetadata("invalid_client_metadata", f"{place} is missing or of the wrong type") from exc
    if metadata.token_endpoint_auth_method not in METHODS:
        raise InvalidMetadata("invalid_client_metadata", f"token_endpoint_auth_method is one of {', '.join(METHODS)}")
    if not set(metadata.grant_types) <= set(GRANTS) or not set(metadata.response_types) <= {"code"}:
        raise InvalidMetadata("invalid_client_metadata", "a grant or response type that this server has not")
    return metadata


def _read_code(services: Services, code: str) -> tuple[str, datetime]:
    try:
        octets = parse_base64url(code)
    except ValueError as exc:
        raise CodeInvalid("not a registration code") from exc
    facts, mac = octets[:-_MAC], octets[-_MAC:]
    if len(facts) != _ID + _TIME + _NONCE or not hmac.compare_digest(mac, _mac(services, facts)):
        raise CodeInvalid("not a registration code of this bank")
    ends = datetime.fromtimestamp(int.from_bytes(facts[_ID : _ID + _TIME], "big"), UTC)
    if services.clock() >= ends:
        raise CodeInvalid("the registration code has expired")
    return facts[:_ID].decode().strip(), ends


def _mac(services: Services, facts: bytes) -> bytes:
    return hmac.digest(services.settings.secret_key.encode(), _LABEL + facts, "sha256")
