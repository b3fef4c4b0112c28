"""Refusals are counted per worker, and kept in the journal once the platform is known."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from app.gateway.verify import Attempt
from app.problems import Problem

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)

REFUSALS: Counter[str] = Counter()
"""By problem code, since this worker started."""


def record_refusal(services: Services, attempt: Attempt, refusal: Problem, route: str) -> None:
    """Count and journal a refusal, in a commit that refusals share: no personal data, no content, no token.

    A stranger's request is only counted and logged, so that nobody without a token can fill the journal; of those
    beyond a quota, the first of each window is kept.
    """
    REFUSALS[refusal.code] += 1
    facts = {"request_id": attempt.request_id, "route": route, "problem": refusal.code}
    log.info("request refused", extra={**facts, "client_id": attempt.client_id})
    if attempt.client_id is None or _is_repeated(attempt):
        return
    body = {"problem": refusal.code, "route": route}
    subject, actor = attempt.request_id, attempt.client_id
    services.commits.run(
        lambda session: services.journal.append(session, "request-refused", subject=subject, actor=actor, body=body)
    )


def _is_repeated(attempt: Attempt) -> bool:
    return attempt.rate is not None and attempt.rate.exceeded and not attempt.rate.first_exceeded
