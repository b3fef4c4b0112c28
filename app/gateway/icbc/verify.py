"""The ordered checks of a request in the dialect. The signature is proven before anything is decrypted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from app import once
from app.gateway.certificates import KnownCertificate, UnknownCertificate, get_good_certificate
from app.gateway.content import TYP, SignedContent, verify_content
from app.gateway.documents import InvalidJson, canonical, parse_object
from app.gateway.encoding import base64url
from app.gateway.icbc.cipher import DoesNotDecrypt, decrypt
from app.gateway.icbc.keys import get_settings
from app.gateway.icbc.parameters import Parameters, parse_pairs, parse_parameters
from app.gateway.icbc.signatures import verify_ca, verify_rsa2
from app.gateway.jose import JoseError, parse_jws
from app.gateway.problems import (
    IllegalCall,
    InvalidContent,
    InvalidDocument,
    InvalidMessageSignature,
    InvalidToken,
    KeyNotMaintained,
    NotAuthorized,
    Replayed,
)
from app.gateway.ratelimits import RateVerdict, count_request, counted_in_redis
from app.gateway.requests import MAX_BODY, IncomingRequest
from app.gateway.verify import (
    Attempt,
    VerifiedRequest,
    spend_jti,
    verify_authorization,
    verify_product_certificate,
    verify_token,
)
from app.problems import Fault, TooManyRequests

if TYPE_CHECKING:
    from app.oauth.tokens import AccessToken
    from app.wiring import Services

WINDOW = timedelta(minutes=5)  # how far `timestamp` may be from the bank's clock, either way
_SIGNED_CONTENT = "signed_content"


@dataclass(frozen=True, slots=True)
class Service:
    """What a service demands: a scope, whether an enterprise is the second identity, and whether money moves."""

    endpoint: str
    scope: str
    content: bool
    moves_money: bool


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it came; `encoded` is the form, from the body of a POST or the query of a GET."""

    method: str
    path: str
    encoded: bytes


@dataclass(slots=True)
class IcbcAttempt(Attempt):
    """What the answer, be it a refusal, must know: what the request called itself, and once proven how to encrypt."""

    msg_id: str = ""
    app_id: str = ""
    aes_key: bytes | None = field(default=None, repr=False)


def verify_icbc_request(
    services: Services, attempt: IcbcAttempt, sent: SentRequest, service: Service
) -> VerifiedRequest:
    """Check a request in order. Raises the Problem of the first check that fails."""
    # 1. Form, and how far the time is from ours.
    pairs = parse_pairs(sent.encoded)
    attempt.msg_id, attempt.app_id = pairs.get("msg_id", "")[:64], pairs.get("app_id", "")[:64]
    stated = parse_parameters(sent.path, pairs)
    _verify_time(services, stated)
    # 2. The token, and that it belongs to the application that sends it.
    token = _verify_own_token(services, stated, service)
    attempt.client_id = token.client_id
    # 3. The certificate that the token is bound to, and the signature.
    api_certificate = _get_api_certificate(services, token)
    product = _verify_signature(services, stated, token, api_certificate, service)
    # 4. From here on answers are encrypted where the request is.
    attempt.aes_key = _aes_key(services, stated, token)
    # 5. The msg_id, spent only now that the signature is good; then the request counts.
    attempt.rate = _spend_msg_id(services, stated, token, service)
    if attempt.rate.exceeded:
        raise TooManyRequests("the application's quota for this product is used up", retry_after=attempt.rate.reset)
    # 6. Decryption, and one JSON object.
    members = _open(stated, attempt.aes_key)
    jti: str | None = None
    document: dict[str, Any] = members
    if service.content and product is None:
        # 7. The enterprise's own signature, inside.
        product, signed = _verify_signed_content(services, members, token, sent)
        spend_jti(services, product, signed)
        jti, document = signed.jti, dict(signed.document)
    elif product is not None:
        jti = f"icbc:{hashlib.sha256(stated.sign).hexdigest()}"
    # 8. The standing authorization.
    authorization = verify_authorization(services, token, product) if product is not None else None
    # 9. The document.
    octets = _canonical(document)
    return VerifiedRequest(
        request_id=attempt.request_id,
        client_id=token.client_id,
        application_id=token.application_id,
        platform_tenant_id=token.platform_tenant_id,
        scope=token.scope,
        api_x5t_s256=api_certificate.x5t_s256,
        authorization=authorization,
        product_x5t_s256=product.x5t_s256 if product is not None else None,
        content_jti=jti,
        document=octets,
        document_sha256=hashlib.sha256(octets).hexdigest(),
        received_at=services.clock(),
    )


