"""The ordered checks of protocol.md. What comes out is proven; what fails says why and stops at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from app import once
from app.gateway.certificates import KnownCertificate, UnknownCertificate, get_good_certificate
from app.gateway.content import SignedContent, open_content, verify_content
from app.gateway.documents import InvalidJson, canonical, parse_object
from app.gateway.httpsig import HttpSignatureError, verify, verify_content_digest
from app.gateway.problems import (
    InvalidContent,
    InvalidDocument,
    InvalidDpopProof,
    InvalidMessageSignature,
    InvalidToken,
    NotAuthorized,
    Replayed,
    UseDpopNonce,
)
from app.gateway.ratelimits import RateVerdict, count_request, counted_in_redis
from app.gateway.requests import MAX_BODY, IncomingRequest, UnverifiedRequest, component_values, parse_request
from app.oauth.authorizations import StandingAuthorization, get_standing_cached
from app.oauth.dpop import InvalidProof, KeyProof, NonceNeeded, spend_proof, verify_proof
from app.oauth.tokens import AccessToken, TokenInvalid, verify_access_token
from app.problems import Fault, NotFound, Problem, TooManyRequests
from app.writing import writing
from pki.errors import InvalidIdentifier
from pki.identifiers import parse_product_urn

if TYPE_CHECKING:
    from app.wiring import Services

_enterprise_of = lru_cache(maxsize=1024)(parse_product_urn)  # a check digit for every request of the same few

WINDOW = timedelta(seconds=60)  # how far `created` may be from the bank's clock, either way


@dataclass(slots=True)
class Attempt:
    """A request on its way through the checks; what is proven is set at once, and in the end why it was refused."""

    request_id: str
    client_id: str | None = None
    rate: RateVerdict | None = None
    refusal: Problem | None = None


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request of which both identities are proven (or the platform's alone, where that is enough).

    `document` is the canonical JSON (RFC 8785) of the endpoint's document, empty where a request has none. With
    an enterprise's content `authorization`, `product_x5t_s256` and `content_jti` are set, otherwise None.
    """

    request_id: str
    client_id: str
    application_id: str
    platform_tenant_id: str
    scope: frozenset[str]
    api_x5t_s256: str
    authorization: StandingAuthorization | None
    product_x5t_s256: str | None
    content_jti: str | None
    document: bytes
    document_sha256: str
    received_at: datetime


def verify_request(
    services: Services,
    attempt: Attempt,
    incoming: IncomingRequest,
    *,
    scope: str,
    content: bool,
    max_body: int = MAX_BODY,
    any_numbers: bool = False,
) -> VerifiedRequest:
    """Check a request in the order of protocol.md. Raises the Problem of the first check that fails."""
    # 1. Size and form.
    unverified = parse_request(incoming, content=content, max_body=max_body)
    # 2. The token, and what it is good for.
    token = verify_token(services, unverified.token, scope)
    attempt.client_id = token.client_id
    # 3. The binding of the token to a key that this request shows.
    key_proof = verify_binding(services, token, unverified, incoming)
    # 4. The API certificate: path, time, revocation.
    api_certificate = verify_api_certificate(services, token, unverified)
    # 5. The message signature, the digest, `created`.
    verify_message(services, api_certificate, unverified, incoming)
    # 6. The nonce and the DPoP proof, spent only now that the signature is good; then the request counts.
    attempt.rate = _spend_nonce(services, token, api_certificate, unverified, key_proof, scope)
    if attempt.rate.exceeded:
        raise TooManyRequests("the application's quota for this product is used up", retry_after=attempt.rate.reset)
    signed = certificate = None
    if unverified.sealed_content is not None:
        # 7. Decryption.
        unverified_content = open_content(services, unverified.sealed_content)
        # 8. The product certificate: the one of the token, path, time, revocation.
        certificate = verify_product_certificate(services, token, unverified_content.header.get("x5t#S256"))
        # 9. and 10. The content signature; `iss`, `aud`, `client_id`, `htm`, `htu`, `exp`.
        signed = verify_content(services, unverified_content, certificate, token, incoming)
        # 11. The `jti`, once per product certificate.
        spend_jti(services, certificate, signed)
    # 12. The standing authorization: this platform, enterprise, product, custody; amounts are the endpoint's.
    authorization = verify_authorization(services, token, certificate) if certificate is not None else None
    # 13. The document.
    document = canonical_document(signed, incoming, any_numbers=any_numbers)
    return VerifiedRequest(
        request_id=attempt.request_id,
        client_id=token.client_id,
        application_id=token.application_id,
        platform_tenant_id=token.platform_tenant_id,
        scope=token.scope,
        api_x5t_s256=api_certificate.x5t_s256,
        authorization=authorization,
        product_x5t_s256=certificate.x5t_s256 if certificate is not None else None,
        content_jti=signed.jti if signed is not None else None,
        document=document,
        document_sha256=hashlib.sha256(document).hexdigest(),
        received_at=services.clock(),
    )


def verify_token(services: Services, text: str, scope: str) -> AccessToken:
    """An access token of ours that is good for a scope. Raises InvalidToken, NotAuthorized."""
    try:
        token = verify_access_token(services, text)
    except TokenInvalid as exc:
        raise InvalidToken(str(exc)) from exc
    if scope not in token.scope:
        raise NotAuthorized(f"the access token has not the scope {scope}")
    return token


