"""Keys that sign access tokens, and their rotation: published before use, kept until their last token has expired.

A rotation moves the revocation epoch, so every worker reads the new row within half a second; which key signs at a
moment follows from `active_from` alone, and so all workers change over together. Before the first rotation the
gateway's signing key does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db import id_at, new_id
from app.gateway.cache import caches_of
from app.gateway.jose import public_jwk, thumbprint
from app.oauth.models import TokenKey
from app.problems import Conflict
from pki.keys import KeyType, PrivateKey, PublicKey
from pki.suite import suite_for

if TYPE_CHECKING:
    from app.wiring import Services

LIFETIME = timedelta(minutes=5)  # of an access token
SKEW = timedelta(seconds=10)
LEAD = timedelta(minutes=10)  # published before use: the key set may be cached for five
PERIOD = timedelta(days=30)
_PREFIX = "token-"  # of names in the key store; a sortable identifier follows


@dataclass(frozen=True, slots=True)
class RingKey:
    """One key with its name; `active_from` is None for the gateway's, which was there before all others."""

    kid: str
    key: PrivateKey
    active_from: datetime | None = None

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in the order in which they sign, the gateway's first."""

    keys: tuple[RingKey, ...]

    def signing(self, now: datetime) -> RingKey:
        """The newest active key."""
        return next(key for key in reversed(self.keys) if _is_active(key, now))

    def find(self, kid: object, now: datetime) -> RingKey | None:
        """The key of this name, if a token that it signed may still be good."""
        return next((key for key in self.usable(now) if key.kid == kid and _is_active(key, now)), None)

    def usable(self, now: datetime) -> tuple[RingKey, ...]:
        """What is published beside the gateway's own key: the next ones too, no longer the retired."""
        ends = [following.active_from for following in self.keys[1:]]
        return tuple(
            key for key, end in zip(self.keys, [*ends, None], strict=True) if end is None or now < end + LIFETIME + SKEW
        )


def key_ring(services: Services) -> KeyRing:
    """The keys as this worker knows them. Reads the database where the epoch moved, so not inside a transaction."""
    return caches_of(services).token_keys.get_or_make(services.epoch.current(), "ring", lambda: _read(services))


def token_jwks(ring: KeyRing, now: datetime) -> list[dict[str, Any]]:
    """The public members (RFC 7517) of the keys that sign tokens, without the gateway's, which has a certificate."""
    return [
        {**public_jwk(key.public_key), "use": "sig", "alg": suite_for(key.public_key).jose_signature, "kid": key.kid}
        for key in ring.usable(now)
        if key.active_from is not None
    ]


def rotate(services: Services, session: Session, *, actor: str, at_once: bool = False) -> TokenKey:
    """Make the next key: active after LEAD, or `at_once`, which ends all tokens by earlier keys (they leaked).

    Raises Conflict where a next key is waiting already.
    """
    services.epoch.bump(session)  # first of all: its row is what makes rotations wait for each other
    now = services.clock()
    if at_once:
        session.execute(delete(TokenKey))
    elif session.scalars(select(TokenKey).where(TokenKey.active_from > now)).first() is not None:
        raise Conflict("the next key is waiting already")
    name = _PREFIX + new_id()
    key = services.keystore.create(name, KeyType.EC_P256)
    row = TokenKey(
        kid=thumbprint(public_jwk(key.public_key())),
        name=name,
        created_at=now,
        active_from=now - LIFETIME - SKEW if at_once else now + LEAD,
    )
    session.add(row)
    session.flush()
    body = {"active_from": row.active_from.isoformat(), "at_once": int(at_once)}
    services.journal.append(session, "token-key-made", subject=row.kid, actor=actor, body=body)
    return row


def rotate_when_due(services: Services) -> int:
    """A job: make the next key when the newest is PERIOD old. Returns how many were made."""
    now = services.clock()
    with services.transaction() as session:
        newest = session.scalars(select(TokenKey).order_by(TokenKey.active_from.desc()).limit(1)).first()
        if newest is not None and newest.active_from > now - PERIOD:
            return 0
        rotate(services, session, actor="system")
    return 1


def forget_retired(session: Session, now: datetime) -> int:
    """Delete the rows of keys whose last token has expired. Returns how many."""
    rows = list_keys(session)
    retired = len(rows) - len(_unretired(rows, now))
    if retired:
        session.execute(delete(TokenKey).where(TokenKey.kid.in_([row.kid for row in rows[:retired]])))
    return retired


def delete_forgotten(services: Services) -> int:
    """A job: destroy the keys in the key store that no row names, be it no longer or because a rotation failed.

    Those of the last day stay: one of them may belong to a rotation that has not committed. Returns how many.
    """
    oldest_kept = _PREFIX + id_at(services.clock() - timedelta(days=1))
    with services.transaction() as session:
        named = {row.name for row in list_keys(session)}
        held = (name for name in services.keystore.names() if name.startswith(_PREFIX) and name < oldest_kept)
        forgotten = [name for name in held if name not in named]
        for name in forgotten:
            services.journal.append(session, "token-key-deleted", subject=name, actor="system", body={})
    for name in forgotten:
        services.keystore.delete(name)
    return len(forgotten)


def list_keys(session: Session) -> Sequence[TokenKey]:
    """All rows, in the order in which they sign."""
    return session.scalars(select(TokenKey).order_by(TokenKey.active_from)).all()


def _read(services: Services) -> KeyRing:
    held = services.hierarchy.gateway_sign
    with services.reading() as session:
        rows = _unretired(list_keys(session), services.clock())  # the keys of others may be destroyed by now
    own = (RingKey(row.kid, services.keystore.load(row.name), row.active_from) for row in rows)
    return KeyRing((RingKey(held.x5t_s256, held.key), *own))


def _unretired(rows: Sequence[TokenKey], now: datetime) -> Sequence[TokenKey]:
    """The rows whose tokens may still be good, or will be."""
    retired = sum(following.active_from + LIFETIME + SKEW <= now for following in rows[1:])
    return rows[retired:]


def _is_active(key: RingKey, now: datetime) -> bool:
    return key.active_from is None or key.active_from <= now
