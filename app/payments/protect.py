"""`@protected_payment`: as `@protected(scope="payments")`, with the spending and the payment in one group commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from flask import Response, g, request
from sqlalchemy import Engine

from app.gateway.answers import GatewayAnswer, make_response
from app.gateway.protect import _ATTRIBUTE, Protection, read_request
from app.gateway.refusals import record_refusal
from app.gateway.requests import IncomingRequest
from app.gateway.verify import Attempt, VerifiedRequest
from app.group_commit import GroupCommit
from app.payments import service
from app.payments.admission import SCOPE, Admission, admit, carry_out
from app.payments.shedding import Hands
from app.problems import Problem
from app.wiring import Services, current_services

HANDS = Hands()
_committers: WeakKeyDictionary[Engine, GroupCommit[Admission]] = WeakKeyDictionary()


def committer_of(services: Services) -> GroupCommit[Admission]:
    """The one that goes with this database in this process."""
    committer = _committers.get(services.engine)
    return committer or _committers.setdefault(services.engine, GroupCommit(services, carry_out))


def protected_payment(view: Callable[..., GatewayAnswer]) -> Callable[..., Response]:
    """Let only verified requests in and pay what they order. `view` is for those whom another dialect has verified."""

    @wraps(view)
    def guarded(**path: Any) -> Response:
        services = current_services()
        attempt = g.gateway_attempt = Attempt(g.request_id)
        verified, answer = take_in(services, attempt, read_request(services), str(request.url_rule))
        return make_response(services, answer, verified.product_x5t_s256)

    setattr(guarded, _ATTRIBUTE, Protection(SCOPE, content=True))
    return guarded


def take_in(
    services: Services, attempt: Attempt, incoming: IncomingRequest, route: str
) -> tuple[VerifiedRequest, GatewayAnswer]:
    """The request verified and carried out. Raises the Problem that refuses it, which is on record then."""
    try:
        with HANDS.one_more():
            verified, answer = admit(services, attempt, incoming, committer_of(services).submit)
    except Problem as refusal:
        attempt.refusal = refusal
        record_refusal(services, attempt, refusal, route)
        raise
    if isinstance(answer, Problem):
        service.record_refusal(services, verified, answer)
        raise answer
    return verified, answer