def verify_binding(
    services: Services, token: AccessToken, unverified: UnverifiedRequest, incoming: IncomingRequest
) -> KeyProof | None:
    """By DPoP (RFC 9449 §7), by the TLS connection (RFC 8705 §3), or by the message signature that is proven next."""
    if (token.jkt is None) != (unverified.dpop is None):
        raise InvalidToken("the access token is not bound as the scheme of the Authorization field says")
    if token.jkt is None or unverified.dpop is None:
        if token.certificate_x5t_s256 not in (incoming.tls_x5t_s256, unverified.keyid):
            raise InvalidToken("the access token is bound to another certificate")
        return None
    try:
        return verify_proof(
            services,
            unverified.dpop,
            method=incoming.method,
            target_uri=incoming.target_uri,
            access_token=unverified.token,
            jkt=token.jkt,
        )
    except NonceNeeded as exc:
        raise UseDpopNonce(str(exc)) from exc
    except InvalidProof as exc:
        raise InvalidDpopProof(str(exc)) from exc


def verify_api_certificate(services: Services, token: AccessToken, unverified: UnverifiedRequest) -> KnownCertificate:
    try:
        certificate = get_good_certificate(services, unverified.keyid, "api")
    except UnknownCertificate as exc:
        raise InvalidMessageSignature("keyid names no API certificate") from exc
    if certificate.application_id != token.application_id:
        raise InvalidMessageSignature("keyid names another application's certificate")
    return certificate


def verify_message(
    services: Services,
    certificate: KnownCertificate,
    unverified: UnverifiedRequest,
    incoming: IncomingRequest,
) -> None:
    try:
        values = component_values(incoming)
        verify(certificate.public_key, unverified.signature, unverified.stated, values)
        if unverified.digest is not None:
            verify_content_digest(unverified.digest, incoming.body)
    except HttpSignatureError as exc:
        raise InvalidMessageSignature(str(exc)) from exc
    now = services.clock().timestamp()
    if abs(now - unverified.created) > WINDOW.total_seconds():
        raise InvalidMessageSignature("created is not within 60 s of the bank's clock")
    if unverified.stated.expires is None or now >= unverified.stated.expires:
        raise InvalidMessageSignature("the message signature has expired")


def _spend_nonce(
    services: Services,
    token: AccessToken,
    certificate: KnownCertificate,
    unverified: UnverifiedRequest,
    key_proof: KeyProof | None,
    product: str,
) -> RateVerdict:
    # `created` lets the message in until WINDOW after it; the second WINDOW is for clocks that were set back.
    forget_at = datetime.fromtimestamp(unverified.created, UTC) + 2 * WINDOW
    with counted_in_redis(services, token.application_id, product) as counted:
        rate = None
        with writing(services) as session:
            fresh = once.spend(session, "message-nonce", certificate.x5t_s256, unverified.nonce, forget_at)
            fresh_proof = key_proof is None or spend_proof(session, key_proof)
            if fresh and fresh_proof:
                rate = count_request(services, session, token.application_id, product, counted.number)
        if rate is None:
            raise Replayed("the nonce was used before" if not fresh else "the DPoP proof was used before")
        counted.is_fresh = True
        return rate


def verify_product_certificate(services: Services, token: AccessToken, named: object) -> KnownCertificate:
    """The product certificate of the token, which the content names by its x5t#S256.

    Raises NotAuthorized, InvalidContent, ExpiredCertificate, RevokedCertificate.
    """
    if token.product_x5t_s256 is None:
        raise NotAuthorized("the access token is for no enterprise's product")
    if named != token.product_x5t_s256:
        raise InvalidContent
    try:
        return get_good_certificate(services, token.product_x5t_s256, "product-sign")
    except UnknownCertificate as exc:
        raise InvalidContent from exc


def spend_jti(services: Services, certificate: KnownCertificate, signed: SignedContent) -> None:
    """Raises Replayed unless this content is used for the first time."""
    with writing(services) as session:
        fresh = once.spend(session, "content-jti", certificate.x5t_s256, signed.jti, signed.expires_at + WINDOW)
    if not fresh:
        raise Replayed("the content was used before")


def verify_authorization(
    services: Services, token: AccessToken, certificate: KnownCertificate
) -> StandingAuthorization:
    """The authorization: it stands, for this platform, enterprise, product and custody. Raises NotAuthorized."""
    try:
        authorization = get_standing_cached(services, token.authorization_id or "")
        enterprise = _enterprise_of(certificate.uri)
    except (NotFound, InvalidIdentifier) as exc:
        raise NotAuthorized("no authorization stands") from exc
    stands_for = (
        authorization.application_id,
        (authorization.uscc, authorization.product),
        authorization.product_x5t_s256,
        authorization.custody,
    )
    if stands_for != (token.application_id, enterprise, certificate.x5t_s256, certificate.custody):
        raise NotAuthorized("the authorization is for another platform, enterprise, product or custody")
    return authorization


def canonical_document(signed: SignedContent | None, incoming: IncomingRequest, *, any_numbers: bool = False) -> bytes:
    try:
        if signed is not None:
            return canonical(dict(signed.document), any_numbers=any_numbers)
        return canonical(parse_object(incoming.body), any_numbers=any_numbers) if incoming.body else b""
    except InvalidJson as exc:
        raise InvalidDocument("1 fault", faults=(Fault(exc.pointer, exc.reason),)) from exc
