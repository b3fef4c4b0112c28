"""How many requests an application may send for one product in a minute, counted by all workers together.

Only fresh requests with a good message signature are counted, so nobody can use up another's quota. The count goes
into the transaction that spends the nonce and costs no commit of its own; where a Redis is configured it counts
instead, and the database goes on where Redis is away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Executable, Table, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.gateway.models import RateWindow

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)

WINDOW = 60  # seconds


@dataclass(frozen=True, slots=True)
class RateVerdict:
    """Where an application stands: `used` of `quota` in this window, which ends in `reset` seconds."""

    policy: str
    quota: int
    used: int
    reset: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.quota

    @property
    def first_exceeded(self) -> bool:
        """Whether this is the first refusal of the window, the one that is worth an entry in the journal."""
        return self.used == self.quota + 1

    def fields(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10 §3, §4)."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={WINDOW}',
            "RateLimit": f'"{self.policy}";r={max(0, self.quota - self.used)};t={self.reset}',
        }


def count_request(
    services: Services, session: Session, application_id: str, product: str, in_redis: int | None
) -> RateVerdict:
    """Count one request, in the caller's transaction, where Redis did not count it before."""
    window = int(services.clock().timestamp()) // WINDOW
    if in_redis is not None:
        return verdict(services, product, in_redis)
    return verdict(services, product, _count_in_database(session, f"{application_id}:{product}", window))


def verdict(services: Services, product: str, used: int) -> RateVerdict:
    """Where an application stands now that so many requests are counted."""
    reset = WINDOW - int(services.clock().timestamp()) % WINDOW
    return RateVerdict(product, services.settings.requests_per_minute, used, reset)


@dataclass(slots=True)
class RedisCount:
    """A request's `number` in this window; None where no Redis is configured or it does not answer."""

    number: int | None
    is_fresh: bool = False  # whoever lets the request in says so


@contextmanager
def counted_in_redis(services: Services, application_id: str, product: str) -> Iterator[RedisCount]:
    """Count a request, and take that back unless it was a fresh one: nobody uses up another's quota by sending its
    requests again.

    Around a transaction, never within: whoever waits for Redis lets others of this process go on, and one of them
    could then wait for what the transaction holds, and with it the whole process.
    """
    count = RedisCount(_move_in_redis(services, application_id, product, 1))
    try:
        yield count
    finally:
        if count.number is not None and not count.is_fresh:
            _move_in_redis(services, application_id, product, -1)


def _counting(dialect: ModuleType) -> Executable:
    statement = dialect.insert(_TABLE).values(used=1)
    is_over = _TABLE.c.window < statement.excluded.window  # a request that comes late counts for the later window
    return cast(
        Executable,
        statement.on_conflict_do_update(
            index_elements=[_TABLE.c.name],
            set_={
                "window": case((is_over, statement.excluded.window), else_=_TABLE.c.window),
                "used": case((is_over, 1), else_=_TABLE.c.used + 1),
            },
        ).returning(_TABLE.c.used),
    )


# Made once, and of the table: making the statement costs several times what the database takes for it.
_TABLE = cast(Table, RateWindow.__table__)
_COUNT = {"sqlite": _counting(sqlite), "postgresql": _counting(postgresql)}


def _count_in_database(session: Session, name: str, window: int) -> int:
    counted = session.scalar(_COUNT[session.get_bind().dialect.name], {"name": name, "window": window})
    return int(counted or 0)


def _move_in_redis(services: Services, application_id: str, product: str, by: int) -> int | None:
    url = services.settings.redis_url
    if url is None:
        return None
    import redis  # noqa: PLC0415 - needed only where it is configured

    key = f"yunlian:rate:{application_id}:{product}:{int(services.clock().timestamp()) // WINDOW}"
    try:
        with _redis(url).pipeline() as pipeline:
            pipeline.incrby(key, by)
            pipeline.expire(key, 2 * WINDOW)
            return int(pipeline.execute()[0])
    except redis.RedisError:
        log.warning("Redis does not answer; the database counts requests")
        return None


@lru_cache(maxsize=4)
def _redis(url: str) -> Any:
    import redis  # noqa: PLC0415 - see above

    return redis.Redis.from_url(url, socket_timeout=0.2, socket_connect_timeout=0.2)
