"""Letting a payment in: the checks of `app.gateway.verify` in the same order, with everything that must happen once
spent by the group that also books the payment, so that a request costs one commit and shares it.

A request whose content is refused still has its nonce spent and counted first, in a group of its own or another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.gateway.answers import GatewayAnswer
from app.gateway.content import open_content, verify_content
from app.gateway.problems import Replayed
from app.gateway.ratelimits import WINDOW as RATE_WINDOW
from app.gateway.ratelimits import counted_in_redis, verdict
from app.gateway.requests import IncomingRequest, parse_request
from app.gateway.verify import (
    WINDOW,
    Attempt,
    VerifiedRequest,
    canonical_document,
    verify_api_certificate,
    verify_authorization,
    verify_binding,
    verify_message,
    verify_product_certificate,
    verify_token,
)
from app.oauth.dpop import KeyProof, spend_proof
from app.once import digest_of
from app.payments.service import order_of, tell_outcomes
from app.payments.store import Spend, store_of
from app.payments.taking import Group, Order, take
from app.problems import Problem, TooManyRequests
from app.wiring import Services

SCOPE = "payments"


@dataclass(slots=True)
class Admission:
    """A request whose outer signature is good, what it spends, and what it orders where its content is good too."""

    attempt: Attempt
    application_id: str
    spend: Spend
    key_proof: KeyProof | None
    order: Order | None = None
    in_redis: int | None = None  # the number of this request where Redis counts them
    answer: GatewayAnswer | Problem | None = field(default=None)


def admit(
    services: Services, attempt: Attempt, incoming: IncomingRequest, submit: Callable[[Admission], None]
) -> tuple[VerifiedRequest, GatewayAnswer | Problem]:
    """Check a payment in the order of protocol.md and have it carried out by `submit`, which returns after the commit.

    Raises the Problem of the first check that fails. A refusal by the payment itself is returned.
    """
    unverified = parse_request(incoming, content=True)
    token = verify_token(services, unverified.token, SCOPE)
    attempt.client_id = token.client_id
    key_proof = verify_binding(services, token, unverified, incoming)
    certificate = verify_api_certificate(services, token, unverified)
    verify_message(services, certificate, unverified, incoming)
    forget_at = datetime.fromtimestamp(unverified.created, UTC) + 2 * WINDOW
    spend = Spend(digest_of(certificate.x5t_s256, unverified.nonce), forget_at)
    admission = Admission(attempt, token.application_id, spend, key_proof)
    try:
        assert unverified.sealed_content is not None  # parse_request demands it with content=True
        opened = open_content(services, unverified.sealed_content)
        product = verify_product_certificate(services, token, opened.header.get("x5t#S256"))
        signed = verify_content(services, opened, product, token, incoming)
        spend.add_content(digest_of(product.x5t_s256, signed.jti), signed.expires_at + WINDOW)
        authorization = verify_authorization(services, token, product)
        document = canonical_document(signed, incoming)
        verified = VerifiedRequest(
            request_id=attempt.request_id,
            client_id=token.client_id,
            application_id=token.application_id,
            platform_tenant_id=token.platform_tenant_id,
            scope=token.scope,
            api_x5t_s256=certificate.x5t_s256,
            authorization=authorization,
            product_x5t_s256=product.x5t_s256,
            content_jti=signed.jti,
            document=document,
            document_sha256=hashlib.sha256(document).hexdigest(),
            received_at=services.clock(),
        )
    except Problem as refusal:
        # The nonce and the quota come before the content: what they say is the first check that fails.
        _submit(services, admission, submit)
        if isinstance(admission.answer, Problem):
            raise admission.answer from refusal
        raise
    try:
        admission.order = order_of(verified, signed.document)
    except Problem as refusal:
        _submit(services, admission, submit)
        return verified, admission.answer if isinstance(admission.answer, Problem) else refusal
    _submit(services, admission, submit)
    assert admission.answer is not None  # an order always has an answer
    if isinstance(admission.answer, Replayed | TooManyRequests):
        raise admission.answer
    return verified, admission.answer


def _submit(services: Services, admission: Admission, submit: Callable[[Admission], None]) -> None:
    with counted_in_redis(services, admission.application_id, SCOPE) as counted:
        admission.in_redis = counted.number
        submit(admission)
        counted.is_fresh = admission.attempt.rate is not None


def carry_out(services: Services, session: Session, admissions: Sequence[Admission]) -> None:
    """Spend, count and pay a group in the caller's transaction; every admission gets its answer.

    All is claimed at once, in the hope that every request is fresh and within its quota; where one is not, the group
    is made anew without it. What it claimed too early is given back: nobody uses up another's quota by sending its
    requests again, and content that nobody has looked at, because the quota was used up, may be sent again.
    """
    at = services.clock()
    window = int(at.timestamp()) // RATE_WINDOW
    counted = [f"{each.application_id}:{SCOPE}" for each in admissions if each.in_redis is None]
    group = Group(services, session, [each.order for each in admissions if each.order is not None], at)
    store = store_of(session)
    opened = store.open_group(group.opening([each.spend for each in admissions], counted, window))
    counts, stale, unseen = iter(opened.counts), [], []
    for admission, fresh in zip(admissions, opened.fresh, strict=True):
        used = next(counts) if admission.in_redis is None else admission.in_redis
        admission.answer, admission.attempt.rate = None, None  # of an attempt that was undone
        if not fresh.nonce:
            admission.answer = Replayed("the nonce was used before")
        elif admission.key_proof is not None and not spend_proof(session, admission.key_proof):
            admission.answer = Replayed("the DPoP proof was used before")
        else:
            admission.attempt.rate = rate = verdict(services, SCOPE, used)
            if rate.exceeded:
                detail = "the application's quota for this product is used up"
                admission.answer = TooManyRequests(detail, retry_after=rate.reset)
            elif not fresh.content:
                admission.answer = Replayed("the content was used before")
        if admission.attempt.rate is None and admission.in_redis is None:
            stale.append(f"{admission.application_id}:{SCOPE}")
        if admission.answer is not None and fresh.content and admission.spend.content is not None:
            unseen.append(admission.spend.content)
    if stale:
        store.uncount_requests(stale, window)
    if unseen:
        store.give_contents_back(unseen)
    ordered = [each for each in admissions if each.order is not None]
    paying = [each for each in ordered if each.answer is None]
    if len(paying) == len(ordered):
        outcomes = group.take(opened)
    else:
        group.give_up(opened)
        outcomes = take(services, session, [each.order for each in paying if each.order is not None], at)
    for admission, answer in zip(paying, tell_outcomes(session, outcomes, at), strict=True):
        admission.answer = answer
