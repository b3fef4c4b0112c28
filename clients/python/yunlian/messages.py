"""HTTP message signatures (RFC 9421) by http-message-signatures, for the component lists of the protocol."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
)

from yunlian.errors import AnswerNotTrusted
from yunlian.keys import PrivateKey, algorithms_for

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

REQUEST_COMPONENTS = ("@method", "@target-uri", "authorization")
BODY_COMPONENTS = ("content-type", "content-digest")
ANSWER_COMPONENTS = ('"@status"', '"content-type"', '"content-digest"')
CALLBACK_COMPONENTS = ('"@method"', '"@target-uri"', '"content-type"', '"content-digest"')
BOUND_TO_SIGNATURE = ('"signature";req;key="api"',)
LIFETIME = timedelta(seconds=60)


@dataclass
class Request:
    """A request as the signature library reads it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Response:
    """An answer as the signature library reads it."""

    status_code: int
    headers: Mapping[str, str]
    request: Request


def sign_request(request: Request, body: bytes | None, key: PrivateKey, keyid: str, now: datetime) -> None:
    """Add Content-Digest (where there is a body), Signature-Input and Signature to the request's headers."""
    components = REQUEST_COMPONENTS + (BODY_COMPONENTS if body is not None else ())
    components += ("dpop",) if "DPoP" in request.headers else ()
    resolver = MappingKeyResolver(public_keys={}, private_keys={keyid: key})
    HTTPMessageSigner(signature_algorithm=algorithms_for(key).http_signature, key_resolver=resolver).sign(
        request,
        key_id=keyid,
        created=now,
        expires=now + LIFETIME,
        nonce=secrets.token_urlsafe(18),
        label="api",
        tag="yunlian-api",
        covered_component_ids=components,
        body=body,
    )


def verify_answer(
    response: Response, body: bytes, public_keys: Mapping[str, Any], clock: Callable[[], datetime]
) -> None:
    """Check that the bank signed this answer to this request, now. Raises AnswerNotTrusted."""

    _verify(response, body, public_keys, clock, ("bank", "yunlian-bank"), ANSWER_COMPONENTS + BOUND_TO_SIGNATURE)


def verify_callback(
    request: Request, body: bytes, public_keys: Mapping[str, Any], clock: Callable[[], datetime]
) -> None:
    """Check that the bank signed this callback to this address, now. Raises AnswerNotTrusted."""
    _verify(request, body, public_keys, clock, ("callback", "yunlian-callback"), CALLBACK_COMPONENTS)


def _verify(
    message: Request | Response,
    body: bytes,
    public_keys: Mapping[str, Any],
    clock: Callable[[], datetime],
    names: tuple[str, str],
    components: tuple[str, ...],
) -> None:
    """`names` are the label and the tag of the signature."""

    class Verifier(HTTPMessageVerifier):
        def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
            created = datetime.fromtimestamp(sig_input.params["created"], UTC)
            if abs(clock() - created) > LIFETIME:
                raise InvalidSignature("created is not within 60 s of this clock")

    if not public_keys:
        raise AnswerNotTrusted("the bank's keys are not known")
    resolver = MappingKeyResolver(public_keys=public_keys, private_keys={})
    algorithm = algorithms_for(next(iter(public_keys.values()))).http_signature
    try:
        Verifier(signature_algorithm=algorithm, key_resolver=resolver).verify(
            message,
            expect_tag=names[1],
            expect_label=names[0],
            require_components=components,
            body=body,
        )
    except (HTTPMessageSignaturesException, KeyError, ValueError, OverflowError) as exc:
        raise AnswerNotTrusted(str(exc)) from exc