def _verify_time(services: Services, stated: Parameters) -> None:
    if abs(services.clock() - stated.timestamp) > WINDOW:
        raise InvalidMessageSignature("timestamp is not within 5 minutes of the bank's clock in GMT+8")


def _verify_own_token(services: Services, stated: Parameters, service: Service) -> AccessToken:
    token = verify_token(services, stated.app_auth_token, service.scope)
    if token.client_id != stated.app_id:
        raise InvalidToken("app_auth_token is another application's")
    if token.certificate_x5t_s256 is None:
        raise InvalidToken("a DPoP-bound token cannot be shown in this dialect")
    return token


def _get_api_certificate(services: Services, token: AccessToken) -> KnownCertificate:
    try:
        certificate = get_good_certificate(services, token.certificate_x5t_s256 or "", "api")
    except UnknownCertificate as exc:
        raise InvalidToken("app_auth_token is bound to no certificate of ours") from exc
    if certificate.application_id != token.application_id:
        raise InvalidToken("app_auth_token is bound to another application's certificate")
    return certificate


def _verify_signature(
    services: Services, stated: Parameters, token: AccessToken, api: KnownCertificate, service: Service
) -> KnownCertificate | None:
    """RSA2: by the very API certificate that the token is bound to. CA: by the token's product certificate, returned.

    With CA the enterprise vouches for a token that only the platform could fetch. That is enough to read the
    enterprise's own data, and not to move its money.
    """
    if stated.ca is None:
        verify_rsa2(api.public_key, stated.sign, stated.to_sign)
        return None
    named = base64url(hashlib.sha256(stated.ca).digest())
    if token.product_x5t_s256 is None or named != token.product_x5t_s256:
        raise NotAuthorized("ca is not the product certificate of app_auth_token")
    product = verify_product_certificate(services, token, named)
    verify_ca(product.public_key, stated.sign, stated.to_sign)
    if service.moves_money:
        raise IllegalCall("a service that moves money takes sign_type RSA2 and signed_content")
    return product


def _aes_key(services: Services, stated: Parameters, token: AccessToken) -> bytes | None:
    if not stated.encrypted:
        return None
    key = get_settings(services, token.client_id).aes_key
    if key is None:
        raise KeyNotMaintained("the application has no AES key")
    return key


def _spend_msg_id(services: Services, stated: Parameters, token: AccessToken, service: Service) -> RateVerdict:
    with counted_in_redis(services, token.application_id, service.scope) as counted:
        rate = None
        with services.transaction() as session:
            forget_at = stated.timestamp + 2 * WINDOW  # the second WINDOW is for clocks that were set back
            if once.spend(session, "icbc-msg-id", token.application_id, stated.msg_id, forget_at):
                rate = count_request(services, session, token.application_id, service.scope, counted.number)
        if rate is None:
            raise Replayed("the msg_id was used before")
        counted.is_fresh = True
        return rate


def _open(stated: Parameters, aes_key: bytes | None) -> dict[str, Any]:
    try:
        text = stated.biz_content if aes_key is None else decrypt(aes_key, stated.biz_content)
        return parse_object(text.encode())
    except (DoesNotDecrypt, InvalidJson) as exc:
        raise InvalidDocument("biz_content is not one JSON object", faults=(Fault("", "not-json"),)) from exc


def _verify_signed_content(
    services: Services, members: dict[str, Any], token: AccessToken, sent: SentRequest
) -> tuple[KnownCertificate, SignedContent]:
    """The content JWT of the protocol as a member; what stands beside it must be its document, member by member."""
    text = members.pop(_SIGNED_CONTENT, None)
    if not isinstance(text, str):
        raise NotAuthorized("the enterprise's signed_content is missing in biz_content")
    try:
        unverified = parse_jws(text, typ={TYP}, limit=MAX_BODY)
    except JoseError as exc:
        raise InvalidContent from exc
    product = verify_product_certificate(services, token, unverified.header.get("x5t#S256"))
    target = IncomingRequest(sent.method, services.settings.issuer_url + sent.path, {}, b"", None)
    signed = verify_content(services, unverified, product, token, target)
    if members and _canonical(members) != _canonical(dict(signed.document)):
        raise InvalidDocument(
            "biz_content says something else than its signed_content", faults=(Fault("", "conflict"),)
        )
    return product, signed


def _canonical(document: dict[str, Any]) -> bytes:
    try:
        return canonical(document)
    except InvalidJson as exc:
        raise InvalidDocument("1 fault", faults=(Fault(exc.pointer, exc.reason),)) from exc
