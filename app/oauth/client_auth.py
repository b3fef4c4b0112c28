"""Who the client is: `private_key_jwt` (RFC 7523, OpenID Connect Core §9) or mutual TLS (RFC 8705 §2.1).

Both prove the private key of an API certificate. There are no client secrets. First the proof is checked, without
a transaction; then `admit` spends it inside the transaction of the endpoint.
"""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import once
from app.certificates.models import CertificateRecord
from app.gateway.certificates import KnownCertificate, UnknownCertificate, get_good_certificate
from app.gateway.jose import JoseError, UnverifiedJws, parse_jws
from app.oauth.messages import FormRequest
from app.oauth.models import Application
from app.oauth.scopes import BANK_SCOPES, CLIENT_SCOPES, SCOPES, format_scope, parse_scope
from app.problems import Problem
from pki.identifiers import application_urn

if TYPE_CHECKING:
    from app.wiring import Services

METHODS = ["private_key_jwt", "tls_client_auth"]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_ASSERTION_AGE = 300  # seconds that an assertion may still be good for
_SKEW = 10  # seconds; FAPI 2.0 §5.3.2.1 asks to accept this much of the future
_MAX_ASSERTION = 4096
_TYPES = frozenset({None, "JWT", "client-authentication+jwt"})


class ClientAuthenticationFailed(InvalidClientError):
    """401 without a challenge: our methods have no HTTP authentication scheme (RFC 6749 §5.2)."""

    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        return [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


@dataclass(frozen=True, slots=True)
class ClientProof:
    """A proven key of a client. `jti` and `expires_at` are of the assertion, which must still be spent."""

    method: str
    client_id: str
    application_id: str
    certificate_x5t_s256: str
    jti: str | None = None
    expires_at: datetime | None = None


class Client(ClientMixin):
    """An application as Authlib sees it, with the certificate by which it authenticated (None on pages)."""

    def __init__(self, application: Application, certificate_x5t_s256: str | None = None) -> None:
        self.application = application
        self.certificate_x5t_s256 = certificate_x5t_s256

    def get_client_id(self) -> str:
        return self.application.client_id

    def get_default_redirect_uri(self) -> None:
        return None  # FAPI 2.0 §5.3.2.2: always stated

    def get_allowed_scope(self, scope: str | None) -> str | None:
        asked = parse_scope(scope)
        return format_scope(asked) if asked and asked <= SCOPES & set(self.application.scopes) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.application.redirect_uris

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True

    @property
    def own_scopes(self) -> frozenset[str]:
        """What the application may do without any enterprise."""
        return (CLIENT_SCOPES | BANK_SCOPES) & set(self.application.scopes)


def prove(services: Services, request: FormRequest, tls_x5t_s256: str | None) -> ClientProof:
    """Check the client's proof of its key. Opens no write transaction. Raises ClientAuthenticationFailed."""
    form = request.form
    try:
        if "client_assertion" in form or "client_assertion_type" in form:
            return _prove_assertion(services, form)
        if tls_x5t_s256 is not None:
            return _prove_tls(services, form, tls_x5t_s256)
    except (JoseError, UnknownCertificate, Problem) as exc:
        # The text goes to the client, so it names the step and not what is known about other clients.
        raise ClientAuthenticationFailed(f"Client authentication failed: {_reason(exc)}.") from exc
    raise ClientAuthenticationFailed("Client authentication is missing.")


def admit(services: Services, session: Session, proof: ClientProof) -> Client:
    """Spend the proof and load the client, in the caller's transaction. Raises ClientAuthenticationFailed."""
    application = session.get(Application, proof.application_id)
    if application is None or application.disabled_at is not None:
        raise ClientAuthenticationFailed("The client is unknown or switched off.")
    if proof.jti is not None and proof.expires_at is not None:
        fresh = once.spend(session, "client-assertion", proof.client_id, proof.jti, proof.expires_at)
        if not fresh:
            raise ClientAuthenticationFailed("The client assertion was used before.")
    return Client(application, proof.certificate_x5t_s256)


def _prove_tls(services: Services, form: dict[str, str], tls_x5t_s256: str) -> ClientProof:
    known = get_good_certificate(services, tls_x5t_s256, "api")
    client_id = form.get("client_id", "")
    _check_belongs(known, client_id)
    return ClientProof("tls_client_auth", client_id, known.application_id or "", known.x5t_s256)


def _prove_assertion(services: Services, form: dict[str, str]) -> ClientProof:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise JoseError("client_assertion_type is not jwt-bearer")
    assertion = parse_jws(form.get("client_assertion", ""), typ=_TYPES, limit=_MAX_ASSERTION)
    known, claims = _verify_by_registered_key(services, assertion, form.get("client_id"))
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or claims.get("iss") != client_id:
        raise JoseError("iss and sub are not both the client_id")
    if form.get("client_id", client_id) != client_id:
        raise JoseError("client_id is not the one of the assertion")
    _check_belongs(known, client_id)
    if claims.get("aud") != services.settings.issuer_url:  # FAPI 2.0 §5.3.2.1: this string and no list
        raise JoseError("aud is not the issuer URL as a single string")
    expires_at = _check_times(claims, int(services.clock().timestamp()))
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 8 <= len(jti) <= 128:
        raise JoseError("jti is not 8 to 128 characters")
    return ClientProof("private_key_jwt", client_id, known.application_id or "", known.x5t_s256, jti, expires_at)


def _verify_by_registered_key(
    services: Services, assertion: UnverifiedJws, client_id: str | None
) -> tuple[KnownCertificate, dict[str, Any]]:
    """`kid` or `x5t#S256` names the API certificate; else the client's good ones are tried, newest first."""
    named = assertion.header.get("kid", assertion.header.get("x5t#S256"))
    if named is not None:
        known = get_good_certificate(services, str(named), "api")
        return known, assertion.verify(known.public_key)
    for x5t_s256 in _certificates_of(services, client_id):
        known = get_good_certificate(services, x5t_s256, "api")
        try:
            return known, assertion.verify(known.public_key)
        except JoseError:
            continue
    raise JoseError("no API certificate of the client verifies the assertion")


def _certificates_of(services: Services, client_id: str | None) -> list[str]:
    with services.reading() as session:
        query = (
            select(CertificateRecord.x5t_s256)
            .join(Application, Application.id == CertificateRecord.application_id)
            .where(
                Application.client_id == client_id,
                CertificateRecord.profile == "api",
                CertificateRecord.state == "good",
                CertificateRecord.not_after > services.clock(),
            )
            .order_by(CertificateRecord.issued_at.desc())
            .limit(4)
        )
        return list(session.scalars(query))


def _check_belongs(known: KnownCertificate, client_id: str) -> None:
    if not client_id or known.uri != application_urn(client_id):
        raise JoseError("the certificate is not the client's")


def _check_times(claims: dict[str, Any], now: int) -> datetime:
    expires = claims.get("exp")
    if type(expires) is not int or not now < expires <= now + MAX_ASSERTION_AGE + _SKEW:
        raise JoseError(f"exp is not within the next {MAX_ASSERTION_AGE} seconds")
    for name in ("iat", "nbf"):
        value = claims.get(name, now)
        if type(value) is not int or value > now + _SKEW:
            raise JoseError(f"{name} is in the future")
    return datetime.fromtimestamp(expires, UTC)


def _reason(exc: Exception) -> str:
    code = getattr(exc, "code", None)
    text = str(code) if code else str(exc)
    return text.replace('"', "'").replace("\\", "/")
