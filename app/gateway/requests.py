"""A protected request as it came over the wire, before anything in it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.gateway.httpsig import HttpSignatureError, SignatureInput, parse_signature, parse_signature_input
from app.gateway.jose import JoseError, SealedJwe, parse_jwe
from app.gateway.problems import (
    ContentTooLarge,
    InvalidContent,
    InvalidDpopProof,
    InvalidMessageSignature,
    InvalidRequest,
    InvalidToken,
)
from app.oauth.tokens import MAX_TOKEN

MAX_BODY = 256 * 1024  # octets; the largest document of the protocol is far smaller
LABEL, TAG = "api", "yunlian-api"
CONTENT_TYPE, PLAIN_TYPE = "application/jose", "application/json"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_AUTHORIZATION = re.compile(rf"(Bearer|DPoP) ([A-Za-z0-9_.-]{{1,{MAX_TOKEN}}})")
_NONCE = re.compile(r"[A-Za-z0-9+/=_.~-]{16,128}")
_X5T = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """Method, target and fields; `headers` has lower-case names. `target_uri` is built on the issuer URL.

    `tls_x5t_s256` names the client certificate of the TLS connection, None where there was none.
    """

    method: str
    target_uri: str
    headers: Mapping[str, str]
    body: bytes
    tls_x5t_s256: str | None


@dataclass(frozen=True, slots=True)
class UnverifiedRequest:
    """A request of the right form. Nothing in it is proven."""

    token: str
    dpop: str | None  # the key proof, with the scheme DPoP only
    stated: SignatureInput
    created: int
    nonce: str
    keyid: str
    signature: bytes
    digest: str | None
    sealed_content: SealedJwe | None


def parse_request(incoming: IncomingRequest, *, content: bool, max_body: int = MAX_BODY) -> UnverifiedRequest:
    """Check size and form (the first step of protocol.md), no meaning yet.

    Raises ContentTooLarge, InvalidRequest, InvalidToken, InvalidDpopProof, InvalidMessageSignature, InvalidContent.
    """
    headers, has_body = incoming.headers, incoming.method in _WITH_BODY
    if len(incoming.body) > max_body:
        raise ContentTooLarge(f"a request has at most {max_body} octets")
    authorization = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if authorization is None:
        raise InvalidToken("the Authorization field is not `Bearer` or `DPoP` and one access token")
    scheme, token = authorization.groups()
    stated, signature = _parse_signature(incoming)
    if scheme == "DPoP" and "dpop" not in headers:
        raise InvalidDpopProof("a request with the scheme DPoP has a DPoP field")
    if scheme == "Bearer" and "dpop" in headers:
        raise InvalidRequest("a DPoP field goes with the scheme DPoP")
    if incoming.body and not has_body:
        raise InvalidRequest(f"a {incoming.method} request has no body here")
    expected_type = CONTENT_TYPE if content else PLAIN_TYPE
    if has_body and headers.get("content-type") != expected_type:
        raise InvalidRequest(f"the content type is {expected_type}")
    if "content-encoding" in headers:
        raise InvalidRequest("compressed content is not accepted")
    _check_parameters(stated)
    return UnverifiedRequest(
        token=token,
        dpop=headers.get("dpop"),
        stated=stated,
        created=stated.created or 0,
        nonce=stated.nonce or "",
        keyid=stated.keyid or "",
        signature=signature,
        digest=headers.get("content-digest") if has_body else None,
        sealed_content=_parse_content(incoming.body) if content else None,
    )


def required_components(incoming: IncomingRequest) -> frozenset[str]:
    """The identifiers that the signature must cover, no more and no less."""
    names = ["@method", "@target-uri", "authorization"]
    if incoming.method in _WITH_BODY:
        names += ["content-type", "content-digest"]
    if "dpop" in incoming.headers:
        names.append("dpop")
    return frozenset(f'"{name}"' for name in names)


def component_values(incoming: IncomingRequest) -> dict[str, str]:
    """The values of all components that a signature may cover here, by identifier."""
    fields = ("authorization", "content-type", "content-digest", "dpop")
    values = {f'"{name}"': incoming.headers[name] for name in fields if name in incoming.headers}
    return {'"@method"': incoming.method, '"@target-uri"': incoming.target_uri, **values}


def _parse_signature(incoming: IncomingRequest) -> tuple[SignatureInput, bytes]:
    try:
        stated = parse_signature_input(incoming.headers.get("signature-input", ""), LABEL)
        signature = parse_signature(incoming.headers.get("signature", ""), LABEL)
    except HttpSignatureError as exc:
        raise InvalidMessageSignature(str(exc)) from exc
    if frozenset(stated.components) != required_components(incoming):
        raise InvalidMessageSignature("the signature does not cover exactly the components of the protocol")
    return stated, signature


def _check_parameters(stated: SignatureInput) -> None:
    if stated.tag != TAG:
        raise InvalidMessageSignature(f"tag is not {TAG}")
    if stated.created is None or stated.expires is None or stated.alg is None:
        raise InvalidMessageSignature("created, expires and alg are required")
    if not stated.nonce or not _NONCE.fullmatch(stated.nonce):
        raise InvalidMessageSignature("nonce is not 16 to 128 characters of base64 or base64url")
    if not stated.keyid or not _X5T.fullmatch(stated.keyid):
        raise InvalidMessageSignature("keyid is not the x5t#S256 of a certificate")


def _parse_content(body: bytes) -> SealedJwe:
    try:
        return parse_jwe(body.decode("ascii"), limit=len(body))  # which was bounded as a whole
    except (UnicodeDecodeError, JoseError) as exc:
        raise InvalidContent from exc
