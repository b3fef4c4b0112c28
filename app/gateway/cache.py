"""What this worker has verified already. A verdict lives under the revocation epoch in which it was reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

if TYPE_CHECKING:
    from app.gateway.certificates import KnownCertificate
    from app.gateway.icbc.keys import IcbcSettings
    from app.oauth.authorizations import StandingAuthorization
    from app.oauth.token_keys import KeyRing
    from app.oauth.tokens import AccessToken
    from app.wiring import Services

T = TypeVar("T")


class EpochCache(Generic[T]):
    """At most `size` verdicts, all of one epoch; when the epoch moves on they are forgotten together."""

    def __init__(self, size: int = 2048) -> None:
        self._size = size
        self._epoch = -1
        self._verdicts: dict[str, T] = {}

    def get_or_make(self, epoch: int, key: str, make: Callable[[], T]) -> T:
        """The verdict for `key` under `epoch`. What `make` raises is raised and not remembered."""
        if epoch != self._epoch:
            self._verdicts.clear()
            self._epoch = epoch
        if key in self._verdicts:
            return self._verdicts[key]
        verdict = make()
        if epoch == self._epoch:  # another greenlet may have seen a newer epoch while this one was reading
            if len(self._verdicts) >= self._size:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[key] = verdict
        return verdict


@dataclass(frozen=True, slots=True)
class Caches:
    """The verdicts of one worker. Refusals are not kept, so unknown tokens and names cannot push out good ones."""

    tokens: EpochCache[AccessToken] = field(default_factory=EpochCache)
    certificates: EpochCache[KnownCertificate] = field(default_factory=EpochCache)
    authorizations: EpochCache[StandingAuthorization] = field(default_factory=EpochCache)
    token_keys: EpochCache[KeyRing] = field(default_factory=EpochCache)
    icbc: EpochCache[IcbcSettings] = field(default_factory=EpochCache)


_caches: WeakKeyDictionary[Engine, Caches] = WeakKeyDictionary()


def caches_of(services: Services) -> Caches:
    """The caches that go with this database; each worker has its own."""
    caches = _caches.get(services.engine)
    return caches if caches is not None else _caches.setdefault(services.engine, Caches())
